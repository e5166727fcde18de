/* Queries: see http_query.h. */
#include "http_query.h"
#include "http_escape.h"
#include <string.h>

int http_query_next(const char **at, const char *end, struct http_pair *pair)
{
    while (*at < end) {
        const char *from = *at;
        const char *amp = memchr(from, '&', (size_t)(end - from));
        const char *stop = amp != NULL ? amp : end;
        const char *equals = memchr(from, '=', (size_t)(stop - from));

        *at = amp != NULL ? amp + 1 : end;
        if (from == stop)
            continue;
        pair->name = from;
        pair->name_len = (size_t)((equals != NULL ? equals : stop) - from);
        pair->value = equals != NULL ? equals + 1 : "";
        pair->value_len = equals != NULL ? (size_t)(stop - equals - 1) : 0;
        return 1;
    }
    return 0;
}

int http_query_decode(const char *value, size_t len, char *out, size_t size)
{
    size_t n = 0;

    for (size_t at = 0; at < len; at++) {
        int c = (unsigned char)value[at];

        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            c = http_escape(value + at, len - at);
            at += 2;
        }
        if (c <= 0 || n + 1 >= size)
            return -1;
        out[n++] = (char)c;
    }
    if (size == 0)
        return -1;
    out[n] = '\0';
    return (int)n;
}
