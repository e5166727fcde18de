/* Entries of eBPF maps in JSON: see map_json.h. */
#include "map_json.h"
#include <string.h>

#define JSMN_STATIC
#define JSMN_STRICT
#define JSMN_PARENT_LINKS
#include <jsmn.h>

struct map_json {
    const char *text;
    jsmntok_t tokens[MAP_JSON_TOKENS_MAX];
    int count, next; /* tokens; the one that the next entry begins with */
    int left;        /* entries */
};

struct line {
    char *at;
    size_t len;
};

size_t map_json_bytes(void)
{
    return sizeof(struct map_json);
}

bool map_json_open(struct map_json *json, const char *text, size_t len, const char **why)
{
    jsmn_parser parser;

    jsmn_init(&parser);
    json->text = text;
    json->count = jsmn_parse(&parser, text, len, json->tokens, MAP_JSON_TOKENS_MAX);
    *why = json->count == JSMN_ERROR_NOMEM ? "too much at once: no more than 8192 values"
                                           : "this is no JSON";
    if (json->count <= 0)
        return false;
    *why = "wants an object with key and value, or an array of such";
    switch (json->tokens[0].type) {
    case JSMN_OBJECT:
        json->next = 0;
        json->left = 1;
        break;
    case JSMN_ARRAY:
        json->next = 1;
        json->left = json->tokens[0].size;
        break;
    default:
        return false;
    }
    for (int i = 1; i < json->count; i++) /* a second text behind the first */
        if (json->tokens[i].parent == -1)
            return false;
    return true;
}

static bool is(const struct map_json *json, const jsmntok_t *token, const char *text)
{
    size_t len = (size_t)(token->end - token->start);

    return token->type == JSMN_STRING && strlen(text) == len &&
           memcmp(json->text + token->start, text, len) == 0;
}

/* The token behind all that belongs to this one. */
static int behind(const struct map_json *json, int at)
{
    int end = json->tokens[at].end;

    while (at < json->count && json->tokens[at].start < end)
        at++;
    return at;
}

static bool append(struct line *line, const char *text, size_t len)
{
    if (len + 2 > MAP_JSON_LINE_MAX - line->len)
        return false;
    if (line->len > 0)
        line->at[line->len++] = ' ';
    memcpy(line->at + line->len, text, len);
    line->len += len;
    line->at[line->len] = '\0';
    return true;
}

/* A number or a text. None of these texts needs an escape, so that one is refused. */
static bool append_word(const struct map_json *json, const jsmntok_t *token, struct line *line,
                        const char **why)
{
    const char *text = json->text + token->start;
    size_t len = (size_t)(token->end - token->start);

    if (token->type == JSMN_PRIMITIVE && (*text < '0' || *text > '9')) {
        *why = "a number is 0 or more, and true, false and null are none";
        return false;
    }
    if (memchr(text, '\\', len) != NULL || memchr(text, '\0', len) != NULL) {
        *why = "no escapes in a text";
        return false;
    }
    *why = "that is longer than any key or value";
    return append(line, text, len);
}

static bool read_value(const struct map_json *json, int at, char *out, const char **why)
{
    struct line line = { .at = out };
    const jsmntok_t *token = &json->tokens[at];

    if (token->type == JSMN_STRING || token->type == JSMN_PRIMITIVE)
        return append_word(json, token, &line, why);
    *why = "a key or a value is a number, a text, or an array of bytes";
    if (token->type != JSMN_ARRAY)
        return false;
    for (int i = at + 1; i <= at + token->size; i++)
        if (json->tokens[i].type != JSMN_PRIMITIVE ||
            !append_word(json, &json->tokens[i], &line, why))
            return false;
    return true;
}

static const char *read_flags(const struct map_json *json, int at)
{
    static const char *const flags[] = { "any", "exist", "noexist" };

    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        if (is(json, &json->tokens[at], flags[i]))
            return flags[i];
    return NULL;
}

/* One member of an entry, whose name is the token `at`. */
static bool read_member(const struct map_json *json, int at, struct map_json_entry *entry,
                        const char **why)
{
    const jsmntok_t *name = &json->tokens[at];

    *why = "a name has one value";
    if (name->size != 1)
        return false;
    if (is(json, name, "key"))
        return read_value(json, at + 1, entry->key, why);
    if (is(json, name, "value"))
        return read_value(json, at + 1, entry->value, why);
    *why = "an entry has key, value and flags, and flags is any, exist or noexist";
    if (!is(json, name, "flags"))
        return false;
    entry->flags = read_flags(json, at + 1);
    return entry->flags != NULL;
}

int map_json_next(struct map_json *json, struct map_json_entry *entry, const char **why)
{
    const jsmntok_t *object = &json->tokens[json->next];
    int at = json->next + 1, end;

    if (json->left == 0)
        return 0;
    json->left--;
    entry->key[0] = entry->value[0] = '\0';
    entry->flags = "any";
    *why = "an entry is an object with key and value";
    if (object->type != JSMN_OBJECT)
        return -1;
    end = behind(json, json->next);
    while (at < end) {
        if (!read_member(json, at, entry, why))
            return -1;
        at = behind(json, at + 1);
    }
    json->next = end;
    *why = "an entry is an object with key and value";
    return entry->key[0] != '\0' && entry->value[0] != '\0' ? 1 : -1;
}
