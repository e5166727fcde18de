/* Conditions of requests: see http_conditional.h. Source: RFC 9110 §13.1, §13.2.2. */
#include "http_conditional.h"
#include "http_date.h"
#include <kernel/lib.h>
#include <string.h>

static bool is_text(struct http_text a, const char *at, size_t len)
{
    return a.len == len && memcmp(a.at, at, len) == 0;
}

static const char *skip_between(const char *s, const char *end)
{
    while (s < end && (*s == ' ' || *s == '\t' || *s == ','))
        s++;
    return s;
}

/*
 * Whether the ETag stands in a list of them: [ "W/" ] DQUOTE *etagc DQUOTE. Weakly compared, a weak
 * one counts too (§8.8.3.2). The rest of what is no list is not looked at.
 */
static bool is_listed(struct http_text list, struct http_text etag, bool weakly)
{
    const char *s = list.at, *end = list.at + list.len;

    if (is_text(list, "*", 1))
        return true;
    for (s = skip_between(s, end); s < end; s = skip_between(s, end)) {
        bool weak = end - s > 2 && s[0] == 'W' && s[1] == '/';
        const char *close;

        s += weak ? 2 : 0;
        if (*s != '"')
            return false;
        close = memchr(s + 1, '"', (size_t)(end - s - 1));
        if (close == NULL)
            return false;
        if ((weakly || !weak) && is_text(etag, s, (size_t)(close + 1 - s)))
            return true;
        s = close + 1;
    }
    return false;
}

/* In one of the fields of that name. */
static bool is_in_fields(const struct http_request *request, enum http_field field,
                         struct http_text etag, bool weakly)
{
    struct http_text list;

    for (unsigned nth = 0; (list = http_request_field(request, field, nth)).at != NULL; nth++)
        if (is_listed(list, etag, weakly))
            return true;
    return false;
}

/* The date in a field, if it stands there once and is one. */
static bool field_date(const struct http_request *request, enum http_field field, uint64_t *date)
{
    struct http_text value = http_request_field(request, field, 0);

    return value.at != NULL && http_request_field(request, field, 1).at == NULL &&
           http_date_parse(value.at, value.len, date);
}

static bool has(const struct http_request *request, enum http_field field)
{
    return http_request_field(request, field, 0).at != NULL;
}

enum http_condition http_conditional(const struct http_request *request, struct http_text etag,
                                     uint64_t mtime)
{
    uint64_t date;

    if (has(request, HTTP_IF_MATCH)) {
        if (!is_in_fields(request, HTTP_IF_MATCH, etag, false))
            return HTTP_PRECONDITION_FAILED;
    } else if (mtime != 0 && field_date(request, HTTP_IF_UNMODIFIED_SINCE, &date)) {
        if (mtime > date)
            return HTTP_PRECONDITION_FAILED;
    }
    if (has(request, HTTP_IF_NONE_MATCH))
        return is_in_fields(request, HTTP_IF_NONE_MATCH, etag, true) ? HTTP_NOT_MODIFIED
                                                                     : HTTP_GO_ON;
    if (mtime != 0 && field_date(request, HTTP_IF_MODIFIED_SINCE, &date) && mtime <= date)
        return HTTP_NOT_MODIFIED;
    return HTTP_GO_ON;
}

bool http_if_range_holds(const struct http_request *request, struct http_text etag, uint64_t mtime)
{
    struct http_text value = http_request_field(request, HTTP_IF_RANGE, 0);
    uint64_t date;

    if (value.at == NULL)
        return true;
    if (value.len > 0 && (*value.at == '"' || *value.at == 'W')) /* strongly: no weak one does */
        return is_text(etag, value.at, value.len);
    return mtime != 0 && field_date(request, HTTP_IF_RANGE, &date) && mtime == date;
}
