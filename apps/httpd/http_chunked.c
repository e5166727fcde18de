/* Chunked bodies: see http_chunked.h. Source: RFC 9112 §7.1. */
#include "http_chunked.h"
#include "http_chars.h"
#include <kernel/lib.h>

#define EXTRAS_MAX 4096 /* bytes of extensions and trailers: nobody sends any */
#define DIGITS_MAX 16

enum state {
    SIZE,        /* 1*HEXDIG */
    BLANKS,      /* behind it or an extension: another must follow (§7.1.1 has BWS there) */
    NAME_BEGINS, /* behind ';': the extension's name, a token */
    NAME,
    NAME_BLANKS,  /* behind it: '=', or another extension */
    VALUE_BEGINS, /* behind '=': a token, or a quoted string (RFC 9110 §5.6.4) */
    VALUE,
    QUOTED,
    QUOTED_PAIR, /* behind a backslash in it */
    QUOTED_ENDS,
    SIZE_LF, /* the LF of that line */
    DATA,    /* chunk-data */
    DATA_CR, /* CR LF behind it */
    DATA_LF,
    TRAILER_START, /* behind the last chunk: a field, or the end */
    TRAILER_NAME,  /* up to ':' */
    TRAILER_VALUE, /* up to CR */
    TRAILER_LF,
    END_LF, /* CR was there: the LF that ends the body */
    END,
};

void http_chunked_begin(struct http_chunked *body, uint64_t max_bytes)
{
    *body = (struct http_chunked){ .room = max_bytes, .state = SIZE };
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A chunk's size is complete: its data comes next, or the trailers. */
static int chunk_begins(struct http_chunked *body)
{
    if (body->left > body->room)
        return -413;
    body->room -= body->left;
    body->digits = 0;
    body->state = body->left > 0 ? DATA : TRAILER_START;
    return 0;
}

static int become(struct http_chunked *body, enum state next)
{
    body->state = next;
    return 0;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* Blanks, and no extension behind them: some readers take them off, others do not. */
static int take_blanks(struct http_chunked *body, uint8_t c)
{
    if (c == ';')
        return become(body, NAME_BEGINS);
    return is_blank(c) ? become(body, BLANKS) : -400;
}

/* Where the line may end. */
static int take_end(struct http_chunked *body, uint8_t c)
{
    return c == '\r' ? become(body, SIZE_LF) : take_blanks(body, c);
}

static int take_size(struct http_chunked *body, uint8_t c)
{
    int digit = hex_digit(c);

    if (digit >= 0) {
        if (++body->digits > DIGITS_MAX)
            return -400;
        body->left = body->left << 4 | (uint64_t)digit;
        return 0;
    }
    return body->digits == 0 ? -400 : take_end(body, c);
}

static int take_name(struct http_chunked *body, uint8_t c)
{
    if (http_is(c, HTTP_TOKEN))
        return become(body, NAME);
    if (body->state == NAME_BEGINS)
        return is_blank(c) ? 0 : -400;
    if (c == '=')
        return become(body, VALUE_BEGINS);
    return is_blank(c) ? become(body, NAME_BLANKS) : take_end(body, c);
}

/* Blanks behind a name: a value's, or another extension's. */
static int take_name_blanks(struct http_chunked *body, uint8_t c)
{
    if (is_blank(c))
        return 0;
    if (c == '=')
        return become(body, VALUE_BEGINS);
    return take_blanks(body, c);
}

static int take_value(struct http_chunked *body, uint8_t c)
{
    if (http_is(c, HTTP_TOKEN))
        return become(body, VALUE);
    if (body->state == VALUE)
        return take_end(body, c);
    if (c == '"')
        return become(body, QUOTED);
    return is_blank(c) ? 0 : -400;
}

/* In quotes there may be ';' and '=', but no line end: who knows no quotes finds the same one. */
static int take_quoted(struct http_chunked *body, uint8_t c)
{
    if (!http_is(c, HTTP_VALUE))
        return -400;
    if (body->state == QUOTED_PAIR)
        return become(body, QUOTED);
    return become(body, c == '"' ? QUOTED_ENDS : c == '\\' ? QUOTED_PAIR : QUOTED);
}

static int take_trailer_start(struct http_chunked *body, uint8_t c)
{
    if (c == '\r')
        return become(body, END_LF);
    return http_is(c, HTTP_TOKEN) ? become(body, TRAILER_NAME) : -400;
}

static int take_trailer_value(struct http_chunked *body, uint8_t c)
{
    if (c == '\r')
        return become(body, TRAILER_LF);
    return http_is(c, HTTP_VALUE) ? 0 : -400;
}

static int expect(struct http_chunked *body, uint8_t c, char wanted, enum state next)
{
    body->state = next;
    return c == (uint8_t)wanted ? 0 : -400;
}

static bool is_extra(const struct http_chunked *body)
{
    return (body->state >= BLANKS && body->state <= QUOTED_ENDS) || body->state >= TRAILER_START;
}

static int take(struct http_chunked *body, uint8_t c)
{
    if (is_extra(body) && ++body->extras > EXTRAS_MAX)
        return -400;
    switch (body->state) {
    case SIZE:
        return take_size(body, c);
    case BLANKS:
        return take_blanks(body, c);
    case NAME_BEGINS:
    case NAME:
        return take_name(body, c);
    case NAME_BLANKS:
        return take_name_blanks(body, c);
    case VALUE_BEGINS:
    case VALUE:
        return take_value(body, c);
    case QUOTED:
    case QUOTED_PAIR:
        return take_quoted(body, c);
    case QUOTED_ENDS:
        return take_end(body, c);
    case SIZE_LF:
        return c == '\n' ? chunk_begins(body) : -400;
    case DATA_CR:
        return expect(body, c, '\r', DATA_LF);
    case DATA_LF:
        return expect(body, c, '\n', SIZE);
    case TRAILER_START:
        return take_trailer_start(body, c);
    case TRAILER_NAME:
        if (c != ':')
            return http_is(c, HTTP_TOKEN) ? 0 : -400;
        return become(body, TRAILER_VALUE);
    case TRAILER_VALUE:
        return take_trailer_value(body, c);
    case TRAILER_LF:
        return expect(body, c, '\n', TRAILER_START);
    default:
        return expect(body, c, '\n', END);
    }
}

int http_chunked_skip(struct http_chunked *body, const void *buf, size_t len, size_t *used)
{
    const uint8_t *text = buf;
    size_t at = 0;
    int status = 0;

    while (at < len && status == 0 && body->state != END) {
        if (body->state == DATA) {
            size_t n = MIN(len - at, body->left);

            at += n;
            body->left -= n;
            if (body->left == 0)
                body->state = DATA_CR;
        } else {
            status = take(body, text[at++]);
        }
    }
    *used = at;
    if (status < 0)
        return status;
    return body->state == END;
}
