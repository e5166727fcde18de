/*
 * A received frame as a program sees it: what its ctx points to. The compiled program reads
 * struct xdp_md (32-bit fields); the verifier has its loads go here instead, one load for one.
 *
 *   hard_start            data_meta  data                     data_end            hard_end
 *   |  virtio header room | metadata | frame                  |  room to grow     |
 */
#ifndef NET_BPF_XDP_BUFF_H
#define NET_BPF_XDP_BUFF_H

#include <stdint.h>

struct bpf_map;

struct xdp_buff {
    uint8_t *data;
    uint8_t *data_end;
    uint8_t *data_meta;  /* == data: no metadata; at most XDP_META_MAX, a multiple of 4 */
    uint8_t *hard_start; /* the lowest that data (or data_meta) may become */
    uint8_t *hard_end;   /* the highest that data_end may become */
    uint32_t ingress_ifindex;
    uint32_t rx_queue_index;
};

#define XDP_META_MAX  252 /* Linux 6.18's; hard_start may be nearer */
#define XDP_FRAME_MIN 14  /* ETH_HLEN: adjust_head and adjust_tail leave at least this */

/* Where the last redirect() or redirect_map() of this CPU's program leads, read by who acts on
 * XDP_REDIRECT. Softirq context. */
struct bpf_redirect {
    struct bpf_map *map; /* NULL: by ifindex */
    uint32_t index;      /* key of the map, or the ifindex */
    uint32_t flags;      /* BPF_F_BROADCAST, BPF_F_EXCLUDE_INGRESS: to all entries of the devmap
                            (index does not count), but the interface it came from */
};
extern struct bpf_redirect bpf_redirect;

#endif
