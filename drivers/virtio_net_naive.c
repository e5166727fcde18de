/*
 * The naive design, for the receive mode `interrupt`: the top half does the link's work itself. It
 * takes the frames off the ring, puts them on a backlog for the bottom half, and gives the ring new
 * buffers; interrupts stay on all the while. So were drivers written before NAPI (netif_rx() and
 * its backlog in Linux 2.4, ipintrq in BSD).
 *
 * What is wrong with it is the order of priorities: under overload the CPU takes frames off the
 * ring at interrupt level, only to drop them from a backlog that the bottom half, which interrupts
 * keep from running, does not empty: receive livelock (Mogul and Ramakrishnan, "Eliminating Receive
 * Livelock in an Interrupt-Driven Kernel", 1997; the lecture: "The problem of interrupts").
 *
 * Who owns what: while the design is on, the receive ring is the top half's, and the bottom half
 * touches it with interrupts off only. The two meet in two queues of one producer and one consumer
 * each, which need no lock: the backlog, and the spare buffers.
 */
#include "pktbuf_pool.h"
#include "virtio_net.h"
#include <kernel/context.h>
#include <kernel/cpu.h>

/* At most a ring's worth an interrupt: a card that always has one more can not keep us here. */
#define TAKE_MAX NET_RING_MAX

static bool fifo_empty(const struct naive_fifo *f)
{
    return READ_ONCE(f->put) == f->taken;
}

static bool fifo_full(const struct naive_fifo *f)
{
    return f->put - READ_ONCE(f->taken) == NAIVE_FIFO_SIZE;
}

static void fifo_put(struct naive_fifo *f, struct pktbuf *buf)
{
    f->slot[f->put % NAIVE_FIFO_SIZE] = buf;
    barrier(); /* the other side runs on this CPU: the compiler alone could turn these round */
    WRITE_ONCE(f->put, f->put + 1);
}

static struct pktbuf *fifo_take(struct naive_fifo *f)
{
    struct pktbuf *buf = f->slot[f->taken % NAIVE_FIFO_SIZE];

    barrier();
    WRITE_ONCE(f->taken, f->taken + 1);
    return buf;
}

/* ---- Interrupt context, or interrupts off ---- */

static bool has_room(const struct naive *naive, unsigned buffers)
{
    return NAIVE_FIFO_SIZE - (naive->backlog.put - READ_ONCE(naive->backlog.taken)) >= buffers &&
           READ_ONCE(naive->spare.put) - naive->spare.taken >= buffers;
}

/* A buffer that came: onto the backlog, if there is room for all of its frame, and other buffers in
 * exchange. Returns what the ring gets: such a one, or the frame's own, and the frame is lost. */
static struct pktbuf *exchange(struct nic *nic, struct pktbuf *buf, uint32_t used_bytes)
{
    struct naive *naive = &nic->naive;

    if (naive->rest == 0) {
        naive->rest = net_rx_has_header(used_bytes) ? (uint16_t)net_rx_pieces(nic, buf) : 1;
        naive->dropping = !has_room(naive, naive->rest);
        nic->stats.rx_backlog_drop += naive->dropping;
    }
    naive->rest--;
    if (naive->dropping)
        return buf;
    buf->frame_len = used_bytes; /* not looked at: nic_rx_burst() does */
    fifo_put(&naive->backlog, buf);
    return fifo_take(&naive->spare);
}

/* Take what came, at most TAKE_MAX buffers over all calls for one interrupt; but whole frames. */
static unsigned take(struct nic *nic, unsigned taken)
{
    uint32_t used_bytes;

    for (; taken < TAKE_MAX || nic->naive.rest != 0; taken++) {
        struct pktbuf *buf = vq_pop(&nic->rx, &used_bytes);

        if (buf == NULL) {
            nic->naive.rest = 0; /* a device that shows parts of frames: nic_rx_burst() tells */
            break;
        }
        pktbuf_from_device(buf);
        buf = exchange(nic, buf, used_bytes);
        pktbuf_to_device(buf);
        net_rx_post(&nic->rx, buf);
    }
    return taken;
}

/* Where an interrupt has to be asked for, more may come before the device sees that. What is left
 * at the bound, the bottom half finds when it unmasks. */
void naive_receive(struct nic *nic)
{
    unsigned taken = 0;

    if (nic->broken)
        return;
    do
        taken = take(nic, taken);
    while (vq_irq_rearm(&nic->rx) && taken < TAKE_MAX);
    net_rx_show(nic);
}

/* ---- Bottom half ---- */

static void fill_spare(struct nic *nic)
{
    while (!fifo_full(&nic->naive.spare)) {
        struct pktbuf *buf = pktbuf_pool_get();

        if (buf == NULL) {
            nic->stats.rx_no_buffer++;
            return;
        }
        fifo_put(&nic->naive.spare, buf);
    }
}

/* The ring itself needs filling only where it was not full when the design was switched on. */
void naive_refill(struct nic *nic)
{
    bool irqs;

    fill_spare(nic);
    if (nic->broken || vq_free_slots(&nic->rx) == 0)
        return;
    irqs = irq_save();
    net_rx_fill(nic);
    irq_restore(irqs);
}

struct pktbuf *naive_take(struct nic *nic, uint32_t *used_bytes)
{
    struct naive *naive = &nic->naive;
    struct pktbuf *buf;

    if (!fifo_empty(&naive->backlog)) {
        buf = fifo_take(&naive->backlog);
        *used_bytes = buf->frame_len;
        return buf;
    }
    if (naive->on)
        return NULL;
    while (!fifo_empty(&naive->spare)) /* switched off, and nothing is left of it now */
        pktbuf_pool_put(fifo_take(&naive->spare));
    naive->active = false;
    return NULL;
}

bool naive_irq_enable(struct nic *nic)
{
    bool irqs = irq_save(), more = vq_irq_enable(&nic->rx);

    if (more) {
        naive_receive(nic);
        more = vq_pending(&nic->rx); /* no interrupt may come for what is left */
    }
    irq_restore(irqs);
    return more || !fifo_empty(&nic->naive.backlog);
}

void nic_rx_naive(struct nic *nic, bool on)
{
    bool irqs;

    ASSERT_BOTTOM_HALF();
    if (on)
        fill_spare(nic);
    irqs = irq_save();
    nic->naive.on = on;
    nic->naive.active |= on; /* until the backlog is empty: frames keep their order */
    irq_restore(irqs);
}
