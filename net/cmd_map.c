/*
 * `map`: what XDP programs remember, in bpftool's words: shown, read, changed. A change holds for
 * the next packet. Main context; maps are touched between net_enter() and net_leave(), and printed,
 * which waits, outside, with a reference that keeps them.
 */
#include "bpf/prog.h"
#include "cmd_map.h"
#include <kernel/console.h>
#include <kernel/lib.h>
#include <net/bpf_text.h>
#include <net/stack.h>
#include <string.h>

#define USAGE                                                                                      \
    "map [show|list] | map dump MAP | map lookup MAP key K | map update MAP key K value V "        \
    "[any|exist|noexist] | map delete MAP key K | map events MAP [count]"

/* "id 5", "name NAME", or the name alone: the map, with a reference, or NULL, and it was said why.
 */
static struct bpf_map *take_map(struct console *con, struct map_words *w)
{
    bool by_id = map_word_is(w, "id"), by_name = !by_id && map_word_is(w, "name");
    const char *word = map_next_word(w);
    struct bpf_map *map;
    uint64_t id = 0;

    (void)by_name;
    if (word == NULL) {
        console_error(con, "which map? its name, or id and its number; `map list` shows them");
        return NULL;
    }
    if (by_id && !map_decimal(word, UINT32_MAX, &id)) {
        console_error(con, "%s is no id", word);
        return NULL;
    }
    net_enter();
    map = by_id ? bpf_map_by_id((uint32_t)id) : bpf_map_by_name(word);
    if (map != NULL)
        bpf_map_hold(map);
    net_leave();
    if (map == NULL)
        console_error(con, "there is no map %s%s", by_id ? "of id " : "", word);
    return map;
}

static void put_map(struct bpf_map *map)
{
    net_enter();
    bpf_map_put(map);
    net_leave();
}

/* ---- Keys and values ---- */

/* The words of a key: up to the word `value`, or all that are left. */
static unsigned key_words(const struct map_words *w)
{
    int count = 0;

    while (count < w->count && strcmp(w->word[count], "value") != 0)
        count++;
    return (unsigned)count;
}

/* "key ..." into key[]. */
static bool take_key(struct console *con, const struct bpf_map *map, struct map_words *w,
                     uint8_t key[BPF_KEY_MAX])
{
    const struct bpf_text_kind kind = map_key_kind(map);
    char why[BPF_TEXT_WHY_MAX];
    unsigned count;

    if (!map_word_is(w, "key")) {
        console_error(con, "what is missing is: key, and the key");
        return false;
    }
    count = key_words(w);
    if (!bpf_text_parse(&kind, w->word, count, key, why)) {
        console_error(con, "%s", why);
        return false;
    }
    w->word += count;
    w->count -= (int)count;
    return true;
}

/* "prog name NAME": its id. The words of an id are bpf_text_parse()'s. */
static bool value_of_prog(const struct map_words *w, uint8_t *value)
{
    const struct bpf_prog *prog;

    if (w->count != 3 || strcmp(w->word[0], "prog") != 0 || strcmp(w->word[1], "name") != 0)
        return false;
    net_enter();
    prog = bpf_prog_by_name(w->word[2]);
    if (prog != NULL)
        memcpy(value, &prog->id, sizeof(prog->id));
    net_leave();
    return prog != NULL;
}

/* "value ...": into values[bpf_map_user_bytes()], of each CPU the same. */
static bool take_value(struct console *con, const struct bpf_map *map, struct map_words *w,
                       uint8_t *values)
{
    const struct bpf_text_kind kind = { .what = "value", .bytes = map->def.value_size };
    size_t each = bpf_map_user_bytes(map) / (map->ops->percpu ? BPF_CPUS : 1);
    char why[BPF_TEXT_WHY_MAX];

    if (!map_word_is(w, "value")) {
        console_error(con, "what is missing is: value, and the value");
        return false;
    }
    if (!(map->def.type == BPF_MAP_TYPE_PROG_ARRAY && value_of_prog(w, values)) &&
        !bpf_text_parse(&kind, w->word, (unsigned)w->count, values, why)) {
        console_error(con, "%s", why);
        return false;
    }
    for (size_t at = each; at < bpf_map_user_bytes(map); at += each)
        memcpy(values + at, values, map->def.value_size);
    return true;
}

/* any, exist or noexist at the end of the line. */
static uint64_t take_flags(struct map_words *w)
{
    static const char *const names[] = { "any", "noexist", "exist" };

    _Static_assert(BPF_ANY == 0 && BPF_NOEXIST == 1 && BPF_EXIST == 2, "names[] above");
    for (unsigned i = 0; w->count > 0 && i < ARRAY_SIZE(names); i++) {
        if (strcmp(w->word[w->count - 1], names[i]) == 0) {
            w->count--;
            return i;
        }
    }
    return BPF_ANY;
}

/* ---- map show ---- */

static void show_json(struct json *j, const struct bpf_map *map)
{
    json_object(j, NULL);
    json_u64(j, "id", map->id);
    json_str(j, "type", map->ops->type_name);
    json_str(j, "name", map->name);
    json_u64(j, "flags", map->def.flags);
    json_u64(j, "bytes_key", map->def.key_size);
    json_u64(j, "bytes_value", map->def.value_size);
    json_u64(j, "max_entries", map->def.max_entries);
    json_u64(j, "entries", map->entries);
    json_u64(j, "bytes_memlock", map->bytes);
    json_bool(j, "frozen", map->frozen);
    json_object_end(j);
}

static void show_text(struct console *con, const struct bpf_map *map)
{
    console_printf(con, "%u: %s  name %s  flags 0x%x%s\n", map->id, map->ops->type_name, map->name,
                   map->def.flags, map->frozen ? "  frozen" : "");
    console_printf(con, "\tkey %uB  value %uB  max_entries %u  memlock %lluB\n", map->def.key_size,
                   map->def.value_size, map->def.max_entries, (unsigned long long)map->bytes);
}

/* The i-th one as it is now, in *copy. */
static bool copy_map(unsigned i, struct bpf_map *copy)
{
    const struct bpf_map *map;

    net_enter();
    map = bpf_map_at(i);
    if (map != NULL)
        *copy = *map;
    net_leave();
    return map != NULL;
}

static int show(struct console *con, struct map_words *w)
{
    struct bpf_map *only = NULL, copy;
    bool any = false;
    struct json j;

    if (w->count > 0) {
        only = take_map(con, w);
        if (only == NULL)
            return 1;
    }
    if (con->json) {
        console_json(con, &j);
        json_array(&j, "maps");
    }
    for (unsigned i = 0; copy_map(i, &copy); i++) {
        if (only != NULL && copy.id != only->id)
            continue;
        any = true;
        if (con->json)
            show_json(&j, &copy);
        else
            show_text(con, &copy);
    }
    if (con->json) {
        json_array_end(&j);
        json_end(&j);
    } else if (!any) {
        console_printf(con, "there are no maps: programs bring them\n");
    }
    if (only != NULL)
        put_map(only);
    return 0;
}

/* ---- map dump ---- */

/* Half a million places of an array may be empty: packets get their turn between. */
#define PLACES_AT_ONCE 64u

/* As next_entry(), but looks at no more than these. 1: there was nothing in them. Between
 * net_enter() and net_leave(). */
static int look_on(struct map_entry *e, bool *first)
{
    uint8_t key[BPF_KEY_MAX];

    for (unsigned i = 0; i < PLACES_AT_ONCE; i++) {
        int result = bpf_map_next_key(e->map, *first ? NULL : e->key, key);

        if (result != 0)
            return result;
        *first = false;
        memcpy(e->key, key, e->map->def.key_size);
        if (bpf_map_read(e->map, e->key, e->values) == 0)
            return 0;
    }
    return 1;
}

/* The entry behind e->key (or the first) into *e; false: there is none. One that goes away before
 * it is read is passed over. */
static bool next_entry(struct map_entry *e, bool first)
{
    int result;

    do {
        net_enter();
        result = look_on(e, &first);
        net_leave();
    } while (result > 0);
    return result == 0;
}

/* Where entries go away and come meanwhile there may seem to be no end: never more than fit. */
static int dump(struct console *con, struct map_entry *e)
{
    uint32_t count = 0;
    struct json j;

    if (e->map->ops->next_key == NULL)
        return console_error(con, "%s: a %s has no entries to dump", e->map->name,
                             e->map->ops->type_name);
    if (con->json) {
        map_json_begin(con, &j, e->map);
        json_array(&j, "entries");
    }
    for (bool first = true; count < e->map->def.max_entries && next_entry(e, first);
         first = false) {
        count++;
        if (con->json)
            map_entry_json(&j, NULL, e);
        else
            map_entry_print(con, e);
    }
    if (con->json) {
        json_array_end(&j);
        json_end(&j);
    } else {
        console_printf(con, "Found %u element%s\n", count, count == 1 ? "" : "s");
    }
    return 0;
}

/* ---- map lookup, update, delete ---- */

static int lookup(struct console *con, struct map_entry *e, struct map_words *w)
{
    struct json j;
    int result;

    if (!take_key(con, e->map, w, e->key))
        return 1;
    if (w->count > 0)
        return console_error(con, "what is %s?", w->word[0]);
    net_enter();
    result = bpf_map_read(e->map, e->key, e->values);
    net_leave();
    if (result != 0)
        return console_error(con, "%s: %s", e->map->name, bpf_text_error(result));
    if (!con->json) {
        map_entry_print(con, e);
        return 0;
    }
    map_json_begin(con, &j, e->map);
    map_entry_json(&j, "entry", e);
    json_end(&j);
    return 0;
}

/* Silent when it worked, as bpftool. */
static int changed(struct console *con, const struct bpf_map *map, const char *what, int result)
{
    struct json j;

    if (result != 0)
        return console_error(con, "%s: %s", map->name, bpf_text_error(result));
    if (con->json) {
        map_json_begin(con, &j, map);
        json_str(&j, "done", what);
        json_end(&j);
    }
    return 0;
}

static int update(struct console *con, struct map_entry *e, struct map_words *w)
{
    uint64_t flags = take_flags(w);
    int result;

    if (!take_key(con, e->map, w, e->key) || !take_value(con, e->map, w, e->values))
        return 1;
    net_enter();
    result = bpf_map_write(e->map, e->key, e->values, flags);
    net_leave();
    return changed(con, e->map, "update", result);
}

static int erase(struct console *con, struct map_entry *e, struct map_words *w)
{
    int result;

    if (!take_key(con, e->map, w, e->key))
        return 1;
    if (w->count > 0)
        return console_error(con, "what is %s?", w->word[0]);
    net_enter();
    result = bpf_map_remove(e->map, e->key);
    net_leave();
    return changed(con, e->map, "delete", result);
}

/* ---- The command ---- */

static int run_on_map(struct console *con, const char *what, struct bpf_map *map,
                      struct map_words *w)
{
    struct map_entry e;
    int result;

    if (strcmp(what, "events") == 0)
        return map_events(con, map, w);
    if (strcmp(what, "dump") == 0 && w->count > 0)
        return console_error(con, "what is %s?", w->word[0]);
    if (!map_entry_open(con, &e, map))
        return 1;
    if (strcmp(what, "dump") == 0)
        result = dump(con, &e);
    else if (strcmp(what, "lookup") == 0)
        result = lookup(con, &e, w);
    else if (strcmp(what, "update") == 0)
        result = update(con, &e, w);
    else
        result = erase(con, &e, w);
    bpf_mem_free(e.values);
    return result;
}

static const char *verb(unsigned i)
{
    static const char *const verbs[] = { "show",   "list",   "dump",  "lookup",
                                         "update", "delete", "events" };

    return i < ARRAY_SIZE(verbs) ? verbs[i] : NULL;
}

static int cmd_map(struct console *con, int argc, char **argv)
{
    struct map_words w = { argv + 1, argc - 1 };
    const char *what = map_next_word(&w);
    struct bpf_map *map;
    int result;

    if (what == NULL || strcmp(what, "show") == 0 || strcmp(what, "list") == 0)
        return show(con, &w);
    for (unsigned i = 0;; i++) {
        if (verb(i) == NULL)
            return console_error(con, "map %s: there is no such thing; map -h shows what there is",
                                 what);
        if (strcmp(verb(i), what) == 0)
            break;
    }
    map = take_map(con, &w);
    if (map == NULL)
        return 1;
    result = run_on_map(con, what, map, &w);
    put_map(map);
    return result;
}
CONSOLE_COMMAND_COMPLETE(map, USAGE, "maps of XDP programs: read and change them", cmd_map, verb);
