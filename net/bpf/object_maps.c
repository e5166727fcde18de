/*
 * The maps that an object defines: see object_parse.h. Three ways: variables in .maps, whose types
 * say it all (libbpf's __uint and __type); struct bpf_map_def in `maps`, as it was before; and the
 * sections of global data, each of which is an array with one value. Pure code.
 */
#include "object_parse.h"
#include <kernel/fmt.h>
#include <kernel/lib.h>
#include <string.h>

#define PAGE_BYTES       4096u
#define LEGACY_BYTES     20u /* struct bpf_map_def: type, key, value, entries, flags */
#define LEGACY_MAX       64u
#define LINUX_NAME_CHARS 15 /* of a map, which data maps are cut to */

static const char *linux_type_name(uint32_t type)
{
    static const char *const names[] = {
        "unspec",
        "hash",
        "array",
        "prog_array",
        "perf_event_array",
        "percpu_hash",
        "percpu_array",
        "stack_trace",
        "cgroup_array",
        "lru_hash",
        "lru_percpu_hash",
        "lpm_trie",
        "array_of_maps",
        "hash_of_maps",
        "devmap",
        "sockmap",
        "cpumap",
        "xskmap",
        "sockhash",
        "cgroup_storage",
        "reuseport_sockarray",
        "percpu_cgroup_storage",
        "queue",
        "stack",
        "sk_storage",
        "devmap_hash",
        "struct_ops",
        "ringbuf",
        "inode_storage",
        "task_storage",
        "bloom_filter",
        "user_ringbuf",
        "cgrp_storage",
        "arena",
    };

    return type < ARRAY_SIZE(names) ? names[type] : "unknown";
}

struct object_map *object_map_add(struct object_reader *r, uint32_t section, const char *name)
{
    struct object_map *map = &r->maps[r->map_count];

    if (r->map_count == BPF_OBJECT_MAPS_MAX) {
        object_refuse(r, "it has more than %u maps", BPF_OBJECT_MAPS_MAX);
        return NULL;
    }
    if (!object_name_valid(name) || strnlen(name, sizeof(map->name)) == sizeof(map->name)) {
        object_refuse(r, "section %.64s: map '%s': its name is strange or too long",
                      r->sections[section].name, name);
        return NULL;
    }
    *map = (struct object_map){ .section = (uint16_t)section };
    memcpy(map->name, name, strnlen(name, sizeof(map->name)));
    r->map_count++;
    return map;
}

bool object_map_refuse(struct object_reader *r, const struct object_map *map, const char *why)
{
    return object_refuse(r, "section %.64s: map '%s': %s", r->sections[map->section].name,
                         map->name, why);
}

/* What libbpf makes of a definition before the kernel sees it. */
bool object_map_finish(struct object_reader *r, struct object_map *map)
{
    if (bpf_map_type_ops(map->def.type) == NULL)
        return object_refuse(r, "section %.64s: map '%s': type %u (%s) is not supported here",
                             r->sections[map->section].name, map->name, map->def.type,
                             linux_type_name(map->def.type));
    if (map->def.type == BPF_MAP_TYPE_PERF_EVENT_ARRAY && map->def.max_entries == 0)
        map->def.max_entries = BPF_CPUS;
    if (map->def.type == BPF_MAP_TYPE_RINGBUF && map->def.max_entries != 0 &&
        (map->def.max_entries % PAGE_BYTES != 0 || !IS_POWER_OF_TWO(map->def.max_entries))) {
        uint64_t bytes = PAGE_BYTES; /* the next size that Linux takes */

        while (bytes <= map->def.max_entries)
            bytes *= 2;
        map->def.max_entries = (uint32_t)MIN(bytes, 1ull << 31);
    }
    return true;
}

/* ---------------------------------------------------------------- maps */

static bool read_legacy_map(struct object_reader *r, const struct object_symbol *symbol,
                            uint64_t bytes)
{
    const struct object_section *s = &r->sections[symbol->section];
    struct object_map *map = object_map_add(r, symbol->section, symbol->name);
    const uint8_t *at;

    if (map == NULL)
        return false;
    if (bytes < LEGACY_BYTES || bytes > LEGACY_MAX || s->data == NULL || symbol->value > s->bytes ||
        bytes > s->bytes - symbol->value)
        return object_map_refuse(r, map, "it is not as large as a struct bpf_map_def");
    at = s->data + symbol->value;
    for (uint64_t i = LEGACY_BYTES; i < bytes; i++)
        if (at[i] != 0)
            return object_map_refuse(r, map, "it has fields that only iproute2 knows");
    map->offset = symbol->value;
    map->def = (struct bpf_map_def){
        .type = object_u32(at),
        .key_size = object_u32(at + 4),
        .value_size = object_u32(at + 8),
        .max_entries = object_u32(at + 12),
        .flags = object_u32(at + 16),
    };
    return object_map_finish(r, map);
}

static bool is_legacy_map(const struct object_symbol *symbol, uint32_t section)
{
    return symbol->section == section && symbol->type != ELF_SECTION && symbol->name[0] != '\0';
}

static bool read_legacy_maps(struct object_reader *r)
{
    uint32_t section = object_section_named(r, "maps"), count = 0;
    uint64_t bytes;

    if (section == 0)
        return true;
    for (uint32_t i = 0; i < r->symbol_count; i++) {
        struct object_symbol symbol = object_symbol(r, i);

        count += is_legacy_map(&symbol, section);
    }
    bytes = count > 0 ? r->sections[section].bytes / count : 0; /* they are of one size */
    for (uint32_t i = 0; i < r->symbol_count; i++) {
        struct object_symbol symbol = object_symbol(r, i);

        if (is_legacy_map(&symbol, section) && !read_legacy_map(r, &symbol, bytes))
            return false;
    }
    return true;
}

/* ---------------------------------------------------------------- global data */

static bool is_data(const char *section, const char *kind)
{
    return object_starts_with(section, kind) &&
           (section[strlen(kind)] == '\0' || section[strlen(kind)] == '.');
}

/* As libbpf: "firewall.rodata", of which Linux takes 15 characters; a section of a name of its
 * own (".rodata.config") gives it to the map. */
static void data_name(const struct object_reader *r, const char *section, char *out, size_t room)
{
    const char *end = strchr(r->name, '.');
    int stem = (int)(end != NULL ? (size_t)(end - r->name) : strlen(r->name));
    int most = LINUX_NAME_CHARS - MAX((int)strnlen(section, LINUX_NAME_CHARS), 7);

    if (strchr(section + 1, '.') != NULL)
        fmt_snprintf(out, room, "%s", section);
    else
        fmt_snprintf(out, room, "%.*s%s", MIN(stem, most), r->name, section);
    for (char *p = out; *p != '\0'; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
              *p == '.'))
            *p = '_';
}

static bool read_data(struct object_reader *r, uint32_t section)
{
    const struct object_section *s = &r->sections[section];
    char name[BPF_MAP_NAME_MAX];
    struct object_map *map;

    if (s->bytes > BPF_MAP_BYTES_MAX || (s->flags & ELF_COMPRESSED))
        return object_refuse(r, "section %.64s: it is compressed, or larger than %u bytes", s->name,
                             BPF_MAP_BYTES_MAX);
    data_name(r, s->name, name, sizeof(name));
    map = object_map_add(r, section, name);
    if (map == NULL)
        return false;
    map->data = true;
    map->content = s->data;
    map->def = (struct bpf_map_def){
        .type = BPF_MAP_TYPE_ARRAY,
        .key_size = sizeof(uint32_t),
        .value_size = (uint32_t)s->bytes,
        .max_entries = 1,
        .flags = BPF_F_MMAPABLE | (is_data(s->name, ".rodata") ? BPF_F_RDONLY_PROG : 0),
    };
    return true;
}

bool object_maps_find(struct object_reader *r)
{
    if (!object_maps_find_btf(r) || !read_legacy_maps(r))
        return false;
    for (uint32_t i = 1; i < r->section_count; i++) {
        const struct object_section *s = &r->sections[i];

        if ((s->flags & ELF_ALLOC) && !(s->flags & ELF_EXEC) && s->bytes > 0 &&
            (is_data(s->name, ".rodata") || is_data(s->name, ".data") ||
             is_data(s->name, ".bss")) &&
            !read_data(r, i))
            return false;
    }
    return true;
}
