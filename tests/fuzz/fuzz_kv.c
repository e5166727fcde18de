/* Datagrams to the key-value store, one behind the other: each begins with its length in two bytes.
 * An answer is one datagram, and begins as the request. */
#include "fuzz.h"
#include "kv/kv_proto.h"
#include "kv/kv_store.h"
#include <kernel/rand.h>
#include <kernel/time.h>

uint64_t time_unix(void)
{
    return 1700000000;
}

void rand_bytes(void *out, size_t len)
{
    memset(out, 0x5a, len);
}

bool bpf_ifindex_known(uint32_t ifindex);
bool bpf_ifindex_known(uint32_t ifindex)
{
    (void)ifindex;
    return false;
}

bool xsk_is_open(uint32_t id);
bool xsk_is_open(uint32_t id)
{
    (void)id;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool open;
    struct kv_counts counts = { 0 };
    const char *why;

    if (!open)
        MUST(open = kv_store_open(&why));
    while (size >= 2) {
        size_t len = (data[0] | (size_t)data[1] << 8) % 1500, n;
        char *request, *reply = malloc(KV_REPLY_MAX);

        MUST(reply != NULL);
        data += 2;
        size -= 2;
        len = len < size ? len : size;
        request = exactly(data, len);
        n = kv_answer((const uint8_t *)request, len, (uint8_t *)reply, &counts);
        MUST(n == 0 || (n > KV_HEADER_BYTES + 2 && n <= KV_REPLY_MAX &&
                        memcmp(reply, request, 6) == 0 && memcmp(reply + n - 2, "\r\n", 2) == 0));
        free(request);
        free(reply);
        data += len;
        size -= len;
    }
    MUST(counts.hits + counts.misses == counts.gets);
    kv_store_flush();
    MUST(kv_store_entries() == 0);
    return 0;
}
