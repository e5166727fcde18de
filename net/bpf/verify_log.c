/*
 * What who loads the program is told: Linux's words, so that what is known of its verifier holds
 * here. Level 1 has the instructions of the failing path, each with the registers that it changed.
 */
#include "verify.h"
#include <kernel/fmt.h>
#include <string.h>

#define LINE   640u
#define COLUMN 40u /* where what has changed stands */

struct line {
    char text[LINE];
    size_t used;
};

__attribute__((format(printf, 2, 3))) static void add(struct line *line, const char *fmt, ...)
{
    va_list ap;
    int wanted;

    va_start(ap, fmt);
    wanted = fmt_vsnprintf(line->text + line->used, LINE - line->used, fmt, ap);
    va_end(ap);
    line->used = MIN(line->used + (size_t)wanted, LINE - 1);
}

/* The reason must have room behind the path. */
static void put(struct verify_env *env, const struct line *line)
{
    if (env->replaying) {
        env->replay_bytes += (uint32_t)line->used;
        if (env->replay_bytes <= env->replay_skip)
            return;
    }
    if (env->log->used + line->used + VERIFY_REASON_SIZE + 160 < env->log->size)
        bpf_log_printf(env->log, "%s", line->text);
}

void verify_say(struct verify_env *env, const char *fmt, ...)
{
    char text[VERIFY_REASON_SIZE];
    va_list ap;

    if (env->replaying)
        return;
    va_start(ap, fmt);
    fmt_vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    bpf_log_printf(&env->reason_log, "%s", text);
}

const char *verify_tnum_text(struct tnum t, char *out)
{
    if (tnum_is_const(t))
        fmt_snprintf(out, 48, "%#llx", (unsigned long long)t.value);
    else
        fmt_snprintf(out, 48, "(0x%llx; 0x%llx)", (unsigned long long)t.value,
                     (unsigned long long)t.mask);
    return out;
}

const char *verify_type_text(const struct verify_reg *reg)
{
    switch (reg->type) {
    case REG_NONE:
        return "?";
    case REG_SCALAR:
        return "scalar";
    case REG_CTX:
        return "ctx";
    case REG_STACK:
        return "fp";
    case REG_PACKET:
        return "pkt";
    case REG_META:
        return "pkt_meta";
    case REG_PACKET_END:
        return "pkt_end";
    case REG_MAP:
        return "map_ptr";
    case REG_VALUE:
        return "map_value";
    case REG_VALUE_OR_NULL:
        return "map_value_or_null";
    case REG_XSK:
        return "xdp_sock";
    case REG_XSK_OR_NULL:
        return "xdp_sock_or_null";
    case REG_MEM:
        return reg->ref != 0 ? "ringbuf_mem" : "mem";
    default:
        return reg->ref != 0 ? "ringbuf_mem_or_null" : "mem_or_null";
    }
}

/* ---- Registers ---- */

static void add_signed(struct line *line, int64_t value)
{
    if (value < 0x10000 && value > -0x10000)
        add(line, "%lld", (long long)value);
    else
        add(line, "0x%llx", (unsigned long long)value);
}

static void add_item(struct line *line, bool *first, const char *name)
{
    add(line, "%s%s=", *first ? "" : ",", name);
    *first = false;
}

/* Equal ends are said together: "smin=umin=4,smax=umax=60". What goes without saying is not said.
 */
static void add_ranges(struct line *line, bool *first, const struct verify_reg *reg)
{
    struct {
        const char *name;
        int64_t value;
        bool skip;
    } end[] = {
        { "smin", reg->smin, reg->smin == INT64_MIN },
        { "smax", reg->smax, reg->smax == INT64_MAX },
        { "umin", (int64_t)reg->umin, reg->umin == 0 },
        { "umax", (int64_t)reg->umax, reg->umax == UINT64_MAX },
        { "smin32", reg->s32_min, reg->s32_min == INT32_MIN || reg->s32_min == reg->smin },
        { "smax32", reg->s32_max, reg->s32_max == INT32_MAX || reg->s32_max == reg->smax },
        { "umin32", reg->u32_min, reg->u32_min == 0 || reg->u32_min == reg->umin },
        { "umax32", reg->u32_max, reg->u32_max == UINT32_MAX || reg->u32_max == reg->umax },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(end); i++) {
        if (end[i].skip)
            continue;
        add_item(line, first, end[i].name);
        for (unsigned j = i + 1; j < ARRAY_SIZE(end); j++)
            if (!end[j].skip && end[j].value == end[i].value) {
                add(line, "%s=", end[j].name);
                end[j].skip = true;
            }
        add_signed(line, end[i].value);
    }
}

static void add_map(struct verify_env *env, struct line *line, bool *first,
                    const struct verify_reg *reg)
{
    const struct bpf_map *map = env->prog->maps[reg->map];

    if (map->name[0] != '\0') {
        add_item(line, first, "map");
        add(line, "%s", map->name);
    }
    add_item(line, first, "ks");
    add(line, "%u", map->def.key_size);
    add_item(line, first, "vs");
    add(line, "%u", map->def.value_size);
}

static void add_pointer(struct verify_env *env, struct line *line, bool *first,
                        const struct verify_reg *reg)
{
    if (reg->ref != 0) {
        add_item(line, first, "ref_obj_id");
        add(line, "%u", reg->ref);
    }
    if (reg->type == REG_MAP || reg->type == REG_VALUE || reg->type == REG_VALUE_OR_NULL)
        add_map(env, line, first, reg);
    if (reg->off != 0) {
        add_item(line, first, "off");
        add(line, "%d", reg->off);
    }
    if (verify_is_packet(reg->type)) {
        add_item(line, first, "r");
        add(line, "%d", reg->range);
    }
    if (reg->type == REG_MEM || reg->type == REG_MEM_OR_NULL) {
        add_item(line, first, "sz");
        add(line, "%u", reg->mem_bytes);
    }
}

static void add_reg(struct verify_env *env, struct line *line, const struct verify_reg *reg)
{
    bool first = true;
    char text[48];

    if (verify_is_const(reg)) {
        add_signed(line, (int64_t)reg->var.value);
        return;
    }
    add(line, "%s", verify_type_text(reg));
    if (reg->type == REG_STACK) {
        if (reg->frame != env->now.frames - 1)
            add(line, "[%u]", reg->frame);
        if (tnum_is_const(reg->var)) {
            add(line, "%lld", (long long)((int64_t)reg->var.value + reg->off));
            return;
        }
    }
    add(line, "(");
    if (reg->id != 0) {
        add_item(line, &first, "id");
        add(line, "%u", reg->id & ~VERIFY_ID_PLUS);
        if (reg->id & VERIFY_ID_PLUS)
            add(line, "%+d", reg->off);
    }
    if (reg->type != REG_SCALAR)
        add_pointer(env, line, &first, reg);
    if (tnum_is_const(reg->var)) {
        if (reg->var.value != 0) {
            add_item(line, &first, "imm");
            add_signed(line, (int64_t)reg->var.value);
        }
    } else {
        add_ranges(line, &first, reg);
        if (!tnum_is_unknown(reg->var)) {
            add_item(line, &first, "var_off");
            add(line, "%s", verify_tnum_text(reg->var, text));
        }
    }
    add(line, ")");
}

static void add_slot(struct verify_env *env, struct line *line, const struct verify_frame *frame,
                     unsigned slot)
{
    static const char letters[] = "?rm0";
    const uint8_t *type = frame->stack[slot].type;
    char text[9];

    add(line, " fp-%u=", 8 * (slot + 1));
    if (frame->spilled >> slot & 1 && type[7] == SLOT_SPILL) {
        add_reg(env, line, &frame->stack[slot].reg);
        return;
    }
    for (unsigned i = 0; i < 8; i++)
        text[i] = letters[type[7 - i]];
    text[8] = '\0';
    add(line, "%s", text);
}

/* ---- Lines ---- */

static bool written(const struct verify_stack_slot *slot)
{
    for (unsigned i = 0; i < 8; i++)
        if (slot->type[i] != SLOT_INVALID)
            return true;
    return false;
}

static void add_state(struct verify_env *env, struct line *line, bool all)
{
    struct verify_frame *frame = verify_frame_now(env);

    for (unsigned r = 0; r < BPF_REGS; r++) {
        const struct verify_reg *reg = &frame->regs[r];
        bool changed = memcmp(reg, &env->printed[r], sizeof *reg) != 0;
        if (reg->type == REG_NONE || (!all && !changed))
            continue;
        add(line, " R%u=", r);
        add_reg(env, line, reg);
    }
    for (unsigned i = 0; i < frame->slots; i++)
        if (all ? written(&frame->stack[i]) : env->touched_frame == frame && env->touched >> i & 1)
            add_slot(env, line, frame, i);
    memcpy(env->printed, frame->regs, sizeof env->printed);
}

void verify_log_insn(struct verify_env *env)
{
    struct line line = { .used = 0 };
    char text[128];

    if (env->print_all) {
        env->print_all = false;
        add(&line, "%u:", env->now.insn);
        add_state(env, &line, true);
        add(&line, "\n");
        put(env, &line);
        line.used = 0;
    }
    env->touched = 0;
    (void)bpf_disasm(env->prog, env->now.insn, text, sizeof text);
    add(&line, "%u: (%02x) %s", env->now.insn, env->insns[env->now.insn].code, text);
    put(env, &line);
    env->line_used = (uint32_t)line.used;
    env->printed_frame = env->now.frames;
}

void verify_log_result(struct verify_env *env)
{
    struct line line = { .used = 0 };

    if (env->now.frames != env->printed_frame)
        env->print_all = true;
    else
        add_state(env, &line, false);
    if (line.used > 0) {
        struct line whole = { .used = 0 };
        add(&whole, "%*s;%s", (int)(env->line_used < COLUMN ? COLUMN - env->line_used : 1), "",
            line.text);
        put(env, &whole);
    }
    line.used = 0;
    add(&line, "\n");
    put(env, &line);
}

void verify_log_jump(struct verify_env *env, uint32_t from)
{
    struct line line = { .used = 0 };

    if (!env->printing)
        return;
    add(&line, "\nfrom %u to %u:", from, env->now.insn);
    add_state(env, &line, true);
    add(&line, "\n");
    put(env, &line);
}
