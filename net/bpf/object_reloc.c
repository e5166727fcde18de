/*
 * One program put together, as libbpf does it: the function that its section holds, and behind it
 * each function that it calls, once; every reference to a map, to global data and to a function
 * resolved. See object_parse.h. Pure code.
 */
#include "object_parse.h"
#include <kernel/lib.h>
#include <string.h>

struct assembly {
    struct object_reader *r;
    struct bpf_prog *prog;
    uint16_t order[BPF_SUBPROGS_MAX]; /* the functions, by index */
    uint32_t functions;
    uint32_t count; /* instructions */
    uint8_t *map_of;
    uint32_t *map_count;
};

static struct bpf_insn insn_at(const struct assembly *a, const struct object_function *f,
                               uint32_t i)
{
    struct bpf_insn insn;

    memcpy(&insn, a->r->sections[f->section].data + (f->start + (uint64_t)i) * sizeof(insn),
           sizeof(insn));
    return insn;
}

/* False (silent): the instruction has none. */
static bool relocation_of(const struct assembly *a, const struct object_function *f, uint32_t i,
                          uint32_t *number)
{
    const struct object_section *s = &a->r->sections[f->section];

    *number = s->rel_of != NULL ? s->rel_of[f->start + i] : 0;
    return (*number)-- != 0;
}

static bool read_relocation(struct assembly *a, const struct object_function *f, uint32_t number,
                            struct object_relocation *out)
{
    const struct object_section *s = &a->r->sections[f->section];
    const struct object_section rel = { .name = s->name, .data = s->rel };

    return object_relocation(a->r, &rel, number, out);
}

static bool refuse(struct assembly *a, const struct object_function *f, uint32_t i,
                   const char *what, const char *name)
{
    return object_refuse(a->r, "function '%s': instruction %u %s%s%.64s%s", f->name, i, what,
                         name[0] != '\0' ? " '" : "", name, name[0] != '\0' ? "'" : "");
}

/* ---------------------------------------------------------------- which functions */

static bool is_call(const struct bpf_insn *insn)
{
    return insn->code == (BPF_JMP | BPF_CALL) && insn->src == BPF_PSEUDO_CALL;
}

static bool add(struct assembly *a, struct object_function *f)
{
    if (f->where != OBJECT_NOWHERE)
        return true;
    if (a->functions == BPF_SUBPROGS_MAX)
        return object_refuse(a->r, "program '%s' calls more than %u functions", a->prog->name,
                             BPF_SUBPROGS_MAX);
    if (f->count > BPF_INSNS_MAX - a->count)
        return object_refuse(a->r, "program '%s' has more than %u instructions", a->prog->name,
                             BPF_INSNS_MAX);
    f->where = a->count;
    a->count += f->count;
    a->order[a->functions++] = (uint16_t)(f - a->r->functions);
    return true;
}

/* A call is by a symbol (a function, imm -1; or a section, imm the place in it), or, within its
 * section, by imm alone. NULL: it has been said why. */
static struct object_function *called(struct assembly *a, const struct object_function *f,
                                      uint32_t i, const struct bpf_insn *insn)
{
    uint32_t section = f->section, number;
    int64_t start = (int64_t)f->start + i;
    struct object_function *target;
    struct object_relocation rel;

    if (relocation_of(a, f, i, &number)) {
        if (!read_relocation(a, f, number, &rel))
            return NULL;
        if (rel.symbol.section == ELF_UNDEF) {
            refuse(a, f, i, "calls a function that is not in the object:", rel.symbol.name);
            return NULL;
        }
        if (rel.type != R_BPF_64_32 || rel.symbol.section >= a->r->section_count ||
            rel.symbol.value % sizeof(*insn) != 0) {
            refuse(a, f, i, "calls by a strange relocation:", rel.symbol.name);
            return NULL;
        }
        section = rel.symbol.section;
        start = (int64_t)(rel.symbol.value / sizeof(*insn));
    }
    start += (int64_t)insn->imm + 1;
    target = start >= 0 ? object_function_at(a->r, section, (uint64_t)start) : NULL;
    if (target == NULL)
        refuse(a, f, i, "calls where no function begins", "");
    return target;
}

static bool plan(struct assembly *a, struct object_function *main)
{
    for (uint32_t i = 0; i < a->r->function_count; i++)
        a->r->functions[i].where = OBJECT_NOWHERE;
    if (!add(a, main))
        return false;
    for (uint32_t k = 0; k < a->functions; k++) { /* grows by what is called */
        struct object_function *f = &a->r->functions[a->order[k]];

        for (uint32_t i = 0; i < f->count; i++) {
            struct bpf_insn insn = insn_at(a, f, i);
            struct object_function *target;

            if (insn.code == BPF_LD_IMM64)
                i++; /* its other half is no instruction */
            if (!is_call(&insn))
                continue;
            target = called(a, f, i, &insn);
            if (target == NULL || !add(a, target))
                return false;
        }
    }
    return true;
}

/* ---------------------------------------------------------------- references */

static struct object_map *referred_map(struct assembly *a, const struct object_symbol *symbol,
                                       uint64_t offset)
{
    for (uint32_t i = 0; i < a->r->map_count; i++) {
        struct object_map *map = &a->r->maps[i];

        if (map->section == symbol->section && (map->data || map->offset == offset))
            return map;
    }
    return NULL;
}

/* The index of the map among those of the program. */
static int32_t use_map(struct assembly *a, const struct object_map *map)
{
    uint8_t index = (uint8_t)(map - a->r->maps);
    uint32_t i = 0;

    while (i < *a->map_count && a->map_of[i] != index)
        i++;
    if (i == *a->map_count) /* the object has no more maps than a program may have */
        a->map_of[(*a->map_count)++] = index;
    return (int32_t)i;
}
_Static_assert(BPF_OBJECT_MAPS_MAX <= BPF_PROG_MAPS_MAX && BPF_OBJECT_MAPS_MAX <= UINT8_MAX,
               "indexes");

static bool relocate_load(struct assembly *a, const struct object_function *f, uint32_t i,
                          uint32_t number, struct bpf_insn *insn)
{
    struct object_relocation rel;
    const struct object_map *map;
    uint32_t offset;

    if (!read_relocation(a, f, number, &rel))
        return false;
    if (rel.symbol.section == ELF_UNDEF)
        return refuse(a, f, i, "refers to the extern", rel.symbol.name);
    if (rel.type != R_BPF_64_64 || rel.symbol.section >= a->r->section_count || insn->src != 0)
        return refuse(a, f, i, "refers by a strange relocation to", rel.symbol.name);
    if (a->r->sections[rel.symbol.section].flags & ELF_EXEC)
        return refuse(a, f, i, "takes the address of a function, and no helper here takes one:",
                      rel.symbol.name);
    offset = (uint32_t)rel.symbol.value + (uint32_t)insn->imm; /* may wrap: array[i - 1] */
    map = referred_map(a, &rel.symbol, offset);
    if (map == NULL)
        return refuse(a, f, i, "refers to what is neither a map nor global data:", rel.symbol.name);
    if (map->data && offset >= map->def.value_size)
        return refuse(a, f, i, "refers to a place outside section", rel.symbol.name);
    insn[0].src = map->data ? BPF_PSEUDO_MAP_VALUE : BPF_PSEUDO_MAP_FD;
    insn[0].imm = use_map(a, map);
    insn[1].imm = map->data ? (int32_t)offset : 0;
    return true;
}

/* Instruction i of f, which stands at insn with all that follows. */
static bool resolve(struct assembly *a, const struct object_function *f, uint32_t i,
                    struct bpf_insn *insn)
{
    const struct object_function *target;
    uint32_t number;
    bool relocated = relocation_of(a, f, i, &number);

    if (is_call(insn)) {
        target = called(a, f, i, insn);
        if (target == NULL)
            return false;
        insn->imm = (int32_t)(target->where - (f->where + i) - 1);
        return true;
    }
    if (insn->code == BPF_LD_IMM64) {
        if (i + 1 >= f->count)
            return refuse(a, f, i, "lacks its second half", "");
        if (relocated)
            return relocate_load(a, f, i, number, insn);
        /* By number a program could name a map that it does not use by name. */
        if (insn->src != 0)
            return refuse(a, f, i, "refers to a map or function without a relocation", "");
        return true;
    }
    return !relocated || refuse(a, f, i, "is relocated and refers to nothing", "");
}

static bool emit(struct assembly *a, const struct object_function *f)
{
    struct bpf_insn *insns = a->prog->insns + f->where;

    memcpy(insns, a->r->sections[f->section].data + (uint64_t)f->start * sizeof(struct bpf_insn),
           f->count * sizeof(struct bpf_insn));
    for (uint32_t i = 0; i < f->count; i++) {
        if (!resolve(a, f, i, &insns[i]))
            return false;
        if (insns[i].code == BPF_LD_IMM64)
            i++;
    }
    object_btf_describe(a->r, f, &a->prog->subprogs[a->prog->subprog_count]);
    a->prog->subprogs[a->prog->subprog_count++].start = f->where;
    return true;
}

bool object_assemble(struct object_reader *r, uint32_t program, struct bpf_prog *prog,
                     uint8_t map_of[BPF_PROG_MAPS_MAX], uint32_t *map_count)
{
    struct assembly a = { .r = r, .prog = prog, .map_of = map_of, .map_count = map_count };

    *map_count = 0;
    if (!plan(&a, &r->functions[r->programs[program]]))
        return false;
    prog->insns = bpf_mem_alloc(a.count * sizeof(prog->insns[0]));
    prog->subprogs = bpf_mem_alloc(BPF_SUBPROGS_MAX * sizeof(prog->subprogs[0]));
    if (prog->insns == NULL || prog->subprogs == NULL)
        return object_refuse(r, "there is no memory for program '%s'", prog->name);
    prog->count = a.count;
    prog->gpl = r->gpl;
    for (uint32_t k = 0; k < a.functions; k++)
        if (!emit(&a, &r->functions[a.order[k]]))
            return false;
    prog->subprogs[0].global = false; /* the program itself: called by nobody */
    return true;
}
