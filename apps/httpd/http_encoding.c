/* Accept-Encoding: see http_encoding.h. */
#include "http_encoding.h"
#include "bytes.h"
#include <kernel/lib.h>
#include <string.h>

#define UNSAID (-1)

/* Thousandths of preference by encoding, and what "*" says of those that are not named. */
struct preferences {
    int q[HTTP_ENCODINGS];
    int others;
};

static const char *const names[HTTP_ENCODINGS] = {
    [HTTP_IDENTITY] = "identity",
    [HTTP_GZIP] = "gzip",
    [HTTP_BR] = "br",
    [HTTP_ZSTD] = "zstd",
};

static bool is_name(struct http_text text, const char *name)
{
    return text.len == strlen(name) && same_name(text.at, name, text.len);
}

static struct http_text trimmed(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    while (end > at && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return (struct http_text){ .at = at, .len = (size_t)(end - at) };
}

/* qvalue (§12.4.2): "0" or "1" with up to three digits behind a point. What is none counts as 0: it
 * is not understood. */
static int parse_q(struct http_text text)
{
    int q, scale = 100;

    if (text.len == 0 || text.len > 5 || (text.at[0] != '0' && text.at[0] != '1'))
        return 0;
    q = (text.at[0] - '0') * 1000;
    if (text.len > 1 && text.at[1] != '.')
        return 0;
    for (size_t i = 2; i < text.len; i++, scale /= 10) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return 0;
        q += (text.at[i] - '0') * scale;
    }
    return MIN(q, 1000);
}

/* coding [ OWS ";" OWS "q=" qvalue ] */
static void take_coding(struct preferences *p, const char *at, const char *end)
{
    const char *semicolon = memchr(at, ';', (size_t)(end - at));
    struct http_text coding = trimmed(at, semicolon != NULL ? semicolon : end);
    int q = 1000;

    if (semicolon != NULL) {
        struct http_text weight = trimmed(semicolon + 1, end);

        if (weight.len < 2 || !same_name(weight.at, "q=", 2))
            return;
        q = parse_q(trimmed(weight.at + 2, weight.at + weight.len));
    }
    if (is_name(coding, "*"))
        p->others = q;
    if (is_name(coding, "x-gzip")) /* RFC 9110 §8.4.1.3 */
        p->q[HTTP_GZIP] = q;
    for (unsigned i = 0; i < HTTP_ENCODINGS; i++)
        if (is_name(coding, names[i]))
            p->q[i] = q;
}

static void take_field(struct preferences *p, struct http_text field)
{
    const char *at = field.at, *end = field.at + field.len;

    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *stop = comma != NULL ? comma : end;

        take_coding(p, at, stop);
        at = comma != NULL ? comma + 1 : end;
    }
}

/* What is not named is what "*" says; without that, identity is welcome and no other is. */
static int preference(const struct preferences *p, unsigned encoding)
{
    if (p->q[encoding] != UNSAID)
        return p->q[encoding];
    if (encoding == HTTP_IDENTITY) /* as if last of all, but for a "*;q=0" */
        return p->others == 0 ? 0 : 1;
    return p->others != UNSAID ? p->others : 0;
}

/* Of two that the client likes alike the later one is sent: br is the densest as sites pack it,
 * once and at its best; zstd unpacks faster than gzip. */
static const enum http_encoding order[] = { HTTP_GZIP, HTTP_ZSTD, HTTP_BR };

enum http_encoding http_encoding_choose(const struct http_request *request, unsigned available)
{
    struct preferences p = { .others = UNSAID };
    enum http_encoding best = HTTP_IDENTITY;
    struct http_text field;

    for (unsigned i = 0; i < HTTP_ENCODINGS; i++)
        p.q[i] = UNSAID;
    for (unsigned nth = 0;; nth++) {
        field = http_request_field(request, HTTP_ACCEPT_ENCODING, nth);
        if (field.at == NULL)
            break;
        take_field(&p, field);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
        int q = preference(&p, order[i]);

        if ((available & 1u << order[i]) && q > 0 && q >= preference(&p, best))
            best = order[i];
    }
    return best;
}
