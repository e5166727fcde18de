/* The verifier, taken at its word: the bytes are instructions, and what it accepts is run. Then the
 * program must end, touch nothing but its stack, ctx, the frame, the values it has looked up and
 * the records it has reserved and not yet given back, itself or through a helper; and compiled it
 * must do the same. Mutations: mutate_bpf.c. */
#include "fuzz.h"
#include "../../net/bpf/bpf_shadow.h"
#include "../../net/bpf/helper.h"
#include "../../net/bpf/map.h"
#include "../../net/bpf/prog.h"
#include "../bpf/world.h"

#define INSNS_MAX 512u
/* No way is longer than what the verifier has gone through, and each tail call starts anew. */
#define STEPS_MAX ((uint64_t)BPF_VERIFY_BUDGET * (BPF_TAIL_CALLS_MAX + 1))

static char log_text[WORLD_LOG];
static const void *granted[BPF_SHADOW_REGIONS];
static unsigned granted_count;

static void grant(const void *start, size_t bytes, bool writable)
{
    for (unsigned i = 0; i < granted_count; i++) {
        if (granted[i] == start)
            return;
    }
    MUST(granted_count < BPF_SHADOW_REGIONS);
    granted[granted_count++] = start;
    bpf_shadow_add(start, bytes, writable);
}

static void revoke(const void *start)
{
    for (unsigned i = 0; i < granted_count; i++) {
        if (granted[i] == start) {
            granted[i] = granted[--granted_count];
            bpf_shadow_remove(start);
            return;
        }
    }
    MUST(!"a record is given back that was not reserved");
}

/* Before a run: the values that programs reach without looking them up */
static void before(struct bpf_map *const maps[WORLD_MAPS], const struct xdp_buff *xdp)
{
    bpf_shadow_reset();
    granted_count = 0;
    bpf_shadow_xdp(xdp);
    bpf_shadow_limit(STEPS_MAX);
    for (unsigned i = 0; i < WORLD_MAPS; i++) {
        bool direct = maps[i] != NULL && maps[i]->def.type == BPF_MAP_TYPE_ARRAY &&
                      maps[i]->def.max_entries == 1;

        if (direct)
            grant(bpf_map_value_base(maps[i]), maps[i]->def.value_size,
                  (maps[i]->def.flags & BPF_F_RDONLY_PROG) == 0);
    }
}

/* What a helper is told to read or write has to be the program's, too. */
static void called(uint32_t id, const uint64_t *args, const void *low, const void *high)
{
    const struct bpf_helper *helper = bpf_helper_find(id);
    const struct bpf_map *map = NULL;

    MUST(helper != NULL);
    for (unsigned i = 0; i < 5; i++) {
        const void *p = (const void *)(uintptr_t)args[i];
        bool writes =
            helper->args[i] == BPF_ARG_UNINIT_MEM || helper->args[i] == BPF_ARG_MEM_RDWR_FIXED;
        size_t bytes = 0;

        switch (helper->args[i]) {
        case BPF_ARG_MAP:
            map = p;
            break;
        case BPF_ARG_MAP_KEY:
            bytes = map->def.key_size;
            break;
        case BPF_ARG_MAP_VALUE:
            bytes = map->def.value_size;
            break;
        case BPF_ARG_MEM:
        case BPF_ARG_MEM_OR_NULL:
        case BPF_ARG_UNINIT_MEM:
        case BPF_ARG_MEM_RDWR_FIXED:
        case BPF_ARG_CONST_STR_MEM:
            bytes = (uint32_t)args[i + 1];
            break;
        default:
            break;
        }
        if (bytes > 0)
            bpf_shadow_check(p, bytes, writes, low, high);
    }
}

static void returned(uint32_t id, const uint64_t *args, uint64_t result)
{
    const struct bpf_map *map = (const void *)(uintptr_t)args[0];
    const void *p = (const void *)(uintptr_t)result;

    if (id == BPF_FUNC_map_lookup_elem && p != NULL) {
        bool plain = map->def.type != BPF_MAP_TYPE_DEVMAP && map->def.type != BPF_MAP_TYPE_XSKMAP;

        grant(p, map->def.value_size, plain && (map->def.flags & BPF_F_RDONLY_PROG) == 0);
    } else if (id == BPF_FUNC_ringbuf_reserve && p != NULL) {
        grant(p, args[1], true);
    } else if (id == BPF_FUNC_ringbuf_submit || id == BPF_FUNC_ringbuf_discard) {
        revoke((const void *)(uintptr_t)args[0]);
    }
}

static bool asks_chance(const struct bpf_insn *insns, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (insns[i].code == (BPF_JMP | BPF_CALL) && insns[i].src == 0 &&
            insns[i].imm == BPF_FUNC_get_prandom_u32)
            return true;
    }
    return false;
}

static __attribute__((noinline)) bool same_again(const struct bpf_insn *insns, uint32_t count,
                                                 const struct world_input *input,
                                                 const struct world_outcome *first, unsigned nr)
{
    static struct world_outcome again;
    volatile uint8_t deeper[64 + nr * 272];
    char text[256];

    deeper[0] = 0;
    world_ours_run(insns, count, input, WORLD_INTERPRET, &again, log_text);
    return world_outcome_equal(first, &again, world_maps_used(insns, count), text, sizeof(text));
}

/* Does it answer alike where everything lies elsewhere? Addresses may be looked at. The allocator
 * does not give the same memory again so soon, and the stack is moved. */
static bool is_repeatable(const struct bpf_insn *insns, uint32_t count,
                          const struct world_input *input, const struct world_outcome *first)
{
    for (unsigned nr = 0; nr < 16; nr++) {
        if (!same_again(insns, count, input, first, nr))
            return false;
    }
    return true;
}

static unsigned long accepted, all;

static void report(void)
{
    fprintf(stderr, "%lu of %lu programs accepted\n", accepted, all);
}

static void check(const struct bpf_insn *insns, uint32_t count)
{
    static struct world_outcome interpreted, compiled;
    static struct world_input input;
    char text[256];

    world_input_make(&input, 64, 4);
    world_ours_run(insns, count, &input, WORLD_INTERPRET, &interpreted, log_text);
    if (all++ == 0)
        atexit(report);
    accepted += interpreted.accepted;
    if (!interpreted.accepted)
        return;
    world_watch.log_level = 0;
    world_ours_run(insns, count, &input, WORLD_JIT, &compiled, log_text);
    if (world_outcome_equal(&interpreted, &compiled, world_maps_used(insns, count), text,
                            sizeof(text)) ||
        asks_chance(insns, count) || !is_repeatable(insns, count, &input, &interpreted))
        return;
    fprintf(stderr, "interpreter and JIT: %s\n", text);
    world_disasm(insns, count);
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t count = (uint32_t)(size / sizeof(struct bpf_insn));
    struct bpf_insn *insns;

    if (count == 0 || count > INSNS_MAX)
        return 0;
    insns = (struct bpf_insn *)exactly(data, count * sizeof(*insns));
    bpf_shadow_watch.called = called;
    bpf_shadow_watch.returned = returned;
    world_watch.before = before;
    world_watch.log_level = size / 8 % 8 < 3 ? size / 8 % 8 : 0; /* what is told then as well */
    check(insns, count);
    free(insns);
    return 0;
}
