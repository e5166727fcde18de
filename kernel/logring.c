/* The ring of log records behind printk and dmesg: a header and the text, end to end. */
#include <kernel/logring.h>
#include <kernel/fmt.h>
#include <kernel/lib.h>
#include <string.h>

struct record {
    uint64_t time_ns;
    uint64_t len; /* bytes of text that follow */
};
_Static_assert(IS_POWER_OF_TWO(LOGRING_BYTES), "positions are masked");

static void copy_in(struct logring *ring, uint64_t pos, const void *src, size_t n)
{
    size_t at = pos % LOGRING_BYTES;
    size_t first = MIN(n, LOGRING_BYTES - at);

    memcpy(ring->data + at, src, first);
    memcpy(ring->data, (const uint8_t *)src + first, n - first);
}

static void copy_out(const struct logring *ring, uint64_t pos, void *dst, size_t n)
{
    size_t at = pos % LOGRING_BYTES;
    size_t first = MIN(n, LOGRING_BYTES - at);

    memcpy(dst, ring->data + at, first);
    memcpy((uint8_t *)dst + first, ring->data, n - first);
}

void logring_append(struct logring *ring, uint64_t time_ns, const char *text, size_t len)
{
    struct record r = { .time_ns = time_ns, .len = MIN(len, (size_t)LOGRING_TEXT_MAX) };
    struct record oldest;

    while (ring->head + sizeof(r) + r.len - ring->tail > LOGRING_BYTES) {
        copy_out(ring, ring->tail, &oldest, sizeof(oldest));
        ring->tail += sizeof(oldest) + oldest.len;
    }
    copy_in(ring, ring->head, &r, sizeof(r));
    copy_in(ring, ring->head + sizeof(r), text, r.len);
    ring->head += sizeof(r) + r.len;
}

bool logring_read(const struct logring *ring, uint64_t *cursor, uint64_t *time_ns, char *text,
                  size_t size)
{
    struct record r;
    size_t n;

    if (*cursor < ring->tail)
        *cursor = ring->tail;
    if (*cursor >= ring->head)
        return false;
    copy_out(ring, *cursor, &r, sizeof(r));
    n = MIN(r.len, size - 1);
    copy_out(ring, *cursor + sizeof(r), text, n);
    text[n] = '\0';
    *time_ns = r.time_ns;
    *cursor += sizeof(r) + r.len;
    return true;
}

int logring_stamp(char *buf, size_t size, uint64_t time_ns)
{
    return fmt_snprintf(buf, size, "[%5llu.%06llu] ", (unsigned long long)(time_ns / NS_PER_SEC),
                        (unsigned long long)(time_ns % NS_PER_SEC / NS_PER_US));
}
