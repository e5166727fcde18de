/*
 * Variables in .maps: a struct type of which says what the map is (libbpf's __uint, __type and
 * __array), and what stands first in a prog_array. See object_parse.h. Pure code.
 */
#include "object_parse.h"
#include <kernel/lib.h>
#include <string.h>

#define VARIABLE_BYTES 12u /* of a BTF_DATASEC: type, offset, size */
#define MEMBER_BYTES   12u /* of a BTF_STRUCT: name, type, offset in bits */
#define PIN_BY_NAME    1u

/* __uint(name, value): a pointer to an array of so many. */
static bool member_number(const struct object_reader *r, uint32_t type, uint32_t *value)
{
    struct object_type t;

    if (!object_btf_resolve(r, type, &t) || t.kind != BTF_PTR ||
        !object_btf_type(r, t.size_or_type, &t) || t.kind != BTF_ARRAY)
        return false;
    *value = object_u32(t.more + 8);
    return true;
}

/* __type(key, T): a pointer to one. `bytes` may have been said in numbers before. */
static bool member_type_bytes(const struct object_reader *r, uint32_t type, uint32_t *bytes)
{
    struct object_type t;
    uint32_t size;

    if (!object_btf_type(r, type, &t) || t.kind != BTF_PTR ||
        !object_btf_bytes(r, t.size_or_type, &size) || (*bytes != 0 && *bytes != size))
        return false;
    *bytes = size;
    return true;
}

static bool member_bytes(const struct object_reader *r, uint32_t type, uint32_t *bytes)
{
    uint32_t size;

    if (!member_number(r, type, &size) || (*bytes != 0 && *bytes != size))
        return false;
    *bytes = size;
    return true;
}

/* __array(values, T): an array of no length, of pointers. */
static bool member_values(const struct object_reader *r, uint32_t type, uint32_t bits,
                          struct object_map *map)
{
    struct object_type t;

    if (!object_btf_type(r, type, &t) || t.kind != BTF_ARRAY || bits % 64 != 0 || bits == 0)
        return false;
    map->values_offset = bits / 8;
    if (map->def.value_size == 0)
        map->def.value_size = sizeof(uint32_t);
    return map->def.type == BPF_MAP_TYPE_PROG_ARRAY && map->def.value_size == sizeof(uint32_t);
}

static bool read_member(struct object_reader *r, struct object_map *map, const char *name,
                        uint32_t type, uint32_t bits)
{
    struct bpf_map_def *def = &map->def;
    uint32_t number = 0;
    bool fine;

    if (strcmp(name, "type") == 0) {
        fine = member_number(r, type, &def->type);
    } else if (strcmp(name, "max_entries") == 0) {
        fine = member_number(r, type, &def->max_entries);
    } else if (strcmp(name, "map_flags") == 0) {
        fine = member_number(r, type, &def->flags);
    } else if (strcmp(name, "key_size") == 0) {
        fine = member_bytes(r, type, &def->key_size);
    } else if (strcmp(name, "value_size") == 0) {
        fine = member_bytes(r, type, &def->value_size);
    } else if (strcmp(name, "key") == 0) {
        fine = member_type_bytes(r, type, &def->key_size);
    } else if (strcmp(name, "value") == 0) {
        fine = member_type_bytes(r, type, &def->value_size);
    } else if (strcmp(name, "values") == 0) {
        fine = member_values(r, type, bits, map);
    } else if (strcmp(name, "pinning") == 0) {
        fine = member_number(r, type, &number) && number <= PIN_BY_NAME;
        map->by_name = number == PIN_BY_NAME;
    } else if (strcmp(name, "numa_node") == 0) { /* there is one */
        fine = member_number(r, type, &number);
    } else if (strcmp(name, "map_extra") == 0) {
        fine = member_number(r, type, &number) && number == 0;
    } else {
        return object_refuse(r, "section .maps: map '%s': '%.64s' is not known here", map->name,
                             name);
    }
    return fine || object_refuse(r, "section .maps: map '%s': its '%.64s' makes no sense here",
                                 map->name, name);
}

static bool read_members(struct object_reader *r, struct object_map *map,
                         const struct object_type *def)
{
    /* "values" depends on the type, which is said before it or not: two rounds. */
    for (unsigned round = 0; round < 2; round++)
        for (uint32_t i = 0; i < def->vlen; i++) {
            const uint8_t *member = def->more + (uint64_t)i * MEMBER_BYTES;
            const char *name = object_btf_string(r, object_u32(member));

            if (name == NULL)
                return object_map_refuse(r, map, "a member has no name");
            if ((strcmp(name, "values") == 0) == (round == 1) &&
                !read_member(r, map, name, object_u32(member + 4), object_u32(member + 8)))
                return false;
        }
    return object_map_finish(r, map);
}

/* Where a map lies is said by its symbol: the compiler leaves it out of BTF. */
static bool place_map(struct object_reader *r, struct object_map *map)
{
    for (uint32_t i = 0; i < r->symbol_count; i++) {
        struct object_symbol symbol = object_symbol(r, i);

        if (symbol.section == map->section && symbol.type == ELF_OBJECT &&
            object_name_equal(symbol.name, map->name)) {
            map->offset = symbol.value;
            return true;
        }
    }
    return object_map_refuse(r, map, "it has no symbol");
}

static bool read_variable(struct object_reader *r, uint32_t section, uint32_t type)
{
    struct object_type var, def;
    struct object_map *map;

    if (!object_btf_type(r, type, &var) || var.kind != BTF_VAR)
        return object_refuse(r, "section .maps: BTF type %u is no variable", type);
    map = object_map_add(r, section, var.name);
    if (map == NULL)
        return false;
    if (object_u32(var.more) != BTF_GLOBAL)
        return object_map_refuse(r, map, "it is static or extern");
    if (!object_btf_resolve(r, var.size_or_type, &def) || def.kind != BTF_STRUCT)
        return object_map_refuse(r, map, "it is no struct");
    return place_map(r, map) && read_members(r, map, &def);
}

bool object_maps_find_btf(struct object_reader *r)
{
    uint32_t section = object_section_named(r, ".maps"), before = r->map_count;

    if (section == 0 || r->sections[section].bytes == 0)
        return true;
    for (uint32_t id = 1; id <= r->btf_count; id++) {
        struct object_type t;

        if (!object_btf_type(r, id, &t) || t.kind != BTF_DATASEC ||
            !object_name_equal(t.name, ".maps"))
            continue;
        for (uint32_t i = 0; i < t.vlen; i++)
            if (!read_variable(r, section, object_u32(t.more + (uint64_t)i * VARIABLE_BYTES)))
                return false;
    }
    return r->map_count > before ||
           object_refuse(r, "section .maps: it is not described by BTF (clang -g)");
}

/* ---------------------------------------------------------------- first entries of prog_arrays */

static bool read_value(struct object_reader *r, const struct object_relocation *rel)
{
    const struct object_map *map = NULL;
    uint32_t index, program = 0;
    uint64_t place;

    for (uint32_t i = 0; i < r->map_count; i++) /* the last one that begins before it */
        if (r->maps[i].values_offset != 0 && r->maps[i].offset <= rel->offset &&
            (map == NULL || r->maps[i].offset > map->offset))
            map = &r->maps[i];
    if (map == NULL)
        return object_refuse(r, "section .maps: a relocation at %llu is of no prog_array's values",
                             (unsigned long long)rel->offset);
    place = rel->offset - map->offset;
    if (place < map->values_offset || (place - map->values_offset) % 8 != 0 ||
        (place - map->values_offset) / 8 >= map->def.max_entries)
        return object_map_refuse(r, map, "it has a first entry outside its entries");
    index = (uint32_t)((place - map->values_offset) / 8);
    while (program < r->program_count) {
        const struct object_function *f = &r->functions[r->programs[program]];

        if (f->section == rel->symbol.section && f->start * 8ull == rel->symbol.value)
            break;
        program++;
    }
    if (program == r->program_count)
        return object_refuse(r, "section .maps: map '%s': '%.64s' is no program of the object",
                             map->name, rel->symbol.name);
    if (r->value_count == OBJECT_VALUES_MAX)
        return object_refuse(r, "its maps have more than %u first entries", OBJECT_VALUES_MAX);
    r->values[r->value_count++] =
        (struct object_value){ (uint32_t)(map - r->maps), index, program };
    return true;
}

bool object_values_find(struct object_reader *r)
{
    for (uint32_t i = 1; i < r->section_count; i++) {
        const struct object_section *s = &r->sections[i];

        if (s->type != ELF_REL || strcmp(r->sections[s->info].name, ".maps") != 0)
            continue;
        for (uint32_t k = 0; k < object_relocation_count(s); k++) {
            struct object_relocation rel;

            if (!object_relocation(r, s, k, &rel) || !read_value(r, &rel))
                return false;
        }
    }
    return true;
}
