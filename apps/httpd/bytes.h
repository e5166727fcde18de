/* Short strings, eight bytes at a time: names and paths are compared and hashed for each request.
 */
#ifndef HTTPD_BYTES_H
#define HTTPD_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline uint16_t load16(const char *s)
{
    uint16_t v;

    __builtin_memcpy(&v, s, sizeof(v));
    return v;
}

static inline uint32_t load32(const char *s)
{
    uint32_t v;

    __builtin_memcpy(&v, s, sizeof(v));
    return v;
}

static inline uint64_t load64(const char *s)
{
    uint64_t v;

    __builtin_memcpy(&v, s, sizeof(v));
    return v;
}

/* The last eight bytes of s[0..len); of less than eight all, with the length: two loads that
 * overlap where they must. */
static inline uint64_t load_tail(const char *s, size_t len)
{
    if (len >= 8)
        return load64(s + (len - 8));
    if (len >= 4) /* (&s[len - 4], because s + len - 4 is taken for a step beyond the end first) */
        return load32(s) | (uint64_t)load32(&s[len - 4]) << 32;
    if (len == 0)
        return 0;
    return (uint64_t)(unsigned char)s[0] | (uint64_t)(unsigned char)s[len / 2] << 8 |
           (uint64_t)(unsigned char)s[len - 1] << 16;
}

static inline bool same_bytes(const char *a, const char *b, size_t len)
{
    if (len < 8)
        return load_tail(a, len) == load_tail(b, len);
    for (size_t i = 0; i + 8 < len; i += 8)
        if (load64(a + i) != load64(b + i))
            return false;
    return load64(a + (len - 8)) == load64(b + (len - 8));
}

/*
 * Of the same length, and s is `lower` but for the case of letters. Letters become lower case with
 * bit 5 set, and so no others than letters become letters. `lower` may hold '-', ':' and '/' too
 * where s can not hold the control characters that become these: CR, SUB and SI.
 */
static inline bool same_name(const char *s, const char *lower, size_t len)
{
    const uint64_t bit5 = 0x2020202020202020;

    for (size_t i = 0; i + 8 < len; i += 8)
        if ((load64(s + i) | bit5) != load64(lower + i))
            return false;
    return (load_tail(s, len) | (len >= 4 ? bit5 : bit5 & 0xffffff)) == load_tail(lower, len);
}

static inline uint32_t hash_bytes(const char *s, size_t len)
{
    const uint64_t odd = 0xff51afd7ed558ccd;
    uint64_t hash = len * odd;

    for (size_t i = 0; i + 8 < len; i += 8)
        hash = (hash ^ load64(s + i)) * odd;
    return (uint32_t)((hash ^ load_tail(s, len)) * odd >> 32);
}

#endif
