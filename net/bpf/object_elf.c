/* ELF64 files of BPF: see object_parse.h. Structures are those of the System V gABI. Pure code. */
#include "object_parse.h"
#include <kernel/fmt.h>
#include <kernel/lib.h>
#include <string.h>

#define EHDR_BYTES   64u
#define SHDR_BYTES   64u
#define SYMBOL_BYTES 24u
#define REL_BYTES    16u
#define ET_REL       1u
#define EM_BPF       247u
#define STB_LOCAL    0u
#define STV_INTERNAL 1u
#define STV_HIDDEN   2u
#define LINE_BYTES   256u
#define SHN_XINDEX   0xffffu

/* Copied out: the file may stand at any address. */
uint16_t object_u16(const uint8_t *at)
{
    uint16_t v;

    memcpy(&v, at, sizeof(v));
    return v;
}

uint32_t object_u32(const uint8_t *at)
{
    uint32_t v;

    memcpy(&v, at, sizeof(v));
    return v;
}

uint64_t object_u64(const uint8_t *at)
{
    uint64_t v;

    memcpy(&v, at, sizeof(v));
    return v;
}

bool object_refuse(struct object_reader *r, const char *fmt, ...)
{
    char line[LINE_BYTES];
    va_list ap;
    int used;

    used = fmt_snprintf(line, sizeof(line), "%.64s: ", r->name);
    va_start(ap, fmt);
    fmt_vsnprintf(line + used, sizeof(line) - (size_t)used, fmt, ap);
    va_end(ap);
    for (char *p = line; *p != '\0'; p++) /* names come from the file: a console shows this */
        if (*p < ' ' || *p > '~')
            *p = '?';
    bpf_log_printf(r->log, "%s\n", line);
    return false;
}

bool object_name_equal(const char *a, const char *b)
{
    return strncmp(a, b, OBJECT_NAME_MAX) == 0;
}

bool object_name_valid(const char *name)
{
    size_t len = strnlen(name, OBJECT_NAME_MAX);

    for (size_t i = 0; i < len; i++) {
        char c = name[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '.' || c == '$'))
            return false;
    }
    return len > 0 && len < OBJECT_NAME_MAX;
}

uint32_t object_section_named(const struct object_reader *r, const char *name)
{
    for (uint32_t i = 1; i < r->section_count; i++)
        if (strcmp(r->sections[i].name, name) == 0)
            return i;
    return 0;
}

/* ---------------------------------------------------------------- the file's header */

static bool check_header(struct object_reader *r)
{
    const uint8_t *eh = r->file;

    if (r->bytes < EHDR_BYTES || memcmp(eh, "\177ELF", 4) != 0)
        return object_refuse(r, "it is not an ELF file");
    if (r->bytes > BPF_OBJECT_BYTES_MAX)
        return object_refuse(r, "it has %llu bytes; %u are the most", (unsigned long long)r->bytes,
                             BPF_OBJECT_BYTES_MAX);
    if (eh[4] != 2 || eh[5] != 1 || eh[6] != 1)
        return object_refuse(r, "it is not a little-endian ELF64 file (clang -target bpfel)");
    if (object_u16(eh + 16) != ET_REL || object_u16(eh + 18) != EM_BPF)
        return object_refuse(r, "it is not an object file for BPF (clang -target bpf -c)");
    return true;
}

/* A string table ends in a zero, so that every name that begins in it ends in it. */
static bool is_string_table(const struct object_section *s)
{
    return s->type == ELF_STRTAB && s->bytes > 0 && s->data[s->bytes - 1] == '\0';
}

static bool read_section(struct object_reader *r, uint32_t i, const uint8_t *sh)
{
    struct object_section *s = &r->sections[i];
    uint64_t offset = object_u64(sh + 24), entry_bytes = object_u64(sh + 56);

    *s = (struct object_section){
        .name = "",
        .type = object_u32(sh + 4),
        .flags = object_u64(sh + 8),
        .bytes = object_u64(sh + 32),
        .link = object_u32(sh + 40),
        .info = object_u32(sh + 44),
        .entry_bytes = entry_bytes > UINT32_MAX ? 0 : (uint32_t)entry_bytes,
    };
    if (s->type == 0) /* without meaning */
        s->bytes = 0;
    if (s->type == ELF_NOBITS || s->type == 0)
        return true;
    if (offset > r->bytes || s->bytes > r->bytes - offset)
        return object_refuse(r, "section %u lies outside the file: it is cut off or damaged", i);
    s->data = r->file + offset;
    return true;
}

static bool read_sections(struct object_reader *r)
{
    uint64_t offset = object_u64(r->file + 40);
    uint32_t count = object_u16(r->file + 60), names = object_u16(r->file + 62);
    const struct object_section *strings;

    if (object_u16(r->file + 58) != SHDR_BYTES || count == 0)
        return object_refuse(r, "it has no section headers, or strange ones");
    if (count > OBJECT_SECTIONS_MAX)
        return object_refuse(r, "it has %u sections; %u are the most", count, OBJECT_SECTIONS_MAX);
    if (offset > r->bytes || (uint64_t)count * SHDR_BYTES > r->bytes - offset)
        return object_refuse(r, "its section headers lie outside the file: it is cut off");
    r->section_count = count;
    for (uint32_t i = 0; i < count; i++)
        if (!read_section(r, i, r->file + offset + (uint64_t)i * SHDR_BYTES))
            return false;
    strings = &r->sections[names < count ? names : 0];
    if (!is_string_table(strings))
        return object_refuse(r, "its table of section names is damaged");
    for (uint32_t i = 1; i < count; i++) {
        uint32_t name = object_u32(r->file + offset + (uint64_t)i * SHDR_BYTES);

        if (name >= strings->bytes)
            return object_refuse(r, "section %u has a name outside the table of names", i);
        r->sections[i].name = (const char *)strings->data + name;
    }
    return true;
}

/* ---------------------------------------------------------------- symbols */

struct object_symbol object_symbol(const struct object_reader *r, uint32_t i)
{
    const uint8_t *at = r->symbols + (uint64_t)i * SYMBOL_BYTES;
    uint8_t visibility = at[5] & 3;
    struct object_symbol symbol = {
        .name = (const char *)r->sections[r->strings].data + object_u32(at),
        .type = at[4] & 0xf,
        .local = at[4] >> 4 == STB_LOCAL,
        .hidden = visibility == STV_INTERNAL || visibility == STV_HIDDEN,
        .section = object_u16(at + 6),
        .value = object_u64(at + 8),
        .bytes = object_u64(at + 16),
    };

    if (symbol.type == ELF_SECTION && symbol.section < r->section_count)
        symbol.name = r->sections[symbol.section].name;
    return symbol;
}

static bool check_symbol(struct object_reader *r, uint32_t i)
{
    const uint8_t *at = r->symbols + (uint64_t)i * SYMBOL_BYTES;
    uint16_t section = object_u16(at + 6);

    if (object_u32(at) >= r->sections[r->strings].bytes)
        return object_refuse(r, "symbol %u has a name outside the table of names", i);
    if ((section >= r->section_count && section < ELF_RESERVED) || section == SHN_XINDEX)
        return object_refuse(r, "symbol %u is in section %u, which there is not", i, section);
    return true;
}

static bool read_symbols(struct object_reader *r)
{
    const struct object_section *table = NULL;

    for (uint32_t i = 1; i < r->section_count; i++) {
        if (r->sections[i].type != ELF_SYMTAB)
            continue;
        if (table != NULL)
            return object_refuse(r, "it has two tables of symbols");
        table = &r->sections[i];
    }
    if (table == NULL)
        return object_refuse(r, "it has no table of symbols (stripped?)");
    if (table->entry_bytes != SYMBOL_BYTES || table->bytes % SYMBOL_BYTES != 0 ||
        table->link >= r->section_count || !is_string_table(&r->sections[table->link]))
        return object_refuse(r, "its table of symbols is damaged");
    r->symbols = table->data;
    r->symbol_count = (uint32_t)(table->bytes / SYMBOL_BYTES);
    r->strings = table->link;
    for (uint32_t i = 0; i < r->symbol_count; i++)
        if (!check_symbol(r, i))
            return false;
    return true;
}

/* ---------------------------------------------------------------- relocations */

uint32_t object_relocation_count(const struct object_section *section)
{
    return (uint32_t)(section->bytes / REL_BYTES);
}

bool object_relocation(struct object_reader *r, const struct object_section *section, uint32_t i,
                       struct object_relocation *out)
{
    const uint8_t *at = section->data + (uint64_t)i * REL_BYTES;
    uint64_t info = object_u64(at + 8);

    if (info >> 32 >= r->symbol_count)
        return object_refuse(r, "section %s: relocation %u is by a symbol that there is not",
                             section->name, i);
    out->offset = object_u64(at);
    out->type = (uint32_t)info;
    out->symbol = object_symbol(r, (uint32_t)(info >> 32));
    return true;
}

/* So that the relocation of an instruction is found at once, and is one. */
static bool index_code(struct object_reader *r, struct object_section *code,
                       const struct object_section *rel)
{
    uint64_t insns = code->bytes / sizeof(struct bpf_insn);

    if (code->rel_of != NULL)
        return object_refuse(r, "section %s is relocated twice", code->name);
    code->rel_of = bpf_mem_alloc(insns * sizeof(code->rel_of[0]));
    if (code->rel_of == NULL)
        return object_refuse(r, "there is no memory to read it");
    code->rel = rel->data;
    for (uint32_t i = 0; i < object_relocation_count(rel); i++) {
        uint64_t offset = object_u64(rel->data + (uint64_t)i * REL_BYTES);
        uint64_t at = offset / sizeof(struct bpf_insn);

        if (offset % sizeof(struct bpf_insn) != 0 || at >= insns)
            return object_refuse(r, "section %s: relocation %u is of no instruction in %s",
                                 rel->name, i, code->name);
        if (code->rel_of[at] != 0)
            return object_refuse(r, "section %s: instruction %u is relocated twice", code->name,
                                 (uint32_t)at);
        code->rel_of[at] = i + 1;
    }
    return true;
}

static bool read_relocations(struct object_reader *r)
{
    for (uint32_t i = 1; i < r->section_count; i++) {
        const struct object_section *rel = &r->sections[i];
        struct object_section *target;

        if (rel->type != ELF_REL && rel->type != ELF_RELA)
            continue;
        if (rel->info >= r->section_count)
            return object_refuse(r, "section %s relocates one that there is not", rel->name);
        target = &r->sections[rel->info];
        if (!(target->flags & ELF_EXEC) && strcmp(target->name, ".maps") != 0)
            continue; /* debugging's; and of data, which libbpf leaves alone too */
        if (rel->type == ELF_RELA || rel->entry_bytes != REL_BYTES || rel->bytes % REL_BYTES != 0)
            return object_refuse(r, "section %s: its relocations are of another kind than BPF's",
                                 rel->name);
        if ((target->flags & ELF_EXEC) && !index_code(r, target, rel))
            return false;
    }
    return true;
}

static bool check_code(struct object_reader *r)
{
    for (uint32_t i = 1; i < r->section_count; i++) {
        const struct object_section *s = &r->sections[i];

        if ((s->flags & ELF_EXEC) && (s->type == ELF_NOBITS || (s->flags & ELF_COMPRESSED) ||
                                      s->bytes % sizeof(struct bpf_insn) != 0))
            return object_refuse(r, "section %s: it is marked as code and is none", s->name);
    }
    return true;
}

bool object_elf_open(struct object_reader *r)
{
    return check_header(r) && read_sections(r) && read_symbols(r) && check_code(r) &&
           read_relocations(r);
}
