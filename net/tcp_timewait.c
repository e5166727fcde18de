/* The table of TIME-WAIT records, and what comes for them: see tcp_timewait.h. Pure code. */
#include "tcp_timewait.h"
#include "tcp_banks.h"
#include <kernel/page.h>
#include <lwip/prot/tcp.h>
#include <string.h>

_Static_assert(IS_POWER_OF_TWO(TIMEWAIT_MAX), "indexed by a mask");

static LATE_BSS struct {
    struct timewait record[TIMEWAIT_MAX]; /* a ring: the oldest at `oldest` */
    uint16_t bucket[TIMEWAIT_MAX];        /* index + 1 of the first; 0: none */
    uint32_t oldest, newest;              /* run on; newest is the next to be written */
    unsigned count;
} table;

struct tcp_timewait_stats tcp_timewait_stats;

unsigned tcp_timewait_count(void)
{
    return table.count;
}

enum timewait_verdict timewait_judge(const struct timewait *tw, u8_t flags, u32_t seqno,
                                     u32_t bytes)
{
    if (flags & TCP_RST)
        return TIMEWAIT_IGNORE;
    if (flags & TCP_SYN)
        return !(flags & TCP_ACK) && (s32_t)(seqno - tw->rcv_nxt) > 0 ? TIMEWAIT_OPEN
                                                                      : TIMEWAIT_ACK;
    if (flags & TCP_FIN)
        return TIMEWAIT_ACK_AND_WAIT;
    return bytes > 0 ? TIMEWAIT_ACK : TIMEWAIT_IGNORE;
}

/* Keyed, as the banks are, so that nobody chooses ends that all fall into one bucket. */
static uint16_t *bucket_of(const ip_addr_t *remote, u16_t remote_port, u16_t local_port)
{
    return &table.bucket[tcp_banks_hash(remote, remote_port, local_port) & (TIMEWAIT_MAX - 1)];
}

static struct timewait *find_in(uint16_t at, const ip_addr_t *remote, u16_t remote_port,
                                const ip_addr_t *local, u16_t local_port)
{
    for (; at != 0; at = table.record[at - 1].next) {
        struct timewait *tw = &table.record[at - 1];

        if (tw->remote_port == remote_port && tw->local_port == local_port &&
            ip_addr_eq(&tw->remote, remote) && ip_addr_eq(&tw->local, local))
            return tw;
    }
    return NULL;
}

struct timewait *timewait_find(const ip_addr_t *remote, u16_t remote_port, const ip_addr_t *local,
                               u16_t local_port)
{
    return find_in(*bucket_of(remote, remote_port, local_port), remote, remote_port, local,
                   local_port);
}

void timewait_remove(struct timewait *tw)
{
    uint16_t number = (uint16_t)(tw - table.record + 1);
    uint16_t *link = bucket_of(&tw->remote, tw->remote_port, tw->local_port);

    while (*link != number)
        link = &table.record[*link - 1].next;
    *link = tw->next;
    tw->used = false;
    table.count--;
}

static void drop_oldest(void)
{
    struct timewait *tw = &table.record[table.oldest++ & (TIMEWAIT_MAX - 1)];

    if (tw->used)
        timewait_remove(tw);
}

struct timewait *timewait_add(const struct timewait *new)
{
    uint16_t *bucket = bucket_of(&new->remote, new->remote_port, new->local_port);
    struct timewait *tw =
        find_in(*bucket, &new->remote, new->remote_port, &new->local, new->local_port);

    if (tw != NULL)
        timewait_remove(tw);
    if (table.newest - table.oldest == TIMEWAIT_MAX) {
        tcp_timewait_stats.evicted += table.record[table.oldest & (TIMEWAIT_MAX - 1)].used;
        drop_oldest();
    }
    tw = &table.record[table.newest & (TIMEWAIT_MAX - 1)];
    *tw = *new;
    tw->used = true;
    tw->next = *bucket;
    *bucket = (uint16_t)((table.newest & (TIMEWAIT_MAX - 1)) + 1);
    table.newest++;
    table.count++;
    tcp_timewait_stats.entered++;
    return tw;
}

const struct timewait *timewait_next(const struct timewait *tw)
{
    const struct timewait *end = table.record + TIMEWAIT_MAX;

    for (tw = tw != NULL ? tw + 1 : table.record; tw < end; tw++)
        if (tw->used)
            return tw;
    return NULL;
}

/* The ring is in the order in which records were made: one whose wait began anew may keep those
 * behind it a while longer, which does no harm. */
void timewait_expire(u32_t now)
{
    while (table.oldest != table.newest) {
        const struct timewait *tw = &table.record[table.oldest & (TIMEWAIT_MAX - 1)];

        if (tw->used && (s32_t)(tw->until - now) > 0)
            return;
        drop_oldest();
    }
}
