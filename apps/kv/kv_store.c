/* The key-value store in an eBPF map: see kv_store.h. */
#include "kv_store.h"
#include <net/bpf_map.h>
#include <kernel/lib.h>
#include <kernel/time.h>
#include <string.h>

#define MAP_NAME "kv_store"

static struct bpf_map *map;

static const struct bpf_map_def wanted = {
    .type = BPF_MAP_TYPE_LRU_HASH,
    .key_size = sizeof(struct kv_key),
    .value_size = sizeof(struct kv_value),
    .max_entries = KV_ENTRIES_MAX,
};

bool kv_store_open(const char **why)
{
    map = bpf_map_by_name(MAP_NAME);
    if (map == NULL) {
        map = bpf_map_create(&wanted, MAP_NAME, why);
        return map != NULL;
    }
    if (memcmp(&map->def, &wanted, sizeof(wanted)) != 0) {
        *why = "there is another map named " MAP_NAME;
        map = NULL;
        return false;
    }
    bpf_map_hold(map);
    return true;
}

static void make_key(struct kv_key *key, const uint8_t *bytes, size_t len)
{
    *key = (struct kv_key){ { 0 } };
    memcpy(key->bytes, bytes, len);
}

static bool expired(const struct kv_value *value)
{
    return value->expires_ns != 0 && value->expires_ns <= time_ns();
}

/* Others write into the map, too: the console, HTTP, programs. */
static bool is_of_use(const struct kv_value *value)
{
    return value->len <= KV_VALUE_MAX && !expired(value);
}

const struct kv_value *kv_store_get(const uint8_t *key, size_t key_len)
{
    const struct kv_value *value;
    struct kv_key k;

    make_key(&k, key, key_len);
    value = map->ops->lookup(map, &k);
    if (value == NULL || is_of_use(value))
        /* cppcheck-suppress returnDanglingLifetime ; it is the map's */
        return value;
    map->ops->delete (map, &k);
    return NULL;
}

/* memcached's rule (its protocol.txt: "Expiration times"). What is over already expires at the
 * first nanosecond there was. */
static uint64_t expiry_ns(int64_t expires_s)
{
    if (expires_s == 0)
        return 0;
    if (expires_s > KV_RELATIVE_MAX_S)
        expires_s -= (int64_t)time_unix();
    if (expires_s <= 0)
        return 1;
    if ((uint64_t)expires_s > (UINT64_MAX - time_ns()) / NS_PER_SEC)
        return 0; /* in centuries: never */
    return time_ns() + (uint64_t)expires_s * NS_PER_SEC;
}

enum kv_result kv_store_set(const uint8_t *key, size_t key_len, const uint8_t *data, size_t len,
                            uint32_t flags, int64_t expires_s, enum kv_when when)
{
    static struct kv_value value; /* half a KiB: not on the stack of an interrupt */
    struct kv_key k;

    if (when != KV_ALWAYS && (kv_store_get(key, key_len) != NULL) != (when == KV_IF_PRESENT))
        return KV_NOT_STORED;
    make_key(&k, key, key_len);
    value.expires_ns = expiry_ns(expires_s);
    value.flags = flags;
    value.len = (uint32_t)len;
    memcpy(value.data, data, len);
    memset(value.data + len, 0, KV_VALUE_MAX - len);
    return map->ops->update(map, &k, &value, BPF_ANY) == 0 ? KV_STORED : KV_NO_MEMORY;
}

bool kv_store_delete(const uint8_t *key, size_t key_len)
{
    struct kv_key k;

    if (kv_store_get(key, key_len) == NULL)
        return false;
    make_key(&k, key, key_len);
    return map->ops->delete (map, &k) == 0;
}

void kv_store_flush(void)
{
    struct kv_key k, next = { { 0 } };
    int more = map->ops->next_key(map, NULL, &k);

    while (more == 0) {
        more = map->ops->next_key(map, &k, &next);
        map->ops->delete (map, &k);
        k = next;
    }
}

uint32_t kv_store_entries(void)
{
    return map->entries;
}
