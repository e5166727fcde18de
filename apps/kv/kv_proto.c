/* memcached's text protocol in datagrams: see kv_proto.h. */
#include "kv_proto.h"
#include "kv_store.h"
#include <kernel/fmt.h>
#include <kernel/lib.h>
#include <string.h>

#define WORDS_MAX 24u

struct word {
    const uint8_t *at;
    size_t len;
};

struct request {
    struct word words[WORDS_MAX];
    unsigned count;
    const uint8_t *data; /* behind the line */
    size_t data_len;
};

struct reply {
    uint8_t *at;
    size_t len;
};

static void reply_bytes(struct reply *reply, const void *data, size_t len)
{
    memcpy(reply->at + reply->len, data, len);
    reply->len += len;
}

static void reply_text(struct reply *reply, const char *text)
{
    reply_bytes(reply, text, strlen(text));
}

static bool is(const struct word *word, const char *text)
{
    return word->len == strlen(text) && memcmp(word->at, text, word->len) == 0;
}

/* The command line in words; false: it has no end, or too many. */
static bool read_line(const uint8_t *text, size_t len, struct request *out)
{
    const uint8_t *end = memchr(text, '\n', len), *at = text;

    out->count = 0;
    if (end == NULL)
        return false;
    out->data = end + 1;
    out->data_len = len - (size_t)(out->data - text);
    if (end > text && end[-1] == '\r')
        end--;
    while (at < end) {
        const uint8_t *word = at;

        while (at < end && *at != ' ')
            at++;
        if (at > word) {
            if (out->count == WORDS_MAX)
                return false;
            out->words[out->count++] = (struct word){ .at = word, .len = (size_t)(at - word) };
        }
        at += at < end;
    }
    return out->count > 0;
}

/* A decimal number up to `max`. */
static bool read_number(const struct word *word, uint64_t max, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < word->len; i++) {
        unsigned digit = word->at[i] - (unsigned)'0';

        if (digit > 9 || *out > (max - digit) / 10)
            return false;
        *out = *out * 10 + digit;
    }
    return word->len > 0;
}

static bool read_signed(const struct word *word, int64_t *out)
{
    struct word digits = *word;
    bool negative = word->len > 0 && word->at[0] == '-';
    uint64_t value;

    if (negative)
        digits = (struct word){ .at = word->at + 1, .len = word->len - 1 };
    if (!read_number(&digits, INT64_MAX, &value))
        return false;
    *out = negative ? -(int64_t)value : (int64_t)value;
    return true;
}

/* ---- Commands: each returns NULL, or the line that is to be said instead ---- */

static const char bad_line[] = "CLIENT_ERROR bad command line format\r\n";
static const char too_large[] = "SERVER_ERROR object too large for cache\r\n";

static const char *get(const struct request *request, struct reply *reply, struct kv_counts *counts)
{
    static const char end[] = "END\r\n";

    if (request->count < 2)
        return "ERROR\r\n";
    for (unsigned i = 1; i < request->count; i++)
        if (request->words[i].len > KV_KEY_MAX)
            return bad_line;
    for (unsigned i = 1; i < request->count; i++) {
        const struct word *key = &request->words[i];
        const struct kv_value *value = kv_store_get(key->at, key->len);
        char head[32];
        int head_len;

        counts->gets++;
        if (value == NULL) {
            counts->misses++;
            continue;
        }
        counts->hits++;
        head_len = fmt_snprintf(head, sizeof(head), " %u %u\r\n", value->flags, value->len);
        if (reply->len + strlen("VALUE ") + key->len + (size_t)head_len + value->len + 2 +
                strlen(end) >
            KV_REPLY_MAX)
            return "SERVER_ERROR answer is larger than a datagram\r\n";
        reply_text(reply, "VALUE ");
        reply_bytes(reply, key->at, key->len);
        reply_bytes(reply, head, (size_t)head_len);
        reply_bytes(reply, value->data, value->len);
        reply_text(reply, "\r\n");
    }
    reply_text(reply, end);
    return NULL;
}

static const char *set(const struct request *request, struct reply *reply, enum kv_when when,
                       struct kv_counts *counts)
{
    static const char *const said[] = { [KV_STORED] = "STORED\r\n",
                                        [KV_NOT_STORED] = "NOT_STORED\r\n",
                                        [KV_NO_MEMORY] =
                                            "SERVER_ERROR out of memory storing object\r\n" };
    const struct word *words = request->words;
    uint64_t flags, bytes;
    int64_t expires_s;

    if (request->count < 5)
        return "ERROR\r\n";
    if (words[1].len > KV_KEY_MAX || !read_number(&words[2], UINT32_MAX, &flags) ||
        !read_signed(&words[3], &expires_s) || !read_number(&words[4], UINT32_MAX, &bytes))
        return bad_line;
    if (bytes > KV_VALUE_MAX)
        return too_large;
    if (request->data_len < bytes + 2 || memcmp(request->data + bytes, "\r\n", 2) != 0)
        return "CLIENT_ERROR bad data chunk\r\n";
    counts->sets++;
    reply_text(reply, said[kv_store_set(words[1].at, words[1].len, request->data, bytes,
                                        (uint32_t)flags, expires_s, when)]);
    return NULL;
}

static const char *delete (const struct request *request, struct reply *reply,
                           struct kv_counts *counts)
{
    const struct word *key = &request->words[1];

    if (request->count < 2)
        return "ERROR\r\n";
    if (key->len > KV_KEY_MAX)
        return bad_line;
    counts->deletes++;
    reply_text(reply, kv_store_delete(key->at, key->len) ? "DELETED\r\n" : "NOT_FOUND\r\n");
    return NULL;
}

static const char *run(const struct request *request, struct reply *reply, struct kv_counts *counts)
{
    const struct word *command = &request->words[0];

    if (is(command, "get"))
        return get(request, reply, counts);
    if (is(command, "set"))
        return set(request, reply, KV_ALWAYS, counts);
    if (is(command, "add"))
        return set(request, reply, KV_IF_ABSENT, counts);
    if (is(command, "replace"))
        return set(request, reply, KV_IF_PRESENT, counts);
    if (is(command, "delete"))
        return delete (request, reply, counts);
    if (is(command, "version")) {
        reply_text(reply, "VERSION Tophalf\r\n");
        return NULL;
    }
    if (is(command, "flush_all")) {
        kv_store_flush();
        reply_text(reply, "OK\r\n");
        return NULL;
    }
    return "ERROR\r\n";
}

/* "noreply" stands behind all that the command has otherwise. */
static bool wants_no_reply(const struct request *request)
{
    const struct word *command = &request->words[0];
    unsigned at = is(command, "delete") ? 2 : is(command, "flush_all") ? 1 : 5;

    return !is(command, "get") && request->count == at + 1 && is(&request->words[at], "noreply");
}

/* Request id; this is datagram 0 of 1. */
static bool header_is_right(const uint8_t *datagram, size_t len)
{
    static const uint8_t only_one[] = { 0, 0, 0, 1 };

    return len > KV_HEADER_BYTES && memcmp(datagram + 2, only_one, sizeof(only_one)) == 0;
}

size_t kv_answer(const uint8_t *datagram, size_t len, uint8_t *reply, struct kv_counts *counts)
{
    struct reply out = { .at = reply, .len = KV_HEADER_BYTES };
    struct request request;
    const char *refusal;

    if (!header_is_right(datagram, len)) {
        counts->bad_datagrams++;
        return 0;
    }
    memcpy(reply, datagram, 6); /* the same header: datagram 0 of 1 */
    reply[6] = reply[7] = 0;
    refusal = read_line(datagram + KV_HEADER_BYTES, len - KV_HEADER_BYTES, &request)
                  ? run(&request, &out, counts)
                  : "ERROR\r\n";
    if (refusal != NULL) {
        counts->errors++;
        out.len = KV_HEADER_BYTES;
        reply_text(&out, refusal);
    } else if (wants_no_reply(&request)) {
        return 0;
    }
    return out.len;
}
