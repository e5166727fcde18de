/*
 * Functions of an object, and which of them are programs: see object_parse.h. Sections name what
 * they are, by libbpf's rules (libbpf.c, section_defs). Pure code.
 */
#include "object_parse.h"
#include <kernel/lib.h>
#include <string.h>

struct object_function *object_function_at(struct object_reader *r, uint32_t section,
                                           uint64_t start)
{
    for (uint32_t i = 0; i < r->function_count; i++)
        if (r->functions[i].section == section && r->functions[i].start == start)
            return &r->functions[i];
    return NULL;
}

static bool is_text(const struct object_reader *r, uint32_t section)
{
    return strcmp(r->sections[section].name, ".text") == 0;
}

static bool add_function(struct object_reader *r, const struct object_symbol *symbol)
{
    const struct object_section *s = &r->sections[symbol->section];

    if (!object_name_valid(symbol->name))
        return object_refuse(r, "section %.64s: a function has a strange name", s->name);
    if (symbol->value % sizeof(struct bpf_insn) != 0 || symbol->bytes == 0 ||
        symbol->bytes % sizeof(struct bpf_insn) != 0 || symbol->value > s->bytes ||
        symbol->bytes > s->bytes - symbol->value)
        return object_refuse(r, "section %.64s: function '%s' lies outside it", s->name,
                             symbol->name);
    if (r->function_count == OBJECT_FUNCTIONS_MAX)
        return object_refuse(r, "it has more than %u functions", OBJECT_FUNCTIONS_MAX);
    r->functions[r->function_count++] = (struct object_function){
        .name = symbol->name,
        .start = (uint32_t)(symbol->value / sizeof(struct bpf_insn)),
        .count = (uint32_t)(symbol->bytes / sizeof(struct bpf_insn)),
        .section = symbol->section,
        .local = symbol->local,
        .hidden = symbol->hidden,
    };
    return true;
}

/* In the order of the file: by section and place. They are few. */
static void sort(struct object_reader *r)
{
    for (uint32_t i = 1; i < r->function_count; i++) {
        struct object_function f = r->functions[i];
        uint32_t at = i;

        for (; at > 0; at--) {
            const struct object_function *before = &r->functions[at - 1];

            if (before->section < f.section ||
                (before->section == f.section && before->start <= f.start))
                break;
            r->functions[at] = *before;
        }
        r->functions[at] = f;
    }
}

static void find_types(struct object_reader *r)
{
    struct object_type t;

    for (uint32_t id = 1; id <= r->btf_count; id++) {
        if (!object_btf_type(r, id, &t) || t.kind != BTF_FUNC)
            continue;
        for (uint32_t i = 0; i < r->function_count; i++)
            if (object_name_equal(r->functions[i].name, t.name))
                r->functions[i].btf = id;
    }
}

/* NULL: programs of a section of this name run here. */
static const char *why_not(const char *section)
{
    if (object_starts_with(section, "xdp.frags"))
        return "frames are never in fragments here: SEC(\"xdp\") is what runs";
    if (object_starts_with(section, "xdp/devmap") || object_starts_with(section, "xdp_devmap/"))
        return "entries of a devmap take no programs here";
    if (object_starts_with(section, "xdp/cpumap") || object_starts_with(section, "xdp_cpumap/"))
        return "there is no cpumap here";
    /* "xdp", "xdp/name"; before libbpf 1.0 also whatever began so: "xdp_pass", "xdp1" */
    if (object_starts_with(section, "xdp") && section[3] != '.')
        return NULL;
    return "only xdp programs run here";
}

static bool add_program(struct object_reader *r, uint32_t i)
{
    const struct object_function *f = &r->functions[i];
    const char *section = r->sections[f->section].name, *why;

    if (section[0] == '?') /* libbpf: not loaded unless somebody asks for it by name */
        return true;
    why = why_not(section);
    if (why != NULL)
        return object_refuse(r, "section %.64s: program '%s': %s", section, f->name, why);
    if (f->local)
        return object_refuse(r, "section %.64s: program '%s' is static", section, f->name);
    if (r->program_count == BPF_OBJECT_PROGS_MAX)
        return object_refuse(r, "it has more than %u programs", BPF_OBJECT_PROGS_MAX);
    r->programs[r->program_count++] = (uint16_t)i;
    return true;
}

static bool find_license(struct object_reader *r)
{
    /* include/linux/license.h of Linux */
    static const char *const compatible[] = {
        "GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"
    };
    const struct object_section *s = &r->sections[object_section_named(r, "license")];

    for (unsigned i = 0; s->data != NULL && i < ARRAY_SIZE(compatible); i++) {
        size_t len = strlen(compatible[i]);

        if (s->bytes >= len && memcmp(s->data, compatible[i], len) == 0 &&
            (s->bytes == len || s->data[len] == '\0'))
            r->gpl = true;
    }
    return true;
}

bool object_functions_find(struct object_reader *r)
{
    for (uint32_t i = 0; i < r->symbol_count; i++) {
        struct object_symbol symbol = object_symbol(r, i);

        if (symbol.type == ELF_FUNC && symbol.section != ELF_UNDEF &&
            symbol.section < r->section_count && (r->sections[symbol.section].flags & ELF_EXEC) &&
            !add_function(r, &symbol))
            return false;
    }
    sort(r);
    find_types(r);
    for (uint32_t i = 0; i < r->function_count; i++)
        if (!is_text(r, r->functions[i].section) && !add_program(r, i))
            return false;
    if (r->program_count == 0)
        return object_refuse(r, "there is no program in it: SEC(\"xdp\") marks one");
    return find_license(r);
}
