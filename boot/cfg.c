/* tophalf.cfg's syntax: see boot/cfg.h. */
#include <boot/cfg.h>

#include <stdbool.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_key_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

/* Same length and bytes: the keys are not terminated. */
static bool same_key(const struct cfg_pair *a, const struct cfg_pair *b)
{
    if (a->key_len != b->key_len)
        return false;
    for (size_t i = 0; i < a->key_len; i++)
        if (a->key[i] != b->key[i])
            return false;
    return true;
}

/* One line without its end: 1 with *pair filled, 0 when it holds nothing, or -1 with *message. */
static int parse_line(const char *line, const char *end, struct cfg_pair *pair,
                      const char **message)
{
    while (line < end && is_blank(*line))
        line++;
    while (end > line && (is_blank(end[-1]) || end[-1] == '\r'))
        end--;
    if (line == end || *line == '#')
        return 0;
    for (const char *c = line; c < end; c++) {
        if (*c != '\t' && (*c < ' ' || *c > '~')) {
            *message = "a byte that is not printable ASCII";
            return -1;
        }
    }

    pair->key = line;
    while (line < end && is_key_char(*line))
        line++;
    pair->key_len = (size_t)(line - pair->key);
    while (line < end && is_blank(*line))
        line++;
    if (line == end || *line != '=') {
        *message = "not of the form key=value (keys are a-z 0-9 _ . -)";
        return -1;
    }
    if (pair->key_len == 0 || pair->key_len > CFG_KEY_MAX) {
        *message = pair->key_len == 0 ? "no key before the =" : "key longer than 31 bytes";
        return -1;
    }
    do
        line++;
    while (line < end && is_blank(*line));
    pair->value = line;
    pair->value_len = (size_t)(end - line);
    if (pair->value_len > CFG_VALUE_MAX) {
        *message = "value longer than 255 bytes";
        return -1;
    }
    return 1;
}

int cfg_parse(const char *text, size_t len, struct cfg_pair *pairs, size_t max,
              struct cfg_error *err)
{
    const char *end = text + len;
    size_t count = 0;

    err->line = 0;
    err->message = NULL;
    while (text < end) {
        const char *eol = text;
        struct cfg_pair pair;
        int r;

        err->line++;
        while (eol < end && *eol != '\n')
            eol++;
        r = parse_line(text, eol, &pair, &err->message);
        if (r < 0)
            return -1;
        if (r > 0) {
            for (size_t i = 0; i < count; i++) {
                if (same_key(&pairs[i], &pair)) {
                    err->message = "this key stands in the file twice";
                    return -1;
                }
            }
            if (count == max) {
                err->message = "more keys than the system takes";
                return -1;
            }
            pairs[count++] = pair;
        }
        text = eol < end ? eol + 1 : end;
    }
    return (int)count;
}
