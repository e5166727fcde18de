/*
 * What programs send out: ringbuf and perf_event_array, read by the console and by HTTP. One ring a
 * map, bounded, in which an event that finds no room is lost and counted. An event goes to whoever
 * reads first.
 */
#ifndef NET_BPF_EVENTS_H
#define NET_BPF_EVENTS_H

#include "map.h"

#define BPF_PERF_RING_BYTES                                                                        \
    (64u << 10) /* of a perf_event_array, as of a page-set of Linux's perf */

/* ---- The reading side. Main context, softirqs disabled. ---- */

struct bpf_event {
    uint32_t bytes; /* of the event; what did not fit into the reader's buffer was cut */
    uint64_t lost;  /* of this map, since it was made */
};

/* Whether the map is of a type that has events. */
bool bpf_events_has(const struct bpf_map *map);

/* The next event, taken out of the ring: its first bytes into buf[room]. False: there is none (but
 * event->lost is told). */
bool bpf_events_read(struct bpf_map *map, void *buf, size_t room, struct bpf_event *event);

/* ---- The writing side, for the helpers. Softirq context. ---- */

/* Room for an event of a ringbuf, as bpf_ringbuf_reserve(): NULL: none (counted as lost). It may be
 * read once it is submitted; what is discarded never is. */
void *bpf_ring_reserve(struct bpf_map *map, uint64_t bytes);
void bpf_ring_submit(void *event);
void bpf_ring_discard(void *event);

/* Of a ringbuf: bytes as Linux counts them, with 8 of header for each event. */
struct bpf_ring_state {
    uint64_t consumer, producer; /* ever */
    uint64_t size;
};
struct bpf_ring_state bpf_ring_state(const struct bpf_map *map);

#endif
