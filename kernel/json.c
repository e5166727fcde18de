/*
 * The JSON writer (RFC 8259). Nothing is buffered: each call writes through, so a document may be
 * of any length.
 */
#include <kernel/fmt.h>
#include <kernel/json.h>
#include <kernel/lib.h>
#include <kernel/panic.h>
#include <string.h>

static void put(struct json *j, const char *text, size_t len)
{
    j->write(j->arg, text, len);
}

static void put_text(struct json *j, const char *text)
{
    put(j, text, strlen(text));
}

/*
 * The length of the UTF-8 sequence at s (Unicode 15 table 3-7: no overlong forms, no surrogates,
 * nothing above U+10FFFF), or 0. The terminating zero ends any sequence, so no byte behind it is
 * read.
 */
static size_t utf8_len(const unsigned char *s)
{
    unsigned low = 0x80, high = 0xbf;
    size_t len;

    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xc2 && s[0] <= 0xdf)
        len = 2;
    else if (s[0] >= 0xe0 && s[0] <= 0xef)
        len = 3;
    else if (s[0] >= 0xf0 && s[0] <= 0xf4)
        len = 4;
    else
        return 0;
    if (s[0] == 0xe0)
        low = 0xa0;
    else if (s[0] == 0xed)
        high = 0x9f;
    else if (s[0] == 0xf0)
        low = 0x90;
    else if (s[0] == 0xf4)
        high = 0x8f;
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if (s[i] < 0x80 || s[i] > 0xbf)
            return 0;
    return len;
}

/* The escape of a byte that may not stand for itself, or NULL. */
static const char *escape(unsigned char c, char buf[8])
{
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        if (c >= ' ' && c != 0x7f)
            return NULL;
        fmt_snprintf(buf, 8, "\\u%04x", c);
        return buf;
    }
}

static void put_string(struct json *j, const char *value)
{
    const unsigned char *run = (const unsigned char *)value, *p = run;
    const char *instead;
    char buf[8];
    size_t len;

    put(j, "\"", 1);
    while (*p != '\0') {
        len = utf8_len(p);
        instead = len == 0 ? "\\ufffd" : escape(*p, buf);
        if (instead == NULL) {
            p += len;
            continue;
        }
        put(j, (const char *)run, (size_t)(p - run));
        put_text(j, instead);
        run = ++p;
    }
    put(j, (const char *)run, (size_t)(p - run));
    put(j, "\"", 1);
}

/* What stands before a value: the comma, and the key in an object. */
static void prefix(struct json *j, const char *key)
{
    unsigned d = j->depth - 1;

    ASSERT(j->depth > 0 && j->array[d] == (key == NULL));
    if (!j->first[d])
        put(j, ",", 1);
    j->first[d] = false;
    if (key != NULL) {
        put_string(j, key);
        put(j, ":", 1);
    }
}

static void container_open(struct json *j, bool array)
{
    ASSERT(j->depth < JSON_DEPTH_MAX);
    j->first[j->depth] = true;
    j->array[j->depth] = array;
    j->depth++;
    put(j, array ? "[" : "{", 1);
}

static void container_close(struct json *j, bool array)
{
    ASSERT(j->depth > 0 && j->array[j->depth - 1] == array);
    j->depth--;
    put(j, array ? "]" : "}", 1);
}

void json_begin(struct json *j, void (*write)(void *arg, const char *text, size_t len), void *arg)
{
    j->write = write;
    j->arg = arg;
    j->depth = 0;
    container_open(j, false);
}

void json_end(struct json *j)
{
    ASSERT(j->depth == 1);
    container_close(j, false);
}

void json_object(struct json *j, const char *key)
{
    prefix(j, key);
    container_open(j, false);
}

void json_object_end(struct json *j)
{
    ASSERT(j->depth > 1);
    container_close(j, false);
}

void json_array(struct json *j, const char *key)
{
    prefix(j, key);
    container_open(j, true);
}

void json_array_end(struct json *j)
{
    container_close(j, true);
}

void json_str(struct json *j, const char *key, const char *value)
{
    prefix(j, key);
    if (value == NULL)
        put_text(j, "null");
    else
        put_string(j, value);
}

void json_u64(struct json *j, const char *key, uint64_t value)
{
    char text[24];

    prefix(j, key);
    put(j, text, (size_t)fmt_snprintf(text, sizeof(text), "%llu", (unsigned long long)value));
}

void json_i64(struct json *j, const char *key, int64_t value)
{
    char text[24];

    prefix(j, key);
    put(j, text, (size_t)fmt_snprintf(text, sizeof(text), "%lld", (long long)value));
}

void json_bool(struct json *j, const char *key, bool value)
{
    prefix(j, key);
    put_text(j, value ? "true" : "false");
}

void json_null(struct json *j, const char *key)
{
    prefix(j, key);
    put_text(j, "null");
}
