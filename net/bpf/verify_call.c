/*
 * Calls of helpers: is it there, may this program call it, is each argument what it takes, and what
 * is known afterwards.
 */
#include "verify.h"

struct call {
    const struct bpf_helper *helper;
    uint32_t id;
    const struct bpf_map *map; /* the map argument */
    uint8_t map_index;
    uint32_t alloc_bytes; /* ringbuf_reserve */
    uint32_t release;     /* the reference that is given back */
};

static bool unexpected(struct verify_env *env, unsigned regno, const char *expected)
{
    return verify_fail(env, "R%u type=%s expected=%s\n", regno,
                       verify_type_text(verify_reg_now(env, regno)), expected);
}

#define MEM_TYPES "fp, pkt, pkt_meta, map_value, ringbuf_mem"

static bool is_memory(unsigned type)
{
    return type == REG_STACK || type == REG_PACKET || type == REG_META || type == REG_VALUE ||
           type == REG_MEM;
}

static bool is_null(const struct verify_reg *reg)
{
    return verify_is_const(reg) && reg->var.value == 0;
}

bool verify_helper_memory(struct verify_env *env, unsigned regno, uint32_t bytes, bool zero_ok,
                          enum verify_access access, bool raw)
{
    const struct verify_reg *reg = verify_reg_now(env, regno);

    switch (reg->type) {
    case REG_STACK:
        return verify_stack_helper(env, regno, bytes, zero_ok, access, raw);
    case REG_PACKET:
    case REG_META:
        return verify_packet_region(env, regno, 0, bytes, zero_ok);
    case REG_VALUE:
        return verify_map_access(env, regno, 0, bytes, zero_ok, access);
    case REG_MEM:
        return verify_region(env, regno, 0, bytes, reg->mem_bytes, zero_ok);
    default:
        if (zero_ok && bytes == 0 && is_null(reg))
            return true;
        return unexpected(env, regno, "fp");
    }
}

/* ---- Arguments ---- */

static bool memory_type_ok(struct verify_env *env, const struct call *call, unsigned regno)
{
    unsigned type = verify_reg_now(env, regno)->type;

    if (!is_memory(type))
        return unexpected(env, regno, MEM_TYPES);
    if (verify_is_packet(type) && !call->helper->packet_args)
        return verify_fail(env, "helper access to the packet is not allowed\n");
    return true;
}

static bool map_arg(struct verify_env *env, struct call *call, unsigned regno)
{
    const struct verify_reg *reg = verify_reg_now(env, regno);
    const struct bpf_map *map;
    uint32_t id = call->id;

    if (reg->type != REG_MAP)
        return unexpected(env, regno, "map_ptr");
    map = env->prog->maps[reg->map];
    call->map = map;
    call->map_index = reg->map;
    if (id == BPF_FUNC_tail_call && map->def.type != BPF_MAP_TYPE_PROG_ARRAY)
        return verify_fail(env, "expected prog array map for tail call\n");
    if (map->def.type >= 32 || !(call->helper->maps >> map->def.type & 1))
        return verify_fail(env, "cannot pass map_type %u into func bpf_%s#%u\n", map->def.type,
                           call->helper->name, id);
    if ((map->def.flags & BPF_F_RDONLY_PROG) &&
        (id == BPF_FUNC_map_update_elem || id == BPF_FUNC_map_delete_elem))
        return verify_fail(env, "write into map forbidden\n");
    return true;
}

/* The size of the memory in the argument before */
static bool size_arg(struct verify_env *env, const struct call *call, unsigned regno, bool zero_ok,
                     unsigned mem_kind)
{
    const struct verify_reg *reg = verify_reg_now(env, regno);
    bool raw = mem_kind == BPF_ARG_UNINIT_MEM && tnum_is_const(reg->var);
    bool written = mem_kind == BPF_ARG_UNINIT_MEM || mem_kind == BPF_ARG_MEM_RDWR_FIXED;
    bool ok;

    if (reg->type != REG_SCALAR)
        return unexpected(env, regno, "scalar");
    if (reg->smin < 0)
        return verify_fail(
            env, "R%u min value is negative, either use unsigned or 'var &= const'\n", regno);
    if (reg->umin == 0 && !zero_ok)
        return verify_fail(env, "R%u invalid zero-sized read: u64=[%llu,%llu]\n", regno,
                           (unsigned long long)reg->umin, (unsigned long long)reg->umax);
    if (reg->umax >= VERIFY_OFF_MAX)
        return verify_fail(
            env, "R%u unbounded memory access, use 'var &= const' or 'if (var < const)'\n", regno);
    if (mem_kind == BPF_ARG_MEM_RDWR_FIXED && reg->umin < call->helper->fixed_bytes)
        return verify_fail(env, "R%u invalid size %llu: bpf_%s takes at least %u bytes\n", regno,
                           (unsigned long long)reg->umin, call->helper->name,
                           call->helper->fixed_bytes);
    verify_mark_precise(env, regno);
    /* As trace_printk's arguments: what both print is read with care (bpf_readable()). */
    env->prints_pointers = call->id == BPF_FUNC_trace_vprintk;
    ok = verify_helper_memory(env, regno - 1, (uint32_t)reg->umax, zero_ok,
                              written ? ACCESS_WRITE : ACCESS_READ, raw);
    env->prints_pointers = false;
    return ok;
}

static bool alloc_size_arg(struct verify_env *env, struct call *call, unsigned regno)
{
    const struct verify_reg *reg = verify_reg_now(env, regno);

    if (reg->type != REG_SCALAR)
        return unexpected(env, regno, "scalar");
    if (!tnum_is_const(reg->var))
        return verify_fail(env, "R%u is not a known constant'\n", regno);
    if (reg->umax >= VERIFY_OFF_MAX)
        return verify_fail(env, "R%u is too large a size\n", regno);
    verify_mark_precise(env, regno);
    call->alloc_bytes = (uint32_t)reg->umax;
    return true;
}

static bool release_arg(struct verify_env *env, struct call *call, unsigned regno)
{
    const struct verify_reg *reg = verify_reg_now(env, regno);

    if (reg->type != REG_MEM)
        return unexpected(env, regno, "ringbuf_mem");
    if (reg->ref == 0)
        return verify_fail(env, "R%u must be referenced when passed to release function\n", regno);
    if (reg->off != 0)
        return verify_fail(env,
                           "R%u must have zero offset when passed to release func or trusted arg "
                           "to kfunc\n",
                           regno);
    if (!verify_plain_pointer(env, regno, false))
        return false;
    call->release = reg->ref;
    return true;
}

static bool check_arg(struct verify_env *env, struct call *call, unsigned i)
{
    unsigned kind = call->helper->args[i], regno = i + 1;
    const struct verify_reg *reg = verify_reg_now(env, regno);

    if (reg->type == REG_NONE)
        return verify_fail(env, "R%u !read_ok\n", regno);
    switch (kind) {
    case BPF_ARG_CTX:
        if (reg->type != REG_CTX)
            return unexpected(env, regno, "ctx");
        return verify_plain_pointer(env, regno, false);
    case BPF_ARG_MAP:
        return map_arg(env, call, regno);
    case BPF_ARG_MAP_KEY:
    case BPF_ARG_MAP_VALUE:
        if (call->map == NULL)
            return verify_fail(env, "invalid map_ptr to access map->key\n");
        return memory_type_ok(env, call, regno) &&
               verify_helper_memory(env, regno,
                                    kind == BPF_ARG_MAP_KEY ? call->map->def.key_size
                                                            : call->map->def.value_size,
                                    false, ACCESS_READ, false);
    case BPF_ARG_MEM_OR_NULL:
        if (is_null(reg)) {
            verify_mark_precise(env, regno);
            return true;
        }
        return memory_type_ok(env, call, regno);
    case BPF_ARG_MEM:
    case BPF_ARG_UNINIT_MEM:
    case BPF_ARG_MEM_RDWR_FIXED:
    case BPF_ARG_CONST_STR_MEM:
        return memory_type_ok(env, call, regno); /* its size comes next */
    case BPF_ARG_SIZE:
    case BPF_ARG_SIZE_OR_ZERO:
        return size_arg(env, call, regno, kind == BPF_ARG_SIZE_OR_ZERO, call->helper->args[i - 1]);
    case BPF_ARG_CONST_ALLOC_SIZE:
        return alloc_size_arg(env, call, regno);
    case BPF_ARG_ALLOC_MEM:
        return release_arg(env, call, regno);
    default:
        /* trace_printk may print one with %p. */
        return reg->type == REG_SCALAR || call->id == BPF_FUNC_trace_printk ||
               verify_fail(env, "R%u leaks addr into helper function\n", regno);
    }
}

/* ---- What it leaves ---- */

void verify_packet_moved(struct verify_env *env)
{
    VERIFY_EACH_REG(&env->now, it)
    for (; it.reg != NULL; verify_each_next(&env->now, &it))
        if (verify_is_packet(it.reg->type) || it.reg->type == REG_PACKET_END)
            verify_set_unknown(it.reg);
}

/* Whoever still has the record has a number. */
static void release(struct verify_env *env, uint32_t ref)
{
    verify_ref_drop(&env->now, ref);
    VERIFY_EACH_REG(&env->now, it)
    for (; it.reg != NULL; verify_each_next(&env->now, &it))
        if (it.reg->ref == ref)
            verify_set_unknown(it.reg);
}

static bool set_result(struct verify_env *env, const struct call *call)
{
    struct verify_reg *r0 = verify_reg_now(env, BPF_R0);

    verify_set_unknown(r0);
    switch (call->helper->ret) {
    case BPF_RET_VOID:
        r0->type = REG_NONE;
        return true;
    case BPF_RET_MAP_VALUE_OR_NULL:
        if (call->map == NULL)
            return verify_fail(env, "invalid map_ptr to access map->value\n");
        verify_set_value(r0, 0);
        r0->type = call->map->def.type == BPF_MAP_TYPE_XSKMAP ? REG_XSK_OR_NULL : REG_VALUE_OR_NULL;
        r0->map = call->map_index;
        r0->id = ++env->next_id;
        return true;
    case BPF_RET_ALLOC_MEM_OR_NULL:
        verify_set_value(r0, 0);
        r0->type = REG_MEM_OR_NULL;
        r0->mem_bytes = call->alloc_bytes;
        if (!verify_ref_new(env, &r0->ref))
            return false;
        r0->id = r0->ref;
        return true;
    default:
        return true;
    }
}

static bool find_helper(struct verify_env *env, struct call *call)
{
    const char *name = bpf_helper_name(call->id);

    call->helper = bpf_helper_find(call->id);
    if (call->helper == NULL && name == NULL)
        return verify_fail(env, "invalid func unknown#%d\n", (int)call->id);
    if (call->helper == NULL)
        return verify_fail(env, "program of this type cannot use helper bpf_%s#%u\n", name,
                           call->id);
    if (call->helper->gpl_only && !env->prog->gpl)
        return verify_fail(env, "cannot call GPL-restricted function from non-GPL compatible "
                                "program\n");
    return true;
}

bool verify_call_helper(struct verify_env *env, const struct bpf_insn *insn)
{
    struct call call = { .id = (uint32_t)insn->imm };

    if (!find_helper(env, &call))
        return false;
    for (unsigned i = 0; i < 5 && call.helper->args[i] != BPF_ARG_NONE; i++)
        if (!check_arg(env, &call, i))
            return false;
    if (call.id == BPF_FUNC_tail_call) {
        if (!verify_check_refs(env, "tail_call would lead to reference leak\n"))
            return false;
        env->subprog[verify_frame_now(env)->subprog].tail_call = true;
    }
    if (call.release != 0)
        release(env, call.release);
    verify_clear_caller_saved(verify_frame_now(env));
    if (!set_result(env, &call))
        return false;
    /* A tail call that returns here went nowhere. */
    if (call.helper->moves_packet && call.id != BPF_FUNC_tail_call)
        verify_packet_moved(env);
    return true;
}
