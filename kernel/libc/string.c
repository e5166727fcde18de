/*
 * <string.h> and the little of <stdlib.h> that lwIP asks for, in general registers only.
 *
 * Copies go by 8-byte words, and from REP_MIN bytes on by REP MOVSQ / STOSQ: at that size the
 * microcode's start-up is paid for on hardware, and an emulator is within a quarter of the loop.
 * REP MOVSB would be as good on hardware and ten times worse in an emulator.
 *
 * The compiler knows what these loops mean and would make memcpy() out of memcpy()'s own; the
 * barrier() in each keeps it from that.
 */
#include <kernel/barrier.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define REP_MIN 1024

/* A word at any address, of any object: x86 does not mind, C has to be told. */
struct __attribute__((packed, may_alias)) word {
    uint64_t v;
};
struct __attribute__((packed, may_alias)) half {
    uint32_t v;
};

static inline uint64_t load64(const void *p)
{
    return ((const struct word *)p)->v;
}

static inline void store64(void *p, uint64_t v)
{
    ((struct word *)p)->v = v;
}

static inline uint32_t load32(const void *p)
{
    return ((const struct half *)p)->v;
}

static inline void store32(void *p, uint32_t v)
{
    ((struct half *)p)->v = v;
}

/* n <= 16: first and last word, which may overlap. All loads come first, so dst may overlap. */
static inline void copy_short(uint8_t *d, const uint8_t *s, size_t n)
{
    if (n >= 8) {
        uint64_t first = load64(s), last = load64(s + n - 8);

        store64(d, first);
        store64(d + n - 8, last);
    } else if (n >= 4) {
        uint32_t first = load32(s), last = load32(s + n - 4);

        store32(d, first);
        store32(d + n - 4, last);
    } else if (n > 0) {
        uint8_t first = s[0], middle = s[n / 2], last = s[n - 1];

        d[0] = first;
        d[n / 2] = middle;
        d[n - 1] = last;
    }
}

/* Upwards, n > 16. The last word is taken first: a dst below an overlapping src overwrites it. */
static inline void copy_up(uint8_t *d, const uint8_t *s, size_t n)
{
    uint64_t last = load64(s + n - 8);
    uint8_t *end = d + n;

    if (n >= REP_MIN) {
        size_t words = n / 8;

        __asm__ volatile("rep movsq" : "+D"(d), "+S"(s), "+c"(words) : : "memory");
    } else {
        for (; n >= 32; n -= 32, d += 32, s += 32) {
            uint64_t a = load64(s), b = load64(s + 8), c = load64(s + 16), e = load64(s + 24);

            store64(d, a);
            store64(d + 8, b);
            store64(d + 16, c);
            store64(d + 24, e);
            barrier();
        }
        for (; n > 8; n -= 8, d += 8, s += 8) {
            store64(d, load64(s));
            barrier();
        }
    }
    store64(end - 8, last);
}

/* Downwards, n > 16: dst lies above src and overlaps it. */
static void copy_down(uint8_t *d, const uint8_t *s, size_t n)
{
    uint64_t first = load64(s);

    for (; n > 8; n -= 8) {
        store64(d + n - 8, load64(s + n - 8));
        barrier();
    }
    store64(d, first);
}

void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
    if (n <= 16)
        copy_short(dst, src, n);
    else
        copy_up(dst, src, n);
    return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
    if (n <= 16)
        copy_short(dst, src, n);
    else if ((uintptr_t)dst - (uintptr_t)src >= n) /* below src wraps round, to a large number */
        copy_up(dst, src, n);
    else if (dst != src)
        copy_down(dst, src, n);
    return dst;
}

void *memset(void *dst, int c, size_t n)
{
    uint64_t word = (uint8_t)c * 0x0101010101010101ull;
    uint8_t *d = dst;

    if (n < 8) {
        for (; n > 0; n--) {
            d[n - 1] = (uint8_t)c;
            barrier();
        }
        return dst;
    }
    store64(d + n - 8, word);
    if (n >= REP_MIN) {
        size_t words = n / 8;

        __asm__ volatile("rep stosq" : "+D"(d), "+c"(words) : "a"(word) : "memory");
        return dst;
    }
    for (; n >= 32; n -= 32, d += 32) {
        store64(d, word);
        store64(d + 8, word);
        store64(d + 16, word);
        store64(d + 24, word);
        barrier();
    }
    for (; n > 8; n -= 8, d += 8) {
        store64(d, word);
        barrier();
    }
    return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *x = a, *y = b;

    for (; n >= 8 && load64(x) == load64(y); n -= 8, x += 8, y += 8)
        ;
    for (; n > 0; n--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}

void *memchr(const void *s, int c, size_t n)
{
    const uint8_t *p = s;

    for (; n > 0; n--, p++)
        if (*p == (uint8_t)c)
            return (void *)p;
    return NULL;
}

size_t strlen(const char *s)
{
    const char *p = s;

    while (*p != '\0') {
        p++;
        barrier();
    }
    return (size_t)(p - s);
}

size_t strnlen(const char *s, size_t max)
{
    size_t n = 0;

    while (n < max && s[n] != '\0')
        n++;
    return n;
}

int strcmp(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return (uint8_t)*a - (uint8_t)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (; n > 0; n--, a++, b++) {
        if (*a != *b)
            return (uint8_t)*a - (uint8_t)*b;
        if (*a == '\0')
            break;
    }
    return 0;
}

char *strchr(const char *s, int c)
{
    for (;; s++) {
        if (*s == (char)c)
            return (char *)s;
        if (*s == '\0')
            return NULL;
    }
}

char *strrchr(const char *s, int c)
{
    const char *found = NULL;

    for (;; s++) {
        if (*s == (char)c)
            found = s;
        if (*s == '\0')
            return (char *)found;
    }
}

char *strstr(const char *haystack, const char *needle)
{
    size_t n = strlen(needle);

    for (;; haystack++) {
        if (strncmp(haystack, needle, n) == 0)
            return (char *)haystack;
        if (*haystack == '\0')
            return NULL;
    }
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static unsigned digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a') + 10;
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A') + 10;
    return 255;
}

unsigned long strtoul(const char *s, char **end, int base)
{
    const char *start = s;
    bool negative = false, any = false, overflow = false;
    unsigned long n = 0;

    while (is_space(*s))
        s++;
    if (*s == '+' || *s == '-')
        negative = *s++ == '-';
    if ((base == 0 || base == 16) && s[0] == '0' && (s[1] == 'x' || s[1] == 'X') &&
        digit_value(s[2]) < 16) {
        s += 2;
        base = 16;
    } else if (base == 0) {
        base = *s == '0' ? 8 : 10;
    }
    for (; digit_value(*s) < (unsigned)base; s++) {
        any = true;
        overflow |= __builtin_mul_overflow(n, (unsigned long)base, &n);
        overflow |= __builtin_add_overflow(n, (unsigned long)digit_value(*s), &n);
    }
    if (end != NULL)
        *end = (char *)(any ? s : start);
    if (overflow)
        return ~0ul;
    return negative ? -n : n;
}

int atoi(const char *s)
{
    return (int)strtoul(s, NULL, 10);
}
