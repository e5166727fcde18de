/*
 * CO-RE: relocations that adapt an object to the types of the kernel that it meets. There are no
 * such types here; but the compiler has filled in the places for the types that it saw, and of what
 * goes over the wire (and of struct xdp_md) there is only one layout. So those may stay as they
 * are, and all others are refused. The format is that of libbpf's struct bpf_core_relo. Pure code.
 */
#include "object_parse.h"
#include <kernel/lib.h>
#include <string.h>

#define HEADER_BYTES 32u /* with the two fields of relocations */
#define MAGIC        0xeb9fu
#define RECORD_BYTES 16u
#define GROUP_BYTES  8u

enum { FIELD_KINDS_END = 6 /* offset, size, exists, signed, two shifts */, TYPE_ID_LOCAL = 6 };

/* Of these sizes they are what they are on every machine. */
static const struct {
    const char *name;
    uint32_t bytes;
} fixed[] = {
    { "xdp_md", 24 },  { "ethhdr", 14 },   { "vlan_hdr", 4 }, { "vlan_ethhdr", 18 },
    { "arphdr", 8 },   { "iphdr", 20 },    { "ipv6hdr", 40 }, { "ipv6_opt_hdr", 2 },
    { "frag_hdr", 8 }, { "in6_addr", 16 }, { "tcphdr", 20 },  { "udphdr", 8 },
    { "icmphdr", 8 },  { "icmp6hdr", 8 },  { "sctphdr", 12 }, { "bpf_fib_lookup", 64 },
};

static bool needs_none(const struct object_reader *r, uint32_t type, uint32_t kind)
{
    struct object_type t;

    if (kind == TYPE_ID_LOCAL)
        return true;
    if (kind >= FIELD_KINDS_END || !object_btf_resolve(r, type, &t) || t.kind != BTF_STRUCT)
        return false;
    for (unsigned i = 0; i < ARRAY_SIZE(fixed); i++)
        if (object_name_equal(t.name, fixed[i].name) && t.size_or_type == fixed[i].bytes)
            return true;
    return false;
}

static bool check_record(struct object_reader *r, const uint8_t *at, const char *section)
{
    uint32_t type = object_u32(at + 4);
    struct object_type t = { .name = "" };

    if (needs_none(r, type, object_u32(at + 12)))
        return true;
    object_btf_resolve(r, type, &t);
    return object_refuse(r,
                         "section %.64s: instruction %u is to be adapted to the kernel's type "
                         "'%.64s' (CO-RE), and there are no kernel types here",
                         section, object_u32(at) / 8, t.name);
}

static bool damaged(struct object_reader *r)
{
    return object_refuse(r, "section .BTF.ext: it is damaged or cut off");
}

/* A size of records, then groups: the section's name, how many, the records. */
static bool check_groups(struct object_reader *r, const uint8_t *at, uint64_t bytes)
{
    uint64_t record, used = 4;

    if (bytes < 4)
        return damaged(r);
    record = object_u32(at);
    if (record < RECORD_BYTES)
        return damaged(r);
    while (used < bytes) {
        const char *section;
        uint64_t count;

        if (bytes - used < GROUP_BYTES)
            return damaged(r);
        section = object_btf_string(r, object_u32(at + used));
        count = object_u32(at + used + 4);
        used += GROUP_BYTES;
        if (section == NULL || count * record > bytes - used)
            return damaged(r);
        for (; count > 0; count--, used += record)
            if (!check_record(r, at + used, section))
                return false;
    }
    return true;
}

bool object_core_check(struct object_reader *r)
{
    uint32_t index = object_section_named(r, ".BTF.ext");
    const struct object_section *s = &r->sections[index];
    uint64_t header, offset, bytes, room;

    if (index == 0)
        return true;
    if (s->data == NULL || s->bytes < 8 || object_u16(s->data) != MAGIC || s->data[2] != 1)
        return damaged(r);
    header = object_u32(s->data + 4);
    if (header > s->bytes)
        return damaged(r);
    if (header < HEADER_BYTES) /* made before there were any */
        return true;
    offset = object_u32(s->data + 24);
    bytes = object_u32(s->data + 28);
    room = s->bytes - header;
    if (offset > room || bytes > room - offset)
        return damaged(r);
    return bytes == 0 || check_groups(r, s->data + header + offset, bytes);
}
