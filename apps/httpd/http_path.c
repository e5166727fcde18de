/* Paths: see http_path.h. Sources: RFC 3986 §2.1 (escapes), §3.3 (path), §5.2.4 (dot segments). */
#include "http_path.h"
#include "http_escape.h"
#include <kernel/lib.h>
#include <string.h>

/* The next byte of the path, decoded, or -1 at its end, or -400. */
static int next_byte(const char *s, size_t len, size_t *at)
{
    int byte;

    if (*at == len || s[*at] == '?')
        return -1;
    if (s[*at] == '\0')
        return -400; /* the parser lets none through */
    if (s[*at] != '%')
        return (unsigned char)s[(*at)++];
    byte = http_escape(s + *at, len - *at);
    *at += 3;
    return byte < 0 ? -400 : byte;
}

/*
 * A segment ends at out[n]; it began at out[start]. Take "." and ".." away, with their effect.
 * Returns the new length, or -400 where ".." would leave the root.
 *
 * Escapes are decoded before this, so that %2e%2e and %2f hide nothing.
 */
static int end_segment(const char *out, size_t start, size_t n)
{
    if (n - start == 1 && out[start] == '.')
        return (int)start;
    if (n - start == 2 && out[start] == '.' && out[start + 1] == '.') {
        if (start == 0)
            return -400;
        start--; /* the slash between the two */
        while (start > 0 && out[start - 1] != '/')
            start--;
        return (int)start;
    }
    return (int)n;
}

int http_path_resolve(const char *target, size_t len, char *out, size_t size)
{
    size_t at = 1, start = 0, n = 0; /* the segment being written is out[start..n) */
    bool too_long = false;

    if (len == 0 || target[0] != '/')
        return -400;
    for (;;) {
        int c = next_byte(target, len, &at);

        if (c < -1)
            return c;
        if (c == '/' || c == -1) {
            int end = end_segment(out, start, n);

            if (end < 0)
                return end;
            /* A name, not removed, gets its slash; nothing does after a slash (or the root). */
            n = (size_t)end;
            if (c == '/' && n > 0 && out[n - 1] != '/' && n < size - 1)
                out[n++] = '/';
            start = n;
            if (c == -1)
                break;
        } else if (n < size - 1) {
            out[n++] = (char)c;
        } else {
            too_long = true; /* go on: a bad escape further on is still a 400 */
        }
    }
    out[n] = '\0';
    return too_long ? -404 : (int)n;
}

/* unreserved, and the slash; the rest of pchar is escaped too, which means the same. */
static bool needs_no_escape(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~/", c) != NULL);
}

int http_path_escape(const char *path, char *out, size_t size)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t n = 0;

    for (; *path != '\0'; path++) {
        unsigned char c = (unsigned char)*path;

        if (size - n < 4)
            return -1;
        if (needs_no_escape(*path)) {
            out[n++] = *path;
            continue;
        }
        out[n++] = '%';
        out[n++] = hex[c >> 4];
        out[n++] = hex[c & 15];
    }
    if (n >= size)
        return -1;
    out[n] = '\0';
    return (int)n;
}
