/* Instructions as text, in the words of Linux's verifier log and of `bpftool prog dump xlated`: see
 * prog.h. Pure code. */
#include "helper.h"
#include "prog.h"
#include <kernel/fmt.h>

struct text {
    char *out;
    size_t room;
};

#define PRINT(t, ...) ((void)fmt_snprintf((t)->out, (t)->room, __VA_ARGS__))

static const char *const alu_ops[16] = {
    "+=", "-=", "*=", "/=", "|=", "&=", "<<=", ">>=", "neg", "%=", "^=", "=", "s>>=", "end",
};
static const char *const jump_ops[16] = {
    "jmp", "==", ">", ">=", "&", "!=", "s>", "s>=", "call", "exit", "<", "<=", "s<", "s<=",
};
static const char *const sizes[4] = { "u32", "u16", "u8", "u64" };
static const char *const signed_sizes[4] = { "s32", "s16", "s8", "s64" };

static const char *size_name(const struct bpf_insn *insn)
{
    return sizes[BPF_SIZE(insn->code) >> 3];
}

static void unknown(struct text *t, const struct bpf_insn *insn)
{
    PRINT(t, "BUG_%02x", insn->code);
}

static const char *alu_op(const struct bpf_insn *insn)
{
    unsigned op = BPF_OP(insn->code);

    if (insn->off == 1 && op == BPF_DIV)
        return "s/=";
    if (insn->off == 1 && op == BPF_MOD)
        return "s%=";
    return alu_ops[op >> 4];
}

static void end(struct text *t, const struct bpf_insn *insn)
{
    const char *what = BPF_SRC(insn->code) == BPF_X ? "be" : "le";

    PRINT(t, "r%d = %s%d r%d", insn->dst, BPF_CLASS(insn->code) == BPF_ALU64 ? "bswap" : what,
          (int)insn->imm, insn->dst);
}

static void alu(struct text *t, const struct bpf_insn *insn)
{
    char letter = BPF_CLASS(insn->code) == BPF_ALU ? 'w' : 'r';
    unsigned op = BPF_OP(insn->code);

    if (alu_ops[op >> 4] == NULL)
        unknown(t, insn);
    else if (op == BPF_END)
        end(t, insn);
    else if (op == BPF_NEG)
        PRINT(t, "%c%d = -%c%d", letter, insn->dst, letter, insn->dst);
    else if (BPF_SRC(insn->code) == BPF_K)
        PRINT(t, "%c%d %s %d", letter, insn->dst, alu_op(insn), (int)insn->imm);
    else if (op == BPF_MOV && insn->off != 0)
        PRINT(t, "%c%d = (s%d)%c%d", letter, insn->dst, insn->off, letter, insn->src);
    else
        PRINT(t, "%c%d %s %c%d", letter, insn->dst, alu_op(insn), letter, insn->src);
}

static void load(struct text *t, const struct bpf_insn *insn)
{
    bool sign = BPF_MODE(insn->code) == BPF_MEMSX;

    if (BPF_MODE(insn->code) != BPF_MEM && !sign)
        unknown(t, insn);
    else
        PRINT(t, "r%d = *(%s *)(r%d %+d)", insn->dst,
              sign ? signed_sizes[BPF_SIZE(insn->code) >> 3] : size_name(insn), insn->src,
              insn->off);
}

static void legacy(struct text *t, const struct bpf_insn *insn)
{
    if (BPF_MODE(insn->code) == BPF_ABS)
        PRINT(t, "r0 = *(%s *)skb[%d]", size_name(insn), (int)insn->imm);
    else if (BPF_MODE(insn->code) == BPF_IND)
        PRINT(t, "r0 = *(%s *)skb[r%d + %d]", size_name(insn), insn->src, (int)insn->imm);
    else
        unknown(t, insn);
}

static const char *fetch_name(int32_t imm)
{
    switch (imm) {
    case BPF_ADD | BPF_FETCH:
        return "add";
    case BPF_OR | BPF_FETCH:
        return "or";
    case BPF_AND | BPF_FETCH:
        return "and";
    case BPF_XOR | BPF_FETCH:
        return "xor";
    default:
        return NULL;
    }
}

static void atomic(struct text *t, const struct bpf_insn *insn)
{
    const char *size = size_name(insn), *fetch = fetch_name(insn->imm);
    const char *wide = BPF_SIZE(insn->code) == BPF_DW ? "64" : "";

    if (fetch != NULL)
        PRINT(t, "r%d = atomic%s_fetch_%s((%s *)(r%d %+d), r%d)", insn->src, wide, fetch, size,
              insn->dst, insn->off, insn->src);
    else if (insn->imm == BPF_CMPXCHG)
        PRINT(t, "r0 = atomic%s_cmpxchg((%s *)(r%d %+d), r0, r%d)", wide, size, insn->dst,
              insn->off, insn->src);
    else if (insn->imm == BPF_XCHG)
        PRINT(t, "r%d = atomic%s_xchg((%s *)(r%d %+d), r%d)", insn->src, wide, size, insn->dst,
              insn->off, insn->src);
    else if (insn->imm == BPF_ADD || insn->imm == BPF_OR || insn->imm == BPF_AND ||
             insn->imm == BPF_XOR)
        PRINT(t, "lock *(%s *)(r%d %+d) %s r%d", size, insn->dst, insn->off,
              alu_ops[insn->imm >> 4], insn->src);
    else
        unknown(t, insn);
}

static void store(struct text *t, const struct bpf_insn *insn)
{
    bool imm = BPF_CLASS(insn->code) == BPF_ST;

    if (!imm && BPF_MODE(insn->code) == BPF_ATOMIC)
        atomic(t, insn);
    else if (BPF_MODE(insn->code) != BPF_MEM)
        unknown(t, insn);
    else if (imm)
        PRINT(t, "*(%s *)(r%d %+d) = %d", size_name(insn), insn->dst, insn->off, (int)insn->imm);
    else
        PRINT(t, "*(%s *)(r%d %+d) = r%d", size_name(insn), insn->dst, insn->off, insn->src);
}

/* The map that a 64-bit immediate is or lies in: an index before verification, a pointer behind
 * it. NULL: it can not be told. */
static struct bpf_map *map_of(const struct bpf_prog *prog, const struct bpf_insn *insn,
                              uint32_t *offset)
{
    uint64_t value = (uint32_t)insn[0].imm | (uint64_t)(uint32_t)insn[1].imm << 32;

    if (!prog->verified) {
        *offset = (uint32_t)insn[1].imm;
        return (uint32_t)insn[0].imm < prog->map_count ? prog->maps[insn[0].imm] : NULL;
    }
    for (uint32_t i = 0; i < prog->map_count; i++) {
        struct bpf_map *map = prog->maps[i];
        uint64_t base, bytes;

        if (insn->src == BPF_PSEUDO_MAP_FD) {
            if (value == (uintptr_t)map)
                return map;
            continue;
        }
        base = (uintptr_t)bpf_map_value_base(map);
        bytes = (uint64_t)map->def.value_size * map->def.max_entries;
        if (base != 0 && value >= base && value - base < bytes) {
            *offset = (uint32_t)(value - base);
            return map;
        }
    }
    return NULL;
}

static void imm64(struct text *t, const struct bpf_prog *prog, const struct bpf_insn *insn)
{
    uint64_t value = (uint32_t)insn[0].imm | (uint64_t)(uint32_t)insn[1].imm << 32;
    bool is_map = insn->src == BPF_PSEUDO_MAP_FD || insn->src == BPF_PSEUDO_MAP_VALUE;
    uint32_t offset = 0;
    const struct bpf_map *map = is_map ? map_of(prog, insn, &offset) : NULL;

    if (map != NULL && insn->src == BPF_PSEUDO_MAP_FD)
        PRINT(t, "r%d = map[id:%u]", insn->dst, map->id);
    else if (map != NULL)
        PRINT(t, "r%d = map[id:%u][0]+%u", insn->dst, map->id, offset);
    else if (insn->src == BPF_PSEUDO_FUNC)
        PRINT(t, "r%d = subprog[%+d]", insn->dst, (int)insn->imm);
    else
        PRINT(t, "r%d = 0x%llx", insn->dst, (unsigned long long)value);
}

/* The name of the function that begins at the instruction; "": it has none. */
static const char *function_name(const struct bpf_prog *prog, uint32_t start)
{
    for (uint32_t i = 0; i < prog->subprog_count; i++) {
        if (prog->subprogs[i].start == start)
            return prog->subprogs[i].name;
    }
    return "";
}

static void call(struct text *t, const struct bpf_prog *prog, uint32_t at,
                 const struct bpf_insn *insn)
{
    const char *name;

    if (insn->src == BPF_PSEUDO_CALL) {
        name = function_name(prog, at + 1 + (uint32_t)insn->imm);
        PRINT(t, "call pc%+d%s%s", (int)insn->imm, name[0] != '\0' ? "#" : "", name);
    } else if (insn->src == BPF_PSEUDO_KFUNC_CALL) {
        PRINT(t, "call kernel-function#%d", (int)insn->imm);
    } else {
        name = bpf_helper_name((uint32_t)insn->imm);
        if (name != NULL)
            PRINT(t, "call bpf_%s#%d", name, (int)insn->imm);
        else
            PRINT(t, "call unknown#%d", (int)insn->imm);
    }
}

static void jump(struct text *t, const struct bpf_prog *prog, uint32_t at,
                 const struct bpf_insn *insn)
{
    bool wide = BPF_CLASS(insn->code) == BPF_JMP;
    char letter = wide ? 'r' : 'w';
    const char *op = jump_ops[BPF_OP(insn->code) >> 4];

    if (insn->code == (BPF_JMP | BPF_JA))
        PRINT(t, "goto pc%+d", insn->off);
    else if (insn->code == (BPF_JMP32 | BPF_JA))
        PRINT(t, "gotol pc%+d", (int)insn->imm);
    else if (insn->code == (BPF_JMP | BPF_CALL))
        call(t, prog, at, insn);
    else if (insn->code == (BPF_JMP | BPF_EXIT))
        PRINT(t, "exit");
    else if (op == NULL || BPF_OP(insn->code) == BPF_JA || BPF_OP(insn->code) == BPF_CALL ||
             BPF_OP(insn->code) == BPF_EXIT)
        unknown(t, insn);
    else if (BPF_SRC(insn->code) == BPF_X)
        PRINT(t, "if %c%d %s %c%d goto pc%+d", letter, insn->dst, op, letter, insn->src, insn->off);
    else
        PRINT(t, "if %c%d %s 0x%x goto pc%+d", letter, insn->dst, op, (unsigned)insn->imm,
              insn->off);
}

unsigned bpf_disasm(const struct bpf_prog *prog, uint32_t at, char *out, size_t room)
{
    const struct bpf_insn *insn = &prog->insns[at];
    struct text t = { out, room };

    switch (BPF_CLASS(insn->code)) {
    case BPF_LD:
        if (insn->code == BPF_LD_IMM64 && at + 1 < prog->count) {
            imm64(&t, prog, insn);
            return 2;
        }
        legacy(&t, insn);
        break;
    case BPF_LDX:
        load(&t, insn);
        break;
    case BPF_ST:
    case BPF_STX:
        store(&t, insn);
        break;
    case BPF_ALU:
    case BPF_ALU64:
        alu(&t, insn);
        break;
    default: /* BPF_JMP, BPF_JMP32 */
        jump(&t, prog, at, insn);
        break;
    }
    return 1;
}
