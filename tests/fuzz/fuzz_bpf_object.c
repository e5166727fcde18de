/*
 * Objects of XDP programs: whatever the bytes are, one line says why they are refused and nothing
 * is left, or every reference in the programs is one that there is. The seeds are compiled
 * (fuzz.mk).
 */
#include "fuzz.h"
#include "../host/bpf_object_seam.h"

static bool is_function(const struct bpf_prog *prog, uint32_t start)
{
    for (uint32_t i = 0; i < prog->subprog_count; i++)
        if (prog->subprogs[i].start == start)
            return true;
    return false;
}

static void check_program(const struct bpf_prog *prog)
{
    MUST(prog->count > 0 && prog->count <= BPF_INSNS_MAX);
    MUST(prog->subprog_count > 0 && prog->subprogs[0].start == 0);
    for (uint32_t i = 1; i < prog->subprog_count; i++)
        MUST(prog->subprogs[i].start > prog->subprogs[i - 1].start &&
             prog->subprogs[i].start < prog->count);
    for (uint32_t i = 0; i < prog->count; i++) {
        const struct bpf_insn *insn = &prog->insns[i];

        if (insn->code == BPF_LD_IMM64) {
            MUST(i + 1 < prog->count);
            if (insn->src == BPF_PSEUDO_MAP_VALUE)
                MUST((uint32_t)insn[1].imm < prog->maps[insn->imm]->def.value_size);
            MUST(insn->src == 0 || (uint32_t)insn->imm < prog->map_count);
            i++;
        } else if (insn->code == (BPF_JMP | BPF_CALL) && insn->src == BPF_PSEUDO_CALL) {
            MUST(is_function(prog, i + 1 + (uint32_t)insn->imm));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[512], *copy = exactly(data, size);
    struct bpf_log log = { .text = text, .size = sizeof(text) };
    struct bpf_object object;

    text[0] = '\0';
    if (bpf_object_load(&object, copy, size, "fuzz.o", &log)) {
        MUST(text[0] == '\0' && object.prog_count > 0);
        for (unsigned i = 0; i < object.prog_count; i++)
            check_program(object.progs[i]);
        bpf_object_put(&object);
    } else {
        MUST(strncmp(text, "fuzz.o: ", 8) == 0);
        MUST(strchr(text, '\n') == text + strlen(text) - 1);
        for (const char *p = text; *p != '\n'; p++)
            MUST(*p >= ' ' && *p <= '~');
    }
    MUST(bpf_prog_at(0) == NULL && bpf_map_at(0) == NULL && softirqs_disabled == 0);
    free(copy);
    return 0;
}
