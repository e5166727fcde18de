/*
 * The key-value store's map, as the app (apps/kv) and the XDP program (kv.bpf.c) both know it: an
 * LRU hash named kv_store, pinned by name, so that the program finds the app's map when it is
 * loaded, or makes it.
 */
#ifndef APPS_XDP_KV_H
#define APPS_XDP_KV_H

#define KV_PORT        11211
#define KV_KEY_MAX     64u  /* bytes of a key; shorter ones are filled up with zeros */
#define KV_VALUE_MAX   512u /* bytes of a value */
#define KV_ENTRIES_MAX 4096u

struct kv_key {
    unsigned char bytes[KV_KEY_MAX];
};

struct kv_value {
    unsigned long long
        expires_ns;     /* by bpf_ktime_get_ns(), which is the system's time_ns(); 0: never */
    unsigned int flags; /* the client's */
    unsigned int len;   /* of data */
    unsigned char data[KV_VALUE_MAX];
};

#endif
