/* The lecture's copies, switched on: see copies.h. */
#include <kernel/config.h>
#include <kernel/context.h>
#include <kernel/page.h>
#include <kernel/panic.h>
#include <kernel/softirq.h>
#include <lwip/pbuf.h>
#include <net/copies.h>
#include <string.h>

unsigned copies_level;
struct copies_stats copies_stats;

void copies_init(void)
{
    copies_level = (unsigned)config_u64("copies", 0, 0, COPIES_MAX);
}

unsigned copies_get(void)
{
    return copies_level;
}

void copies_set(unsigned level)
{
    ASSERT(level <= COPIES_MAX);
    softirq_disable();
    copies_level = level;
    softirq_enable();
}

/* The NIC's buffers are free again as soon as the first copy is made. */
struct pbuf *copies_make(struct pbuf *p)
{
    ASSERT_BOTTOM_HALF();
    for (unsigned i = 0; i < copies_level; i++) {
        struct pbuf *copy = pbuf_clone(PBUF_RAW, PBUF_RAM, p);

        if (copy == NULL) {
            copies_stats.rx_failed++;
            break;
        }
        copies_stats.rx_bytes += p->tot_len;
        pbuf_free(p);
        p = copy;
    }
    return p;
}

/* A buffer of an application's own, as one that reads a file and writes it to a socket has. */
static LATE_BSS uint8_t user_buffer[UINT16_MAX];

err_t copies_write_copied(struct tcp_pcb *pcb, const void *data, u16_t len, u8_t flags)
{
    err_t err;

    ASSERT_BOTTOM_HALF();
    if (copies_level > 1) {
        memcpy(user_buffer, data, len);
        data = user_buffer;
        copies_stats.tx_bytes += len;
    }
    err = tcp_write(pcb, data, len, flags | TCP_WRITE_FLAG_COPY);
    if (err == ERR_OK)
        copies_stats.tx_bytes += len;
    return err;
}

struct pbuf *copies_join(struct pbuf *head, const void *body, u16_t bytes)
{
    u16_t len = head->len;
    struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)(len + bytes), PBUF_RAM);
    uint8_t *first = copies_level > 1 ? user_buffer : NULL;

    ASSERT_BOTTOM_HALF();
    if (p == NULL)
        return NULL;
    if (first == NULL)
        first = p->payload;
    memcpy(first, head->payload, len);
    if (bytes > 0)
        memcpy(first + len, body, bytes);
    if (first == user_buffer)
        memcpy(p->payload, user_buffer, (size_t)len + bytes);
    copies_stats.tx_bytes += copies_level * ((uint64_t)len + bytes);
    pbuf_free(head);
    return p;
}
