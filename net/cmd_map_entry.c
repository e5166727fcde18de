/* Words and entries of the command `map`: see cmd_map.h. */
#include "cmd_map.h"
#include "bpf/prog.h"
#include <kernel/lib.h>
#include <string.h>

#define LINE_VALUE 16u /* bytes of a value in a line; a dump of more has several */

/* ---- Words ---- */

bool map_word_is(struct map_words *w, const char *word)
{
    if (w->count == 0 || strcmp(w->word[0], word) != 0)
        return false;
    w->word++;
    w->count--;
    return true;
}

char *map_next_word(struct map_words *w)
{
    if (w->count == 0)
        return NULL;
    w->count--;
    return *w->word++;
}

bool map_decimal(const char *text, uint64_t max, uint64_t *value)
{
    *value = 0;
    for (const char *c = text; *c != '\0'; c++) {
        if (*c < '0' || *c > '9' || *value > (max - (uint64_t)(*c - '0')) / 10)
            return false;
        *value = *value * 10 + (uint64_t)(*c - '0');
    }
    return *text != '\0';
}

struct bpf_text_kind map_key_kind(const struct bpf_map *map)
{
    return (struct bpf_text_kind){ .what = "key",
                                   .bytes = map->def.key_size,
                                   .prefix = map->def.type == BPF_MAP_TYPE_LPM_TRIE };
}

static bool is_index(const struct bpf_map *map)
{
    switch (map->def.type) {
    case BPF_MAP_TYPE_ARRAY:
    case BPF_MAP_TYPE_PERCPU_ARRAY:
    case BPF_MAP_TYPE_PROG_ARRAY:
    case BPF_MAP_TYPE_PERF_EVENT_ARRAY:
    case BPF_MAP_TYPE_DEVMAP:
    case BPF_MAP_TYPE_XSKMAP:
        return true;
    default:
        return false;
    }
}

/* ---- Printing an entry ---- */

bool map_entry_open(struct console *con, struct map_entry *e, struct bpf_map *map)
{
    size_t bytes = bpf_map_user_bytes(map);

    *e = (struct map_entry){ .map = map, .count = map->ops->percpu ? BPF_CPUS : 1 };
    e->each = bytes / e->count;
    e->values = bpf_mem_alloc(MAX(bytes, 4));
    if (e->values == NULL)
        console_error(con, "there is no memory for a value of %u bytes", (unsigned)bytes);
    return e->values != NULL;
}

/* A value of 1, 2, 4 or 8 bytes as a number. */
static bool value_number(const struct map_entry *e, unsigned cpu, uint64_t *number)
{
    uint32_t bytes = e->map->def.value_size;

    *number = 0;
    if (bytes > 8 || !IS_POWER_OF_TWO(bytes))
        return false;
    memcpy(number, e->values + cpu * e->each, bytes);
    return true;
}

static void print_rows(struct console *con, const char *what, const uint8_t *bytes, size_t count)
{
    char text[3 * LINE_VALUE + 1];

    console_printf(con, "%s:\n", what);
    for (size_t at = 0; at < count; at += LINE_VALUE)
        console_printf(con, "%s\n",
                       bpf_text_bytes(bytes + at, MIN(count - at, LINE_VALUE), text, sizeof(text)));
}

void map_entry_print(struct console *con, const struct map_entry *e)
{
    const struct bpf_text_kind kind = map_key_kind(e->map);
    uint32_t value_size = e->map->def.value_size;
    char key[3 * LINE_VALUE + 1], name[3 * LINE_VALUE + 1], value[3 * LINE_VALUE + 1];
    uint64_t number;

    if (e->count > 1 || kind.bytes > LINE_VALUE || value_size > LINE_VALUE ||
        kind.bytes + value_size > LINE_VALUE + 8) {
        print_rows(con, "key", e->key, kind.bytes);
        for (unsigned cpu = 0; cpu < e->count; cpu++) {
            if (e->map->ops->percpu)
                console_printf(con, "value (CPU %02u) ", cpu);
            print_rows(con, e->map->ops->percpu ? "" : "value", e->values + cpu * e->each,
                       value_size);
        }
        return;
    }
    bpf_text_bytes(e->key, kind.bytes, key, sizeof(key));
    bpf_text_key(&kind, is_index(e->map), e->key, name, sizeof(name));
    bpf_text_bytes(e->values, value_size, value, sizeof(value));
    console_printf(con, "key: %s  value: %s", key, value);
    if (strcmp(name, key) != 0)
        console_printf(con, "  %s", name);
    if (value_number(e, 0, &number))
        console_printf(con, "%s %llu", strcmp(name, key) != 0 ? ":" : "  =",
                       (unsigned long long)number);
    console_printf(con, "\n");
}

void map_json_hex(struct json *j, const char *name, const uint8_t *bytes, size_t count)
{
    char *text = bpf_mem_alloc(MIN(3 * count + 1, (size_t)BPF_MAP_BYTES_MAX));

    json_str(j, name,
             text == NULL ? NULL
                          : bpf_text_bytes(bytes, count, text,
                                           MIN(3 * count + 1, (size_t)BPF_MAP_BYTES_MAX)));
    bpf_mem_free(text);
}

void map_entry_json(struct json *j, const char *name, const struct map_entry *e)
{
    const struct bpf_text_kind kind = map_key_kind(e->map);
    char text[64];
    uint64_t number;

    json_object(j, name);
    map_json_hex(j, "key", e->key, kind.bytes);
    json_str(j, "key_text", bpf_text_key(&kind, is_index(e->map), e->key, text, sizeof(text)));
    json_array(j, "values");
    for (unsigned cpu = 0; cpu < e->count; cpu++) {
        json_object(j, NULL);
        map_json_hex(j, "value", e->values + cpu * e->each, e->map->def.value_size);
        if (value_number(e, cpu, &number))
            json_u64(j, "number", number);
        else
            json_null(j, "number");
        json_object_end(j);
    }
    json_array_end(j);
    json_object_end(j);
}

void map_json_begin(struct console *con, struct json *j, const struct bpf_map *map)
{
    console_json(con, j);
    json_u64(j, "id", map->id);
    json_str(j, "name", map->name);
}
