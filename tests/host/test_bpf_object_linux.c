/*
 * What the loader puts together, through Linux's own verifier, where bpf(2) is permitted: every
 * object here that Linux's libbpf could load must be a program that Linux takes. Where it is not
 * permitted, that they are loaded at all.
 */
#include "../../net/bpf/object.h"
#include "bpf_linux.h"
#include "fakes.h"
#include <kernel/softirq.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static bool beside_linux;
static unsigned taken;

void softirq_disable(void) {}
void softirq_enable(void) {}

bool bpf_jit(struct bpf_prog *prog)
{
    (void)prog;
    return false;
}

static int create(const struct bpf_map *map)
{
    uint32_t flags = map->def.flags;

    if (map->def.type == BPF_MAP_TYPE_DEVMAP)
        flags &= ~(uint32_t)BPF_F_RDONLY_PROG; /* which Linux sets, and does not take */
    return linux_map_create(map->def.type, map->def.key_size, map->def.value_size,
                            map->def.max_entries, flags);
}

/* Linux in the place of our verifier: indexes of maps become its file descriptors. */
bool bpf_verify(struct bpf_prog *prog, struct bpf_log *log)
{
    size_t bytes = prog->count * sizeof(prog->insns[0]);
    struct bpf_insn *insns = malloc(bytes);
    int fds[BPF_PROG_MAPS_MAX], fd = 0;

    memcpy(insns, prog->insns, bytes);
    for (uint32_t i = 0; beside_linux && i < prog->map_count; i++) {
        fds[i] = create(prog->maps[i]);
        if (fds[i] < 0)
            fail_msg("map '%s': Linux says %d", prog->maps[i]->name, fds[i]);
    }
    for (uint32_t i = 0; beside_linux && i < prog->count; i++) {
        if (insns[i].code != BPF_LD_IMM64)
            continue;
        if (insns[i].src != 0)
            insns[i].imm = fds[insns[i].imm];
        i++;
    }
    if (beside_linux)
        fd = linux_prog_load(insns, prog->count);
    if (fd < 0)
        bpf_log_printf(log, "Linux says %d\n", fd);
    for (uint32_t i = 0; beside_linux && i < prog->map_count; i++)
        linux_close(fds[i]);
    if (fd > 0)
        linux_close(fd);
    free(insns);
    taken += fd >= 0;
    prog->verified = fd >= 0;
    return fd >= 0;
}

static void load(const char *name)
{
    static uint8_t data[1 << 17];
    char path[256], text[512] = "";
    struct bpf_log log = { .text = text, .size = sizeof(text) };
    struct bpf_object object;
    size_t bytes;
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s.o", BPF_OBJECTS, name);
    f = fopen(path, "rb");
    assert_non_null(f);
    bytes = fread(data, 1, sizeof(data), f);
    fclose(f);
    if (!bpf_object_load(&object, data, bytes, name, &log))
        fail_msg("%s", text);
    bpf_object_put(&object);
}

static void test_taken_by_linux(void **state)
{
    static const char *const names[] = { "globals",       "calls",   "maps",
                                         "tails",         "legacy",  "core",
                                         "apps/firewall", "apps/lb", "apps/synflood",
                                         "apps/sampler",  "apps/kv" };
    static const char *const compilers[] = { "14", "19", "v4" };
    char name[64];

    (void)state;
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        for (unsigned c = 0; c < 3; c++) {
            snprintf(name, sizeof(name), "%s-%s", names[i], compilers[c]);
            load(name);
        }
    load("legacy-nodebug");
    assert_int_equal(taken, 3 * (11 + 3) + 1); /* "calls" has two programs, "tails" three */
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_taken_by_linux) };

    beside_linux = linux_bpf_permitted();
    printf("%s\n", beside_linux ? "verified by this machine's Linux, through bpf(2)"
                                : "bpf(2) is not permitted here: loaded only");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
