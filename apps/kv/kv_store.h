/*
 * The key-value store: an eBPF map (apps/xdp/kv.h), so that an XDP program can answer from it too.
 * When it is full, what was least recently used makes room. Bottom half.
 */
#ifndef KV_STORE_H
#define KV_STORE_H

#include "../xdp/kv.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Make the map, or take the one that a program has brought. False: *why is a constant sentence. */
bool kv_store_open(const char **why);

/* NULL: not there, expired, or nothing that was stored here. Valid until the store is changed.
 * key_len is 1 to KV_KEY_MAX. */
const struct kv_value *kv_store_get(const uint8_t *key, size_t key_len);

enum kv_when { KV_ALWAYS, KV_IF_ABSENT, KV_IF_PRESENT };
enum kv_result { KV_STORED, KV_NOT_STORED, KV_NO_MEMORY };

/* expires_s: seconds from now; 0: never; up to KV_RELATIVE_MAX_S, beyond: since 1970; below 0: at
 * once. len is up to KV_VALUE_MAX. */
#define KV_RELATIVE_MAX_S (60 * 60 * 24 * 30)
enum kv_result kv_store_set(const uint8_t *key, size_t key_len, const uint8_t *data, size_t len,
                            uint32_t flags, int64_t expires_s, enum kv_when when);

bool kv_store_delete(const uint8_t *key, size_t key_len); /* false: it was not there */
void kv_store_flush(void);                                /* all of it */
uint32_t kv_store_entries(void);

#endif
