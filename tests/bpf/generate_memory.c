/* Memory of random programs: the packet, maps' values, the stack; and helpers. */
#include "generate_impl.h"

static const uint8_t sizes[] = { BPF_B, BPF_H, BPF_W, BPF_DW };
static const uint8_t size_bytes[] = { 1, 2, 4, 8 };

/* A load, a store or an atomic at [base + off], of memory where `bytes` may be accessed. */
static void touch(struct generator *g, unsigned base, uint32_t bytes, bool writable, bool atomic)
{
    unsigned size = generate_below(g, 4), reg;
    int16_t off;

    while (size > 0 && size_bytes[size] > bytes)
        size--;
    off = (int16_t)(generate_below(g, bytes - size_bytes[size] + 1) & ~(size_bytes[size] - 1u));
    if (generate_one_in(g, 200))
        off = (int16_t)(off + 1);
    switch (generate_below(g, writable ? atomic && size >= 2 ? 4 : 3 : 1)) {
    case 0:
        reg = generate_any(g);
        if (reg == base)
            return;
        EMIT(g,
             INSN(BPF_LDX | (size < 3 && generate_one_in(g, 4) ? BPF_MEMSX : BPF_MEM) | sizes[size],
                  reg, base, off, 0));
        generate_set(g, reg, SCALAR);
        break;
    case 1:
        EMIT(g, INSN(BPF_ST | BPF_MEM | sizes[size], base, 0, off, generate_imm(g)));
        break;
    case 2:
        reg = generate_scalar(g);
        if (reg != base)
            EMIT(g, INSN(BPF_STX | BPF_MEM | sizes[size], base, reg, off, 0));
        break;
    default: {
        static const int32_t ops[] = { BPF_ADD,
                                       BPF_OR,
                                       BPF_AND,
                                       BPF_XOR,
                                       BPF_ADD | BPF_FETCH,
                                       BPF_OR | BPF_FETCH,
                                       BPF_AND | BPF_FETCH,
                                       BPF_XOR | BPF_FETCH,
                                       BPF_XCHG,
                                       BPF_CMPXCHG };
        int32_t op = ops[generate_below(g, BPF_ASM_COUNT(ops))];

        reg = generate_scalar(g);
        if (reg == base || (op == BPF_CMPXCHG && g->now.regs[R0].kind != SCALAR))
            return;
        EMIT(g, INSN(BPF_STX | BPF_ATOMIC | sizes[size], base, reg, off, op));
        generate_set(g, op == BPF_CMPXCHG ? R0 : reg, SCALAR);
        break;
    }
    }
}

/* data and data_end, and a check of some bytes in one of its forms */
static void frame(struct generator *g)
{
    unsigned data = generate_any(g), end = generate_any(g), to = generate_any(g);
    uint32_t bytes = 1 + generate_below(g, 70);

    if (data == end || to == data || to == end)
        return;
    EMIT(g, LDX(W, data, REG_CTX, XDP_MD_DATA), LDX(W, end, REG_CTX, XDP_MD_DATA_END),
         MOV(to, data), ADDI(to, bytes));
    switch (generate_below(g, 4)) {
    case 0:
        generate_exit_by(g, (struct bpf_insn)JGT(to, end, 0));
        break;
    case 1:
        generate_exit_by(g, (struct bpf_insn)JGE(to, end, 0));
        break;
    case 2:
        generate_exit_by(g, (struct bpf_insn)JLT(end, to, 0));
        break;
    default:
        generate_exit_by(g, (struct bpf_insn)JLE(end, to, 0));
        break;
    }
    generate_set(g, data, PKT);
    g->now.regs[data].bytes = bytes;
    generate_set(g, end, PKT_END);
    generate_set(g, to, UNSET);
}

static void frame_variable(struct generator *g)
{
    int data = generate_find(g, PKT), end = generate_find(g, PKT_END);
    int by = generate_find_bounded(g, 0x7fff);
    unsigned dst = generate_any(g), to = generate_any(g);
    uint32_t bytes = 1 + generate_below(g, 16);

    if (data < 0 || end < 0 || by < 0 || dst == to || (int)dst == end || (int)to == end ||
        (int)dst == data || (int)dst == by)
        return;
    EMIT(g, MOV(dst, data), ADD(dst, by), MOV(to, dst), ADDI(to, bytes));
    generate_exit_by(g, (struct bpf_insn)JGT(to, end, 0));
    generate_set(g, dst, PKT);
    g->now.regs[dst].bytes = bytes;
    if ((int)to == data || (int)to == by || to != dst)
        generate_set(g, to, UNSET);
}

static void value(struct generator *g)
{
    unsigned dst = generate_any(g);
    bool read_only = generate_one_in(g, 4);

    EMIT(g, MAPV(dst, read_only ? M_RDONLY : M_OUT, 0));
    generate_set(g, dst, VALUE);
    g->now.regs[dst].read_only = read_only;
    g->now.regs[dst].bytes = read_only ? 16 : 64;
}

static void value_variable(struct generator *g)
{
    int base = generate_find(g, VALUE), by;
    unsigned dst = generate_any(g);

    if (base < 0 || g->now.regs[base].bytes < 9 || (int)dst == base)
        return;
    by = generate_find_bounded(g, g->now.regs[base].bytes - 8);
    if (by < 0 || (int)dst == by)
        return;
    EMIT(g, MOV(dst, base), ADD(dst, by));
    g->now.regs[dst] = g->now.regs[base];
    g->now.regs[dst].bytes -= g->now.regs[by].max;
    /* Alignment is not known any more: only bytes */
    EMIT(g, LDX(B, dst, dst, generate_below(g, g->now.regs[dst].bytes)));
    generate_set(g, dst, SCALAR);
}

static void stack(struct generator *g)
{
    unsigned slot = generate_below(g, SLOTS), reg = generate_any(g);
    int16_t off = (int16_t)(-8 * (int)(slot + 1));
    struct place *place = &g->now.slots[slot];

    if (place->kind == SCALAR && generate_one_in(g, 3)) {
        touch(g, R10, 0, false, false);
        return;
    }
    if (place->kind != UNSET && generate_one_in(g, 2)) {
        EMIT(g, LDX(DW, reg, R10, off));
        g->now.regs[reg] = *place;
    } else if (g->now.regs[reg].kind != UNSET) {
        EMIT(g, STX(DW, R10, off, reg));
        *place = g->now.regs[reg];
    } else {
        EMIT(g, STI(DW, R10, off, generate_imm(g)));
        *place = (struct place){ .kind = SCALAR };
    }
}

/* Parts of a slot that holds a number */
static void stack_part(struct generator *g)
{
    unsigned slot = generate_below(g, SLOTS), base = generate_any(g);

    if (g->now.slots[slot].kind != SCALAR)
        return;
    g->now.slots[slot].bounded = false;
    EMIT(g, MOV(base, R10), ADDI(base, -8 * (int)(slot + 1)));
    generate_set(g, base, UNSET);
    touch(g, base, 8, true, true);
}

void generate_access(struct generator *g)
{
    int reg;

    switch (generate_below(g, 10)) {
    case 0:
        frame(g);
        return;
    case 1:
        frame_variable(g);
        return;
    case 2:
        value(g);
        return;
    case 3:
    case 4:
        value_variable(g);
        return;
    case 5:
        stack(g);
        return;
    case 6:
        stack_part(g);
        return;
    case 7:
    case 8:
        reg = generate_find(g, PKT);
        if (reg >= 0)
            touch(g, (unsigned)reg, g->now.regs[reg].bytes, true, false);
        return;
    default:
        reg = generate_find(g, VALUE);
        if (reg >= 0)
            touch(g, (unsigned)reg, g->now.regs[reg].bytes, !g->now.regs[reg].read_only, true);
        return;
    }
}

/* ---- Helpers ---- */

static void key(struct generator *g)
{
    int reg = generate_one_in(g, 3) ? generate_find_bounded(g, UINT32_MAX) : -1;

    EMIT(g, STI(DW, R10, SCRATCH, 0));
    if (reg >= 0)
        EMIT(g, STX(W, R10, SCRATCH, reg));
    else
        EMIT(g, STI(W, R10, SCRATCH, generate_below(g, 6)));
    EMIT(g, MOV(R2, R10), ADDI(R2, SCRATCH));
}

static void lookup(struct generator *g)
{
    static const uint8_t maps[] = { M_ARRAY, M_HASH, M_LRU, M_PERCPU, M_HASH8, M_RDONLY };
    unsigned map = maps[generate_below(g, BPF_ASM_COUNT(maps))], to;

    key(g);
    EMIT(g, MAP(R1, map), CALL(map_lookup_elem));
    generate_after_call(g);
    generate_set(g, R0, UNSET);
    if (!generate_one_in(g, 40))
        generate_exit_by(g, (struct bpf_insn)JEQI(R0, 0, 0));
    to = generate_any(g);
    EMIT(g, MOV(to, R0));
    generate_set(g, to, VALUE);
    g->now.regs[to].bytes = world_maps[map].value_size;
    g->now.regs[to].read_only = map == M_RDONLY;
    if (to != R0)
        generate_set(g, R0, UNSET);
}

static void change(struct generator *g)
{
    static const uint8_t maps[] = { M_HASH, M_LRU, M_HASH8, M_ARRAY };
    unsigned map = maps[generate_below(g, BPF_ASM_COUNT(maps))];
    bool update = generate_one_in(g, 2) && map != M_ARRAY;

    key(g);
    if (update) {
        EMIT(g, STI(DW, R10, SCRATCH + 8, generate_imm(g)), STI(DW, R10, SCRATCH + 16, 1),
             MOV(R3, R10), ADDI(R3, SCRATCH + 8), MOVI(R4, generate_below(g, 4)), MAP(R1, map),
             CALL(map_update_elem));
    } else {
        EMIT(g, MAP(R1, map), CALL(map_delete_elem));
    }
    generate_after_call(g);
}

static void adjust(struct generator *g)
{
    static const int32_t helpers[] = { BPF_FUNC_xdp_adjust_head, BPF_FUNC_xdp_adjust_tail,
                                       BPF_FUNC_xdp_adjust_meta };

    EMIT(g, MOV(R1, REG_CTX), MOVI(R2, (int32_t)generate_below(g, 40) - 20),
         CALL_NR(helpers[generate_below(g, 3)]));
    generate_after_call(g);
    for (unsigned i = 0; i < 11; i++) {
        if (g->now.regs[i].kind == PKT || g->now.regs[i].kind == PKT_END)
            generate_set(g, i, UNSET);
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        if (g->now.slots[i].kind == PKT || g->now.slots[i].kind == PKT_END)
            g->now.slots[i].kind = UNSET;
    }
}

static void bytes(struct generator *g)
{
    uint32_t length = 4 * (1 + generate_below(g, 4));

    EMIT(g, STI(DW, R10, SCRATCH, 0), STI(DW, R10, SCRATCH + 8, 1));
    switch (generate_below(g, 3)) {
    case 0:
        EMIT(g, MOV(R1, REG_CTX), MOVI(R2, generate_below(g, 80)), MOV(R3, R10), ADDI(R3, SCRATCH),
             MOVI(R4, length), CALL(xdp_load_bytes));
        break;
    case 1:
        EMIT(g, MOV(R1, REG_CTX), MOVI(R2, generate_below(g, 80)), MOV(R3, R10), ADDI(R3, SCRATCH),
             MOVI(R4, length), CALL(xdp_store_bytes));
        break;
    default:
        EMIT(g, MOV(R3, R10), ADDI(R3, SCRATCH), MOVI(R4, length), MOVI(R1, 0), MOVI(R2, 0),
             MOVI(R5, generate_below(g, 65536)), CALL(csum_diff));
        break;
    }
    generate_after_call(g);
}

void generate_helper(struct generator *g)
{
    switch (generate_below(g, 8)) {
    case 0:
    case 1:
    case 2:
        lookup(g);
        break;
    case 3:
    case 4:
        change(g);
        break;
    case 5:
        adjust(g);
        break;
    case 6:
        bytes(g);
        break;
    default:
        EMIT(g, CALL(get_smp_processor_id));
        generate_after_call(g);
        break;
    }
}
