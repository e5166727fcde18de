/*
 * The program as it is run: ctx is struct xdp_buff, map references are pointers, and what no path
 * reaches traps.
 */
#include "verify.h"
#include <string.h>

struct field {
    uint8_t off; /* in struct xdp_md */
    uint8_t size;
    int16_t to; /* in struct xdp_buff */
};

static const struct field fields[] = {
    { XDP_MD_DATA, BPF_DW, offsetof(struct xdp_buff, data) },
    { XDP_MD_DATA_END, BPF_DW, offsetof(struct xdp_buff, data_end) },
    { XDP_MD_DATA_META, BPF_DW, offsetof(struct xdp_buff, data_meta) },
    { XDP_MD_INGRESS_IFINDEX, BPF_W, offsetof(struct xdp_buff, ingress_ifindex) },
    { XDP_MD_RX_QUEUE_INDEX, BPF_W, offsetof(struct xdp_buff, rx_queue_index) },
};

static void rewrite_ctx(struct bpf_insn *insn)
{
    for (unsigned i = 0; i < ARRAY_SIZE(fields); i++)
        if (fields[i].off == insn->off) {
            insn->code = (uint8_t)((insn->code & ~0x18u) | fields[i].size);
            insn->off = fields[i].to;
            return;
        }
}

static void rewrite_map(const struct bpf_prog *prog, struct bpf_insn *insn)
{
    struct bpf_map *map = prog->maps[insn[0].imm];
    uint64_t pointer = (uint64_t)(uintptr_t)map;

    if (insn[0].src == BPF_PSEUDO_MAP_VALUE)
        pointer = (uint64_t)(uintptr_t)bpf_map_value_base(map) + (uint32_t)insn[1].imm;
    insn[0].imm = (int32_t)(uint32_t)pointer;
    insn[1].imm = (int32_t)(uint32_t)(pointer >> 32);
}

struct bpf_insn *verify_rewrite(struct verify_env *env)
{
    struct bpf_insn *insns = bpf_mem_alloc(env->count * sizeof *insns);

    if (insns == NULL)
        return NULL;
    memcpy(insns, env->insns, env->count * sizeof *insns);
    for (uint32_t i = 0; i < env->count; i++) {
        const struct verify_insn_info *info = &env->info[i];
        struct bpf_insn *insn = &insns[i];
        unsigned class = BPF_CLASS(insn->code);
        if (info->second)
            continue;
        if (!info->seen) { /* jumps to itself: it is not run, and would not get anywhere */
            insn[0] = (struct bpf_insn){ .code = BPF_JMP | BPF_JA, .off = -1 };
            if (i + 1 < env->count && env->info[i + 1].second)
                insn[1] = insn[0];
        } else if (insn->code == BPF_LD_IMM64 && insn->src != 0) {
            rewrite_map(env->prog, insn);
        } else if (class == BPF_LDX && info->pointer == REG_CTX) {
            rewrite_ctx(insn);
        }
    }
    return insns;
}
