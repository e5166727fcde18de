/*
 * What the files of the loader (object.h) share: an object while it is read. All that the file says
 * is checked when it is first looked at; numbers from it are added as 64-bit ones, so that no sum
 * wraps, and compared by subtraction.
 *
 *   object_elf.c    sections, symbols, strings
 *   object_btf.c    types
 *   object_maps.c   the maps that it defines, by the older `maps` section, by global data
 *   object_maps_btf.c  and by variables in .maps, whose types say it
 *   object_core.c   relocations that would adapt it to a kernel's types
 *   object_func.c   its functions, and which of them are programs
 *   object_reloc.c  one program with the functions that it calls
 *   object_load.c   the order of it all; what becomes of it
 */
#ifndef NET_BPF_OBJECT_PARSE_H
#define NET_BPF_OBJECT_PARSE_H

#include "object.h"

#define OBJECT_SECTIONS_MAX  256u
#define OBJECT_FUNCTIONS_MAX 512u
#define OBJECT_VALUES_MAX    256u /* first entries of prog_arrays */
#define OBJECT_NAME_MAX      128u /* of a function or map in the file; names are compared up to it */

/* ELF (System V gABI), as far as it is looked at */
enum {
    ELF_SYMTAB = 2,
    ELF_STRTAB = 3,
    ELF_RELA = 4,
    ELF_NOBITS = 8,
    ELF_REL = 9,
};
enum { ELF_ALLOC = 2, ELF_EXEC = 4, ELF_COMPRESSED = 0x800 };
enum { ELF_OBJECT = 1, ELF_FUNC = 2, ELF_SECTION = 3 };
enum { ELF_UNDEF = 0, ELF_RESERVED = 0xff00 };
/* RFC 9669 knows none of it: Documentation/bpf/llvm_reloc.rst of Linux */
enum { R_BPF_64_64 = 1, R_BPF_64_ABS64 = 2, R_BPF_64_32 = 10 };

struct object_section {
    const char *name;
    const uint8_t *data; /* NULL: NOBITS */
    uint64_t bytes, flags;
    uint32_t type, link, info;
    uint32_t entry_bytes;
    const uint8_t *rel; /* of code: its relocations, or NULL */
    uint32_t *rel_of;   /* and for each instruction the number of its own, from 1; 0: none */
};

struct object_symbol {
    const char *name; /* of a section: the section's */
    uint64_t value, bytes;
    uint16_t section; /* a section that there is; ELF_UNDEF; or from ELF_RESERVED on */
    uint8_t type;
    bool local, hidden;
};

struct object_relocation {
    uint64_t offset;
    uint32_t type;
    struct object_symbol symbol;
};

struct object_type { /* of BTF */
    const char *name;
    uint32_t kind, vlen;
    uint32_t size_or_type;
    const uint8_t *more; /* what follows it: of a length that fits its kind */
};

/* BTF's kinds (Documentation/bpf/btf.rst of Linux) */
enum {
    BTF_INT = 1,
    BTF_PTR,
    BTF_ARRAY,
    BTF_STRUCT,
    BTF_UNION,
    BTF_ENUM,
    BTF_FWD,
    BTF_TYPEDEF,
    BTF_VOLATILE,
    BTF_CONST,
    BTF_RESTRICT,
    BTF_FUNC,
    BTF_FUNC_PROTO,
    BTF_VAR,
    BTF_DATASEC,
    BTF_FLOAT,
    BTF_DECL_TAG,
    BTF_TYPE_TAG,
    BTF_ENUM64,
    BTF_KINDS,
};
enum { BTF_STATIC, BTF_GLOBAL }; /* linkage */

struct object_function {
    const char *name;
    uint32_t start, count; /* instructions of its section */
    uint32_t where;        /* in the program that is being put together; OBJECT_NOWHERE */
    uint32_t btf;          /* the id of its BTF_FUNC; 0: none */
    uint16_t section;
    bool local, hidden;
};
#define OBJECT_NOWHERE UINT32_MAX

struct object_map {
    char name[BPF_MAP_NAME_MAX];
    struct bpf_map_def def;
    uint64_t offset;        /* in its section */
    uint64_t values_offset; /* in the map's variable: where first entries begin; 0: none do */
    const uint8_t *content; /* of global data; NULL: zeros */
    uint16_t section;
    bool data;    /* global data: .rodata, .data, .bss */
    bool by_name; /* LIBBPF_PIN_BY_NAME */
    struct bpf_map *map;
};

struct object_value { /* a first entry of a prog_array */
    uint32_t map, index, program;
};

struct object_reader {
    const char *name; /* of the object, for messages and data maps */
    struct bpf_log *log;
    const uint8_t *file;
    uint64_t bytes;

    struct object_section sections[OBJECT_SECTIONS_MAX];
    uint32_t section_count;
    const uint8_t *symbols;
    uint32_t symbol_count;
    uint32_t strings; /* the section of the symbols' names */

    const uint8_t *btf_types; /* NULL: there is no BTF */
    const char *btf_strings;
    uint32_t btf_strings_bytes;
    uint32_t btf_count;    /* ids are 1 to this */
    uint32_t *btf_offsets; /* of each id in btf_types; [0] is not used */

    struct object_function functions[OBJECT_FUNCTIONS_MAX];
    uint32_t function_count;
    uint16_t programs[BPF_OBJECT_PROGS_MAX]; /* indexes of functions */
    uint32_t program_count;
    struct object_map maps[BPF_OBJECT_MAPS_MAX];
    uint32_t map_count;
    struct object_value values[OBJECT_VALUES_MAX];
    uint32_t value_count;
    bool gpl;
};

/* All of these: main context. Those that return false have said why in the log, by one line. */

/* Say why the object is refused: "name: ...\n", printable whatever the file has in it. Returns
 * false. */
bool object_refuse(struct object_reader *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- ELF ---- */
bool object_elf_open(struct object_reader *r); /* `file`, `bytes` are set */
struct object_symbol object_symbol(const struct object_reader *r, uint32_t i);
/* The relocations of `section` (ELF_REL): how many, and one. */
uint32_t object_relocation_count(const struct object_section *section);
bool object_relocation(struct object_reader *r, const struct object_section *section, uint32_t i,
                       struct object_relocation *out);
/* Index of the section; 0: there is none of that name. */
uint32_t object_section_named(const struct object_reader *r, const char *name);
/* Are two names the same; and may it be the name of something here: letters, digits, "_.$" */
bool object_name_equal(const char *a, const char *b);
bool object_name_valid(const char *name);
static inline bool object_starts_with(const char *text, const char *start)
{
    while (*start != '\0')
        if (*text++ != *start++)
            return false;
    return true;
}
uint16_t object_u16(const uint8_t *at);
uint32_t object_u32(const uint8_t *at);
uint64_t object_u64(const uint8_t *at);

/* ---- BTF ---- */
bool object_btf_open(struct object_reader *r); /* true where there is none, too */
/* False (silent): there is no such type; 0 is void. */
bool object_btf_type(const struct object_reader *r, uint32_t id, struct object_type *out);
/* The type behind typedefs and qualifiers; false likewise. */
bool object_btf_resolve(const struct object_reader *r, uint32_t id, struct object_type *out);
/* Bytes of a value of it; false: it has no size (or more than 32 bits of it). */
bool object_btf_bytes(const struct object_reader *r, uint32_t id, uint32_t *bytes);
/* A name of BTF's strings; NULL: outside. */
const char *object_btf_string(const struct object_reader *r, uint32_t offset);
/* What the verifier is to know of a function. */
void object_btf_describe(const struct object_reader *r, const struct object_function *f,
                         struct bpf_subprog *out);

/* ---- what it has in it ---- */
bool object_core_check(struct object_reader *r);
bool object_functions_find(struct object_reader *r);
bool object_maps_find(struct object_reader *r);
bool object_maps_find_btf(struct object_reader *r); /* its part for .maps */
struct object_map *object_map_add(struct object_reader *r, uint32_t section, const char *name);
bool object_map_refuse(struct object_reader *r, const struct object_map *map, const char *why);
/* What libbpf makes of a definition before the kernel sees it; is there such a type? */
bool object_map_finish(struct object_reader *r, struct object_map *map);
bool object_values_find(struct object_reader *r); /* behind functions and maps */
/* The function that begins there; NULL: none does. */
struct object_function *object_function_at(struct object_reader *r, uint32_t section,
                                           uint64_t start);

/* ---- one program ---- */
/* Put it together: instructions, functions and, in map_of[0 to *map_count), the maps that it uses,
 * as indexes of r->maps; prog->maps is left to the caller. */
bool object_assemble(struct object_reader *r, uint32_t program, struct bpf_prog *prog,
                     uint8_t map_of[BPF_PROG_MAPS_MAX], uint32_t *map_count);

#endif
