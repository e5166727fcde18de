/* /_/maps: the maps of XDP programs by HTTP, read and written as JSON. What is written holds for
 * the next packet. Main context. */
#include "admin_pages.h"
#include "http_query.h"
#include "map_json.h"
#include <kernel/kmalloc.h>
#include <kernel/lib.h>
#include <kernel/softirq.h>
#include <net/bpf_map.h>
#include <net/bpf_text.h>
#include <net/stack.h>
#include <string.h>

/* By name, said so: a map may be called "id". */
static int run(struct console *con, const char *verb, const char *map)
{
    char words[4][BPF_MAP_NAME_MAX] = { "map", "", "name" };
    char *argv[] = { words[0], words[1], map != NULL ? words[2] : NULL, words[3], NULL };

    memcpy(words[1], verb, strlen(verb) + 1);
    if (map != NULL)
        memcpy(words[3], map, MIN(strlen(map) + 1, sizeof(words[3]) - 1));
    con->json = true;
    return console_run(con, map != NULL ? 4 : 2, argv);
}

static unsigned refuse(struct console *con, unsigned status, const char *error, unsigned written)
{
    struct json j;

    console_json(con, &j);
    json_str(&j, "command", "map");
    json_str(&j, "error", error);
    json_u64(&j, "written", written);
    json_end(&j);
    return status;
}

unsigned admin_maps_list(struct console *con, const struct admin_request *request)
{
    (void)request;
    return run(con, "list", NULL) == 0 ? 200 : 409;
}

/* The map that the path names, with a reference; NULL: there is none. */
static struct bpf_map *take_map(const struct admin_request *request)
{
    char name[BPF_MAP_NAME_MAX];
    struct bpf_map *map = NULL;

    if (http_query_decode(request->rest, strlen(request->rest), name, sizeof(name)) <= 0)
        return NULL;
    net_enter();
    map = bpf_map_by_name(name);
    if (map != NULL)
        bpf_map_hold(map);
    net_leave();
    return map;
}

static void put_map(struct bpf_map *map)
{
    net_enter();
    bpf_map_put(map);
    net_leave();
}

unsigned admin_map_show(struct console *con, const struct admin_request *request)
{
    struct bpf_map *map = take_map(request);
    int result;

    if (map == NULL)
        return refuse(con, 404, "there is no such map", 0);
    result = run(con, "dump", map->name);
    put_map(map);
    return result == 0 ? 200 : 409;
}

/* ---------------------------------------------------------------- keys and values */

static bool read_key(const struct bpf_map *map, const char *line, uint8_t *key,
                     char why[BPF_TEXT_WHY_MAX])
{
    const struct bpf_text_kind kind = { .what = "key",
                                        .bytes = map->def.key_size,
                                        .prefix = map->def.type == BPF_MAP_TYPE_LPM_TRIE };

    return bpf_text_parse_line(&kind, line, key, why);
}

/* Of a per-CPU map: the same for each CPU. */
static bool read_value(const struct bpf_map *map, const char *line, uint8_t *values,
                       char why[BPF_TEXT_WHY_MAX])
{
    const struct bpf_text_kind kind = { .what = "value", .bytes = map->def.value_size };
    size_t each = bpf_map_user_bytes(map) / (map->ops->percpu ? BPF_CPUS : 1);

    if (!bpf_text_parse_line(&kind, line, values, why))
        return false;
    for (size_t at = each; at < bpf_map_user_bytes(map); at += each)
        memcpy(values + at, values, map->def.value_size);
    return true;
}

static uint64_t flags_of(const char *name)
{
    return strcmp(name, "exist") == 0     ? BPF_EXIST
           : strcmp(name, "noexist") == 0 ? BPF_NOEXIST
                                          : BPF_ANY;
}

/* ---------------------------------------------------------------- writing */

struct writing {
    struct bpf_map *map;
    struct map_json *json;
    struct map_json_entry *entry;
    uint8_t *values;
    uint8_t key[BPF_KEY_MAX];
    unsigned written;
    char why[BPF_TEXT_WHY_MAX];
};

/* False: w->why tells. */
static bool write_entry(struct writing *w)
{
    int result;

    if (!read_key(w->map, w->entry->key, w->key, w->why) ||
        !read_value(w->map, w->entry->value, w->values, w->why))
        return false;
    net_enter();
    result = bpf_map_write(w->map, w->key, w->values, flags_of(w->entry->flags));
    net_leave();
    if (result != 0) {
        memcpy(w->why, bpf_text_error(result), strlen(bpf_text_error(result)) + 1);
        return false;
    }
    w->written++;
    return true;
}

static unsigned write_all(struct console *con, struct writing *w, const char *text, size_t len)
{
    const char *why;
    struct json j;
    int next;

    if (!map_json_open(w->json, text, len, &why))
        return refuse(con, 400, why, 0);
    while ((next = map_json_next(w->json, w->entry, &why)) > 0)
        if (!write_entry(w))
            return refuse(con, 400, w->why, w->written);
    if (next < 0)
        return refuse(con, 400, why, w->written);
    console_json(con, &j);
    json_u64(&j, "id", w->map->id);
    json_str(&j, "name", w->map->name);
    json_u64(&j, "written", w->written);
    json_end(&j);
    return 200;
}

static void *allocate(size_t bytes)
{
    void *p;

    softirq_disable();
    p = kmalloc(bytes);
    softirq_enable();
    return p;
}

static void release(void *p)
{
    softirq_disable();
    kfree(p);
    softirq_enable();
}

unsigned admin_map_write(struct console *con, const struct admin_request *request)
{
    struct writing *w = allocate(sizeof(*w));
    unsigned status = 503;

    if (w == NULL)
        return status;
    *w = (struct writing){ .map = take_map(request) };
    if (w->map == NULL) {
        release(w);
        return refuse(con, 404, "there is no such map", 0);
    }
    w->json = allocate(map_json_bytes());
    w->entry = allocate(sizeof(*w->entry));
    w->values = allocate(MAX(bpf_map_user_bytes(w->map), 8));
    if (w->json != NULL && w->entry != NULL && w->values != NULL)
        status = write_all(con, w, (const char *)request->body, request->body_len);
    release(w->values);
    release(w->entry);
    release(w->json);
    put_map(w->map);
    release(w);
    return status;
}

/* ---------------------------------------------------------------- deleting */

static unsigned erase(struct console *con, struct bpf_map *map, const char *line)
{
    char why[BPF_TEXT_WHY_MAX];
    uint8_t key[BPF_KEY_MAX];
    struct json j;
    int result;

    if (!read_key(map, line, key, why))
        return refuse(con, 400, why, 0);
    net_enter();
    result = bpf_map_remove(map, key);
    net_leave();
    if (result != 0)
        return refuse(con, result == -BPF_ENOENT ? 404 : 400, bpf_text_error(result), 0);
    console_json(con, &j);
    json_u64(&j, "id", map->id);
    json_str(&j, "name", map->name);
    json_u64(&j, "deleted", 1);
    json_end(&j);
    return 200;
}

unsigned admin_map_delete(struct console *con, const struct admin_request *request)
{
    static const char name[] = "key=";
    struct bpf_map *map = take_map(request);
    char line[1024];
    unsigned status = 400;

    if (map == NULL)
        return refuse(con, 404, "there is no such map", 0);
    if (strncmp(request->query, name, sizeof(name) - 1) != 0 ||
        http_query_decode(request->query + sizeof(name) - 1,
                          strlen(request->query) - (sizeof(name) - 1), line, sizeof(line)) <= 0)
        refuse(con, status, "wants ?key=, as the console takes it", 0);
    else
        status = erase(con, map, line);
    put_map(map);
    return status;
}
