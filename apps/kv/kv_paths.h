/* The ways to the store that are compared. Each leads the datagrams of kv_port to kv_answer(). */
#ifndef KV_PATHS_H
#define KV_PATHS_H

#include "kv_proto.h"
#include <stdbool.h>

extern struct kv_counts kv_counts;

/* Through lwIP: always there, as the others pass up what they do not take. Boot. */
bool kv_udp_start(uint16_t port, const char **why);

/* From a raw ring, answered in a frame of its own. Main context. */
bool kv_raw_open(uint16_t port, const char **why);

struct kv_path_stats {
    uint64_t lwip_datagrams, raw_datagrams;
    uint64_t raw_refused; /* redirected, but not what the app takes: dropped */
};
extern struct kv_path_stats kv_path_stats;
const struct xsk *kv_raw_socket(void); /* NULL: never opened */

#endif
