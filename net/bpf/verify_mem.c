/*
 * Loads and stores: where a pointer may lead to with all that its offset may be, and what may be
 * done there.
 */
#include "verify.h"
#include <string.h>

static unsigned access_bytes(const struct bpf_insn *insn)
{
    switch (BPF_SIZE(insn->code)) {
    case BPF_B:
        return 1;
    case BPF_H:
        return 2;
    case BPF_W:
        return 4;
    default:
        return 8;
    }
}

/* ---- Regions ---- */

static bool out_of(struct verify_env *env, unsigned regno, int64_t off, uint32_t bytes,
                   uint32_t size)
{
    const struct verify_reg *reg = verify_reg_now(env, regno);

    if (reg->type == REG_VALUE)
        return verify_fail(env, "invalid access to map value, value_size=%u off=%lld size=%u\n",
                           size, (long long)off, bytes);
    if (verify_is_packet(reg->type))
        return verify_fail(env,
                           "invalid access to packet, off=%lld size=%u, R%u(id=%u,off=%lld,r=%u)\n",
                           (long long)off, bytes, regno, reg->id, (long long)off, size);
    return verify_fail(env, "invalid access to memory, mem_size=%u off=%lld size=%u\n", size,
                       (long long)off, bytes);
}

static bool inside(int64_t off, uint32_t bytes, uint32_t size, bool zero_ok)
{
    return off >= 0 && (bytes > 0 || zero_ok) && off + bytes <= size;
}

static bool negative(struct verify_env *env, unsigned regno)
{
    return verify_fail(
        env,
        "R%u min value is negative, either use unsigned index or do a if (index >=0) "
        "check.\n",
        regno);
}

bool verify_region(struct verify_env *env, unsigned regno, int32_t off, uint32_t bytes,
                   uint32_t size, bool zero_ok)
{
    const struct verify_reg *reg = verify_reg_now(env, regno);
    int64_t fixed = (int64_t)reg->off + off;

    if (reg->smin < 0 && (reg->smin == INT64_MIN || reg->smin + fixed < 0 ||
                          fixed + reg->smin != (int32_t)(fixed + reg->smin)))
        return negative(env, regno);
    if (!inside(fixed + reg->smin, bytes, size, zero_ok)) {
        out_of(env, regno, fixed + reg->smin, bytes, size);
        return verify_fail(env, "R%u min value is outside of the allowed memory range\n", regno);
    }
    if (reg->umax >= VERIFY_OFF_MAX)
        return verify_fail(
            env, "R%u unbounded memory access, make sure to bounds check any such access\n", regno);
    if (!inside(fixed + (int64_t)reg->umax, bytes, size, zero_ok)) {
        out_of(env, regno, fixed + (int64_t)reg->umax, bytes, size);
        return verify_fail(env, "R%u max value is outside of the allowed memory range\n", regno);
    }
    return true;
}

/* The proven range counts from the pointer's variable part on. */
bool verify_packet_region(struct verify_env *env, unsigned regno, int32_t off, uint32_t bytes,
                          bool zero_ok)
{
    const struct verify_reg *reg = verify_reg_now(env, regno);
    int64_t fixed = (int64_t)reg->off + off;

    if (reg->smin < 0)
        return negative(env, regno);
    if (!inside(fixed, bytes, (uint32_t)reg->range, zero_ok)) {
        out_of(env, regno, fixed, bytes, (uint32_t)reg->range);
        return verify_fail(env, "R%u offset is outside of the packet\n", regno);
    }
    return true;
}

bool verify_map_access(struct verify_env *env, unsigned regno, int32_t off, uint32_t bytes,
                       bool zero_ok, enum verify_access access)
{
    const struct verify_reg *reg = verify_reg_now(env, regno);
    const struct bpf_map *map = env->prog->maps[reg->map];
    bool write = access == ACCESS_WRITE;

    if (write ? (map->def.flags & BPF_F_RDONLY_PROG) != 0 || map->def.type == BPF_MAP_TYPE_DEVMAP
              : (map->def.flags & BPF_F_WRONLY_PROG) != 0)
        return verify_fail(env, "%s map forbidden, value_size=%u off=%lld size=%u\n",
                           write ? "write into" : "read from", map->def.value_size,
                           (long long)((int64_t)reg->off + off), bytes);
    return verify_region(env, regno, off, bytes, map->def.value_size, zero_ok);
}

/* A pointer as it was given, without any arithmetic done to it (or only by constants). */
bool verify_plain_pointer(struct verify_env *env, unsigned regno, bool off_ok)
{
    const struct verify_reg *reg = verify_reg_now(env, regno);
    const char *name = verify_type_text(reg);
    char text[48];

    if (reg->off < 0)
        return verify_fail(env, "negative offset %s ptr R%u off=%d disallowed\n", name, regno,
                           reg->off);
    if (!off_ok && reg->off != 0)
        return verify_fail(env, "dereference of modified %s ptr R%u off=%d disallowed\n", name,
                           regno, reg->off);
    if (!tnum_is_const(reg->var) || reg->var.value != 0)
        return verify_fail(env, "variable %s access var_off=%s disallowed\n", name,
                           verify_tnum_text(reg->var, text));
    return true;
}

/* ---- ctx ---- */

/* Which kind of value a field of struct xdp_md is; REG_NONE: not to be read like that. */
static enum verify_type ctx_field(int64_t off, unsigned bytes, bool sign)
{
    if (bytes != 4 || off < 0 || off % 4 != 0)
        return REG_NONE;
    switch (off) {
    case XDP_MD_DATA:
        return sign ? REG_NONE : REG_PACKET;
    case XDP_MD_DATA_META:
        return sign ? REG_NONE : REG_META;
    case XDP_MD_DATA_END:
        return sign ? REG_NONE : REG_PACKET_END;
    case XDP_MD_INGRESS_IFINDEX:
    case XDP_MD_RX_QUEUE_INDEX:
        return REG_SCALAR;
    default: /* egress_ifindex: of programs in a devmap */
        return REG_NONE;
    }
}

static bool ctx_load(struct verify_env *env, const struct bpf_insn *insn, struct verify_reg *dst)
{
    enum verify_type type;

    if (!verify_plain_pointer(env, insn->src, false))
        return false;
    type = ctx_field(insn->off, access_bytes(insn), BPF_MODE(insn->code) == BPF_MEMSX);
    if (type == REG_NONE)
        return verify_fail(env, "invalid bpf_context access off=%d size=%u\n", insn->off,
                           access_bytes(insn));
    verify_set_unknown(dst);
    if (type != REG_SCALAR) {
        verify_set_value(dst, 0);
        dst->type = (uint8_t)type;
    }
    return true;
}

/* ---- Loads ---- */

/* .rodata: what it says is known. */
static bool constant_load(struct verify_env *env, const struct bpf_insn *insn, unsigned bytes,
                          struct verify_reg *dst)
{
    const struct verify_reg *reg = verify_reg_now(env, insn->src);
    struct bpf_map *map = env->prog->maps[reg->map];
    const uint8_t *base;
    uint64_t value = 0;

    if (!tnum_is_const(reg->var) || !map->frozen || !(map->def.flags & BPF_F_RDONLY_PROG))
        return false;
    base = bpf_map_value_base(map);
    if (base == NULL)
        return false;
    memcpy(&value, base + reg->off + (int64_t)reg->var.value + insn->off, bytes);
    verify_set_const(dst, value);
    return true;
}

/* One instruction is rewritten in one way: so it must not read ctx on one path and else on others.
 */
static bool note_pointer(struct verify_env *env, uint32_t at, unsigned type)
{
    struct verify_insn_info *info = &env->info[at];
    bool special = type == REG_CTX || type == REG_XSK;

    if (info->pointer == REG_NONE)
        info->pointer = (uint8_t)type;
    else if (info->pointer != type &&
             (special || info->pointer == REG_CTX || info->pointer == REG_XSK))
        return verify_fail(env, "same insn cannot be used with different pointers\n");
    return true;
}

static bool bad_pointer(struct verify_env *env, unsigned regno)
{
    return verify_fail(env, "R%u invalid mem access '%s'\n", regno,
                       verify_type_text(verify_reg_now(env, regno)));
}

static bool load_from(struct verify_env *env, const struct bpf_insn *insn, unsigned bytes,
                      struct verify_reg *dst)
{
    const struct verify_reg *src = verify_reg_now(env, insn->src);

    verify_set_unknown(dst);
    switch (src->type) {
    case REG_CTX:
        return ctx_load(env, insn, dst);
    case REG_VALUE:
        if (!verify_map_access(env, insn->src, insn->off, bytes, false, ACCESS_READ))
            return false;
        (void)constant_load(env, insn, bytes, dst);
        return true;
    case REG_MEM:
        return verify_region(env, insn->src, insn->off, bytes, src->mem_bytes, false);
    case REG_PACKET:
    case REG_META:
        return verify_packet_region(env, insn->src, insn->off, bytes, false);
    case REG_XSK: /* struct bpf_xdp_sock: queue_id */
        if (src->smin < 0)
            return negative(env, insn->src);
        if ((int64_t)src->off + insn->off != 0 || bytes != 4 || !tnum_is_const(src->var) ||
            src->var.value != 0)
            return verify_fail(env, "R%u invalid %s access off=%d size=%u\n", insn->src,
                               verify_type_text(src), src->off + insn->off, bytes);
        return true;
    default:
        return bad_pointer(env, insn->src);
    }
}

bool verify_load(struct verify_env *env, const struct bpf_insn *insn)
{
    unsigned bytes = access_bytes(insn);
    struct verify_reg *src = verify_reg_now(env, insn->src);
    bool sign = BPF_MODE(insn->code) == BPF_MEMSX;
    unsigned type = src->type;
    struct verify_reg value;

    if (type == REG_NONE)
        return verify_fail(env, "R%u !read_ok\n", insn->src);
    if (insn->dst == BPF_R10)
        return verify_fail(env, "frame pointer is read only\n");
    if (type == REG_STACK) {
        if (!verify_stack_read(env, insn->src, insn->off, bytes, insn->dst))
            return false;
        value = *verify_reg_now(env, insn->dst);
    } else if (!load_from(env, insn, bytes, &value)) {
        return false;
    }
    if (value.type == REG_SCALAR && sign)
        verify_sign_extend(&value, bytes, false);
    else if (value.type == REG_SCALAR)
        verify_truncate(&value, bytes);
    *verify_reg_now(env, insn->dst) = value;
    return note_pointer(env, env->now.insn, type);
}

/* ---- Stores ---- */

static bool leaks(struct verify_env *env, int src, const char *where)
{
    if (src < 0 || verify_reg_now(env, (unsigned)src)->type == REG_SCALAR)
        return false;
    verify_say(env, "R%d leaks addr into %s\n", src, where);
    return true;
}

/* src: the register; -1: none. */
static bool store_to(struct verify_env *env, const struct bpf_insn *insn, unsigned bytes, int src,
                     const int32_t *imm)
{
    const struct verify_reg *dst = verify_reg_now(env, insn->dst);

    switch (dst->type) {
    case REG_STACK:
        return verify_stack_write(env, insn->dst, insn->off, bytes, src, imm);
    case REG_VALUE:
        return !leaks(env, src, "map") &&
               verify_map_access(env, insn->dst, insn->off, bytes, false, ACCESS_WRITE);
    case REG_MEM:
        return !leaks(env, src, "mem") &&
               verify_region(env, insn->dst, insn->off, bytes, dst->mem_bytes, false);
    case REG_PACKET:
    case REG_META:
        return !leaks(env, src, "packet") &&
               verify_packet_region(env, insn->dst, insn->off, bytes, false);
    case REG_CTX:
        if (!verify_plain_pointer(env, insn->dst, false))
            return false;
        return verify_fail(env, "invalid bpf_context access off=%d size=%u\n", insn->off, bytes);
    case REG_XSK:
        return verify_fail(env, "R%u cannot write into %s\n", insn->dst, verify_type_text(dst));
    default:
        return bad_pointer(env, insn->dst);
    }
}

static bool atomic_pointer_ok(struct verify_env *env, const struct bpf_insn *insn, unsigned bytes)
{
    const struct verify_reg *dst = verify_reg_now(env, insn->dst);
    struct tnum at;
    char text[48];

    if (dst->type == REG_CTX || dst->type == REG_XSK || verify_is_packet(dst->type))
        return verify_fail(env, "BPF_ATOMIC stores into R%u %s is not allowed\n", insn->dst,
                           verify_type_text(dst));
    at = tnum_add(dst->var, tnum_const((uint64_t)((int64_t)dst->off + insn->off)));
    if (dst->type != REG_STACK && ((at.value | at.mask) & (bytes - 1)) != 0 &&
        (dst->type == REG_VALUE || dst->type == REG_MEM))
        return verify_fail(env, "misaligned %saccess off %s+%d+%d size %u\n",
                           dst->type == REG_VALUE ? "value " : "", verify_tnum_text(dst->var, text),
                           dst->off, insn->off, bytes);
    return true;
}

static bool verify_atomic(struct verify_env *env, const struct bpf_insn *insn)
{
    unsigned bytes = access_bytes(insn);
    int load = insn->imm == BPF_CMPXCHG ? BPF_R0 : insn->imm & BPF_FETCH ? insn->src : -1;
    struct verify_reg *dst = verify_reg_now(env, insn->dst);
    struct bpf_insn as_load = *insn;
    struct verify_reg value;

    if (verify_reg_now(env, insn->src)->type == REG_NONE)
        return verify_fail(env, "R%u !read_ok\n", insn->src);
    if (dst->type == REG_NONE)
        return verify_fail(env, "R%u !read_ok\n", insn->dst);
    if (insn->imm == BPF_CMPXCHG && verify_reg_now(env, BPF_R0)->type == REG_NONE)
        return verify_fail(env, "R0 !read_ok\n");
    if (leaks(env, insn->src, "mem") || (insn->imm == BPF_CMPXCHG && leaks(env, BPF_R0, "mem")))
        return false;
    if (!atomic_pointer_ok(env, insn, bytes))
        return false;
    if (load == BPF_R10)
        return verify_fail(env, "frame pointer is read only\n");
    as_load.src = insn->dst;
    if (dst->type == REG_STACK ? !verify_stack_read(env, insn->dst, insn->off, bytes, -1)
                               : !load_from(env, &as_load, bytes, &value))
        return false;
    if (!store_to(env, insn, bytes, -1, NULL))
        return false;
    if (!note_pointer(env, env->now.insn, dst->type))
        return false;
    if (load >= 0) {
        verify_set_unknown(verify_reg_now(env, (unsigned)load));
        verify_truncate(verify_reg_now(env, (unsigned)load), bytes);
    }
    return true;
}

bool verify_store(struct verify_env *env, const struct bpf_insn *insn)
{
    bool by_reg = BPF_CLASS(insn->code) == BPF_STX;
    unsigned type;

    if (BPF_MODE(insn->code) == BPF_ATOMIC)
        return verify_atomic(env, insn);
    if (by_reg && verify_reg_now(env, insn->src)->type == REG_NONE)
        return verify_fail(env, "R%u !read_ok\n", insn->src);
    type = verify_reg_now(env, insn->dst)->type;
    if (type == REG_NONE)
        return verify_fail(env, "R%u !read_ok\n", insn->dst);
    if (!note_pointer(env, env->now.insn, type))
        return false;
    return store_to(env, insn, access_bytes(insn), by_reg ? insn->src : -1,
                    by_reg ? NULL : &insn->imm);
}
