/* Cache-Control by pattern: see site_cache.h. */
#include "site_cache.h"
#include "http_chars.h"
#include <string.h>

struct rule {
    struct http_text pattern, value;
};

static struct http_text trimmed(const char *at, const char *end)
{
    while (at < end && *at == ' ')
        at++;
    while (end > at && end[-1] == ' ')
        end--;
    return (struct http_text){ .at = at, .len = (size_t)(end - at) };
}

/* The rule that begins at *rules, which moves behind it. False: there is no more, or, with
 * pattern.len == 0, it is none. */
static bool next_rule(const char **rules, struct rule *out)
{
    const char *end = *rules + strlen(*rules), *stop, *equals;

    while (**rules == ' ' || **rules == ';')
        (*rules)++;
    if (**rules == '\0')
        return false;
    stop = memchr(*rules, ';', (size_t)(end - *rules));
    stop = stop != NULL ? stop : end;
    equals = memchr(*rules, '=', (size_t)(stop - *rules));
    *out = (struct rule){ .pattern = { .at = *rules } };
    if (equals != NULL) {
        out->pattern = trimmed(*rules, equals);
        out->value = trimmed(equals + 1, stop);
    }
    *rules = stop;
    return true;
}

const char *site_cache_check(const char *rules)
{
    struct rule rule;

    while (next_rule(&rules, &rule)) {
        if (rule.pattern.len == 0)
            return "a rule is pattern=value";
        if (rule.value.len == 0)
            return "a pattern has no value";
        for (size_t i = 0; i < rule.value.len; i++)
            if (!http_is(rule.value.at[i], HTTP_VALUE))
                return "a value has characters that no field may have";
    }
    return NULL;
}

/* Every way of cutting the text at a '*' is the last '*' tried again one character on. */
static bool matches(struct http_text pattern, const char *text, size_t len)
{
    size_t p = 0, t = 0, star = SIZE_MAX, from = 0;

    while (t < len) {
        if (p < pattern.len && pattern.at[p] == '*') {
            star = p++;
            from = t;
        } else if (p < pattern.len && (pattern.at[p] == '?' || pattern.at[p] == text[t])) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++from;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.at[p] == '*')
        p++;
    return p == pattern.len;
}

/* With the whole path, or with what begins behind any of its slashes. */
static bool fits(struct http_text pattern, const char *path, size_t len)
{
    if (*pattern.at == '/') {
        pattern.at++;
        pattern.len--;
        return matches(pattern, path, len);
    }
    for (size_t from = 0; from <= len; from++)
        if ((from == 0 || path[from - 1] == '/') && matches(pattern, path + from, len - from))
            return true;
    return false;
}

struct http_text site_cache_find(const char *rules, const char *path, size_t len)
{
    struct rule rule;

    while (rules != NULL && next_rule(&rules, &rule))
        if (rule.pattern.len > 0 && fits(rule.pattern, path, len))
            return rule.value;
    return (struct http_text){ NULL, 0 };
}
