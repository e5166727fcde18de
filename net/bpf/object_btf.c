/*
 * BTF, the types of an object: see object_parse.h. The format is that of Linux's
 * Documentation/bpf/btf.rst. Pure code.
 */
#include "object_parse.h"
#include <kernel/lib.h>
#include <string.h>

#define HEADER_BYTES 24u
#define TYPE_BYTES   12u
#define MAGIC        0xeb9fu
#define DEPTH_MAX    32u /* of types named by types, as libbpf has it */

/* Bytes that follow a type: `fixed`, and `each` for each of vlen. */
static const struct {
    uint8_t fixed, each;
} more_bytes[BTF_KINDS] = {
    [BTF_INT] = { 4, 0 },     [BTF_ARRAY] = { 12, 0 },   [BTF_STRUCT] = { 0, 12 },
    [BTF_UNION] = { 0, 12 },  [BTF_ENUM] = { 0, 8 },     [BTF_FUNC_PROTO] = { 0, 8 },
    [BTF_VAR] = { 4, 0 },     [BTF_DATASEC] = { 0, 12 }, [BTF_DECL_TAG] = { 4, 0 },
    [BTF_ENUM64] = { 0, 12 },
};

/* Bytes of the type that begins at `at`; 0: it does not fit in `room`, or is of no known kind. */
static uint64_t type_bytes(const uint8_t *at, uint64_t room)
{
    uint32_t info, kind;
    uint64_t bytes;

    if (room < TYPE_BYTES)
        return 0;
    info = object_u32(at + 4);
    kind = info >> 24 & 0x1f;
    if (kind == 0 || kind >= BTF_KINDS)
        return 0;
    bytes = TYPE_BYTES + more_bytes[kind].fixed + (uint64_t)(info & 0xffff) * more_bytes[kind].each;
    return bytes <= room ? bytes : 0;
}

static bool index_types(struct object_reader *r, uint64_t bytes)
{
    uint32_t count = 0;

    for (uint64_t at = 0, step; at < bytes; at += step, count++) {
        step = type_bytes(r->btf_types + at, bytes - at);
        if (step == 0)
            return object_refuse(r,
                                 "section .BTF: type %u is damaged, or of a kind that is not "
                                 "known here",
                                 count + 1);
        if (object_u32(r->btf_types + at) >= r->btf_strings_bytes)
            return object_refuse(r, "section .BTF: type %u has a name outside its strings",
                                 count + 1);
    }
    r->btf_offsets = bpf_mem_alloc((count + 1ull) * sizeof(r->btf_offsets[0]));
    if (r->btf_offsets == NULL)
        return object_refuse(r, "there is no memory to read it");
    for (uint64_t at = 0; r->btf_count < count;) {
        r->btf_offsets[++r->btf_count] = (uint32_t)at;
        at += type_bytes(r->btf_types + at, bytes - at);
    }
    return true;
}

bool object_btf_open(struct object_reader *r)
{
    uint32_t index = object_section_named(r, ".BTF");
    const struct object_section *s = &r->sections[index];
    uint64_t header, types, types_bytes, strings, strings_bytes, room;

    if (index == 0)
        return true;
    if (s->data == NULL || (s->flags & ELF_COMPRESSED) || s->bytes < HEADER_BYTES ||
        object_u16(s->data) != MAGIC || s->data[2] != 1)
        return object_refuse(r, "section .BTF: it does not begin as BTF does");
    header = object_u32(s->data + 4);
    types = object_u32(s->data + 8);
    types_bytes = object_u32(s->data + 12);
    strings = object_u32(s->data + 16);
    strings_bytes = object_u32(s->data + 20);
    if (header < HEADER_BYTES || header > s->bytes)
        return object_refuse(r, "section .BTF: its header is damaged");
    room = s->bytes - header;
    if (types > room || types_bytes > room - types || strings > room ||
        strings_bytes > room - strings)
        return object_refuse(r, "section .BTF: it is cut off");
    r->btf_types = s->data + header + types;
    r->btf_strings = (const char *)s->data + header + strings;
    r->btf_strings_bytes = (uint32_t)strings_bytes;
    if (strings_bytes == 0 || r->btf_strings[strings_bytes - 1] != '\0')
        return object_refuse(r, "section .BTF: its strings are damaged");
    return index_types(r, types_bytes);
}

const char *object_btf_string(const struct object_reader *r, uint32_t offset)
{
    return offset < r->btf_strings_bytes ? r->btf_strings + offset : NULL;
}

bool object_btf_type(const struct object_reader *r, uint32_t id, struct object_type *out)
{
    const uint8_t *at;
    uint32_t info;

    if (id == 0 || id > r->btf_count)
        return false;
    at = r->btf_types + r->btf_offsets[id];
    info = object_u32(at + 4);
    *out = (struct object_type){
        .name = r->btf_strings + object_u32(at),
        .kind = info >> 24 & 0x1f,
        .vlen = info & 0xffff,
        .size_or_type = object_u32(at + 8),
        .more = at + TYPE_BYTES,
    };
    return true;
}

static bool is_other_name(uint32_t kind)
{
    return kind == BTF_TYPEDEF || kind == BTF_VOLATILE || kind == BTF_CONST ||
           kind == BTF_RESTRICT || kind == BTF_TYPE_TAG;
}

bool object_btf_resolve(const struct object_reader *r, uint32_t id, struct object_type *out)
{
    for (unsigned depth = 0; depth < DEPTH_MAX; depth++) {
        if (!object_btf_type(r, id, out))
            return false;
        if (!is_other_name(out->kind))
            return true;
        id = out->size_or_type;
    }
    return false;
}

bool object_btf_bytes(const struct object_reader *r, uint32_t id, uint32_t *bytes)
{
    uint64_t elements = 1;
    struct object_type t;

    for (unsigned depth = 0; depth < DEPTH_MAX && object_btf_resolve(r, id, &t); depth++) {
        uint64_t size = t.size_or_type;

        switch (t.kind) {
        case BTF_ARRAY:
            elements *= object_u32(t.more + 8);
            if (elements > UINT32_MAX)
                return false;
            id = object_u32(t.more);
            continue;
        case BTF_PTR:
            size = sizeof(uint64_t);
            break;
        case BTF_INT:
        case BTF_STRUCT:
        case BTF_UNION:
        case BTF_ENUM:
        case BTF_ENUM64:
        case BTF_FLOAT:
            break;
        default:
            return false;
        }
        if (size * elements > UINT32_MAX) /* both have 32 bits */
            return false;
        *bytes = (uint32_t)(size * elements);
        return true;
    }
    return false;
}

/* ---------------------------------------------------------------- functions */

/* Is argument `i` of function `func` marked by __attribute__((btf_decl_tag(tag)))? */
static bool is_tagged(const struct object_reader *r, uint32_t func, uint32_t i, const char *tag)
{
    struct object_type t;

    for (uint32_t id = 1; id <= r->btf_count; id++)
        if (object_btf_type(r, id, &t) && t.kind == BTF_DECL_TAG && t.size_or_type == func &&
            object_u32(t.more) == i && object_name_equal(t.name, tag))
            return true;
    return false;
}

/* Linux verifies a global function for all that its prototype lets a caller pass
 * (btf_prepare_func_args()). */
static struct bpf_subprog_arg describe_arg(const struct object_reader *r, uint32_t func, uint32_t i,
                                           uint32_t type)
{
    struct bpf_subprog_arg arg = { .kind = BPF_SUBPROG_OTHER };
    struct object_type t, to;

    if (!object_btf_resolve(r, type, &t))
        return arg;
    if (t.kind == BTF_INT || t.kind == BTF_ENUM || t.kind == BTF_ENUM64) {
        arg.kind = BPF_SUBPROG_SCALAR;
        return arg;
    }
    if (t.kind != BTF_PTR)
        return arg;
    if (is_tagged(r, func, i, "arg:ctx") ||
        (object_btf_resolve(r, t.size_or_type, &to) && to.kind == BTF_STRUCT &&
         object_name_equal(to.name, "xdp_md"))) {
        arg.kind = BPF_SUBPROG_CTX;
        return arg;
    }
    if (object_btf_bytes(r, t.size_or_type, &arg.bytes))
        arg.kind = is_tagged(r, func, i, "arg:nonnull") ? BPF_SUBPROG_MEM : BPF_SUBPROG_MEM_OR_NULL;
    return arg;
}

void object_btf_describe(const struct object_reader *r, const struct object_function *f,
                         struct bpf_subprog *out)
{
    struct object_type func, proto, result;

    memcpy(out->name, f->name, strnlen(f->name, sizeof(out->name) - 1)); /* the rest is zero */
    if (!object_btf_type(r, f->btf, &func) || func.kind != BTF_FUNC ||
        !object_btf_type(r, func.size_or_type, &proto) || proto.kind != BTF_FUNC_PROTO)
        return;
    out->global = func.vlen == BTF_GLOBAL && !f->local && !f->hidden;
    out->arg_count = (uint8_t)MIN(proto.vlen, UINT8_MAX);
    for (uint32_t i = 0; i < proto.vlen && i < ARRAY_SIZE(out->args); i++)
        out->args[i] = describe_arg(r, f->btf, i, object_u32(proto.more + i * 8ull + 4));
    out->scalar_result =
        object_btf_resolve(r, proto.size_or_type, &result) &&
        (result.kind == BTF_INT || result.kind == BTF_ENUM || result.kind == BTF_ENUM64);
}
