/*
 * The copies that are not made here, to be switched on for measurement: copies=0|1|2, or `copies`
 * on the console. (The lecture: "Packet copy to sockets": "on read from application, packet payload
 * copied from kernel memory to user memory"; "Overheads": "packet copy from kernel to user space".)
 *
 *   0  none: the app reads in the buffers that the NIC wrote, and sends from where its data lies
 *   1  as with sockets: every payload byte is copied once on its way in, out of the NIC's buffer
 *      into memory that stands for a socket's, and once on its way out, as write() does
 *   2  as a server that reads into and writes from memory of its own: once more in each direction
 *
 * Apps receive and send through copies_receive(), copies_write() and net/tcp_send.h; with 0 that is
 * a test each. Bottom half.
 */
#ifndef NET_COPIES_H
#define NET_COPIES_H

#include <kernel/lib.h>
#include <lwip/tcp.h>

#define COPIES_MAX 2u

/* Configuration key copies. Boot. */
void copies_init(void);

unsigned copies_get(void);       /* any context */
void copies_set(unsigned level); /* main context, at most COPIES_MAX; from the next segment on */

struct pbuf *copies_make(struct pbuf *p);

/* For tcp_send(): head and body as one pbuf, which has as many copies behind it as there are to be;
 * the head is freed. NULL: no memory, and nothing was done. */
struct pbuf *copies_join(struct pbuf *head, const void *body, u16_t bytes);
err_t copies_write_copied(struct tcp_pcb *pcb, const void *data, u16_t len, u8_t flags);

extern unsigned copies_level; /* copies.c's, for the two below */

/* What the app reads in place of the received chain p (NULL: the end), which is the callee's from
 * here on; the result is the caller's. p itself where memory is short. */
static inline struct pbuf *copies_receive(struct pbuf *p)
{
    return likely(copies_level == 0) || p == NULL ? p : copies_make(p);
}

/* tcp_write(). What it refers to may go away at once when there are copies. */
static inline err_t copies_write(struct tcp_pcb *pcb, const void *data, u16_t len, u8_t flags)
{
    if (likely(copies_level == 0))
        return tcp_write(pcb, data, len, flags);
    return copies_write_copied(pcb, data, len, flags);
}

struct copies_stats {
    uint64_t rx_bytes, tx_bytes; /* copied, each as often as it was */
    uint64_t rx_failed;          /* chains that were passed on as they were: no memory */
};
extern struct copies_stats copies_stats; /* for the command `stats` */

#endif
