/*
 * Compiled objects: what Linux accepts of them we accept, and frames that go through their programs
 * one behind the other come out the same, and leave the same in the maps. The linker leads the
 * loader's calls of bpf_verify() here (--wrap), where a program is still as the compiler made it.
 */
#include "oracle.h"
#include "linux_bpf.h"
#include "../host/fakes.h"
#include "../../net/bpf/object.h"
#include <kernel/softirq.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FRAMES    96u
#define FRAME_MAX 512u
#define HEADROOM  256u
#define CPUS_MAX  1024u
#define LINKS_MAX 64u

void softirq_disable(void) {}
void softirq_enable(void) {}

bool __real_bpf_verify(struct bpf_prog *prog, struct bpf_log *log);
bool __wrap_bpf_verify(struct bpf_prog *prog, struct bpf_log *log);

static struct {
    const char *path; /* NULL: no object is being loaded */
    bool failed;
    struct {
        struct bpf_map *map;
        int fd;
    } maps[LINKS_MAX];
    unsigned map_count;
    struct {
        const struct bpf_prog *prog;
        int fd;
        bool repeatable;
    } progs[BPF_OBJECT_PROGS_MAX];
    unsigned prog_count;
} now;

static void fail(const char *what, const char *more)
{
    printf("FAILED: %s: %s%s\n", now.path, what, more);
    now.failed = true;
}

static bool is_percpu(const struct bpf_map *map)
{
    return map->ops->percpu;
}

/* For bpf(2): this CPU's value to all. */
static void *values_for_linux(const struct bpf_map *map, const void *value)
{
    size_t size = (map->def.value_size + 7u) & ~7u;
    unsigned cpus = is_percpu(map) ? CPUS_MAX : 1;
    uint8_t *values = calloc(cpus, size + 8);

    if (values == NULL)
        abort();
    for (unsigned i = 0; value != NULL && i < cpus; i++)
        memcpy(values + i * size, value, map->def.value_size);
    return values;
}

static bool has_contents(const struct bpf_map *map)
{
    switch (map->def.type) {
    case BPF_MAP_TYPE_ARRAY:
    case BPF_MAP_TYPE_HASH:
    case BPF_MAP_TYPE_LRU_HASH:
    case BPF_MAP_TYPE_PERCPU_ARRAY:
    case BPF_MAP_TYPE_PERCPU_HASH:
    case BPF_MAP_TYPE_LPM_TRIE:
        return true;
    default:
        return false;
    }
}

/* Call for every entry; false from it ends the walk. */
static bool walk(struct bpf_map *map,
                 bool (*entry)(struct bpf_map *map, int fd, const void *key, const uint8_t *value),
                 int fd)
{
    uint8_t key[BPF_KEY_MAX], next[BPF_KEY_MAX], *value = calloc(1, bpf_map_user_bytes(map) + 8);
    bool good = value != NULL;

    for (int more = bpf_map_next_key(map, NULL, key); good && more == 0;) {
        good = bpf_map_read(map, key, value) != 0 || entry(map, fd, key, value);
        more = bpf_map_next_key(map, key, next);
        memcpy(key, next, sizeof(key));
    }
    free(value);
    return good;
}

static bool entry_copy(struct bpf_map *map, int fd, const void *key, const uint8_t *value)
{
    void *values;
    int result = 0;
    bool zero = true;

    for (uint32_t i = 0; i < map->def.value_size; i++)
        zero &= value[i] == 0;
    if (zero && map->def.type == BPF_MAP_TYPE_ARRAY)
        return true;
    values = values_for_linux(map, value);
    result = linux_map_update(fd, key, values);
    free(values);
    return result == 0;
}

static bool entry_compare(struct bpf_map *map, int fd, const void *key, const uint8_t *value)
{
    uint8_t *values = values_for_linux(map, NULL);
    bool same =
        linux_map_lookup(fd, key, values) == 0 && memcmp(values, value, map->def.value_size) == 0;

    free(values);
    return same;
}

static int map_link(struct bpf_map *map)
{
    const struct bpf_map_def *def = &map->def;
    uint32_t flags =
        def->type == BPF_MAP_TYPE_DEVMAP ? def->flags & ~(uint32_t)BPF_F_RDONLY_PROG : def->flags;
    int fd;

    for (unsigned i = 0; i < now.map_count; i++) {
        if (now.maps[i].map == map)
            return now.maps[i].fd;
    }
    fd = linux_map_create(def->type, def->key_size, def->value_size, def->max_entries, flags);
    if (fd < 0 || (has_contents(map) && !walk(map, entry_copy, fd)))
        fail("Linux does not make its map ", map->name);
    else if (map->frozen)
        linux_map_freeze(fd);
    if (now.map_count < LINKS_MAX) {
        now.maps[now.map_count].map = map;
        now.maps[now.map_count++].fd = fd;
    }
    return fd;
}

/* Nothing in it depends on the hour, on luck, or on what else there is around. */
static bool is_repeatable(const struct bpf_prog *prog)
{
    static const int32_t others[] = {
        BPF_FUNC_ktime_get_ns, BPF_FUNC_ktime_get_boot_ns, BPF_FUNC_get_prandom_u32,
        BPF_FUNC_fib_lookup,   BPF_FUNC_perf_event_output, BPF_FUNC_tail_call,
    };

    for (uint32_t i = 0; i < prog->count; i++) {
        if (prog->insns[i].code != (BPF_JMP | BPF_CALL) || prog->insns[i].src != 0)
            continue;
        for (unsigned j = 0; j < BPF_ASM_COUNT(others); j++) {
            if (prog->insns[i].imm == others[j])
                return false;
        }
    }
    return true;
}

static int load_into_linux(const struct bpf_prog *prog)
{
    struct bpf_insn *copy = malloc(prog->count * sizeof(*copy));
    int fd;

    if (copy == NULL)
        abort();
    memcpy(copy, prog->insns, prog->count * sizeof(*copy));
    for (uint32_t i = 0; i < prog->count; i++) {
        if (copy[i].code != BPF_LD_IMM64)
            continue;
        if ((copy[i].src == BPF_PSEUDO_MAP_FD || copy[i].src == BPF_PSEUDO_MAP_VALUE) &&
            (uint32_t)copy[i].imm < prog->map_count)
            copy[i].imm = map_link(prog->maps[copy[i].imm]);
        i++;
    }
    fd = linux_prog_load(copy, prog->count, oracle.linux_log, WORLD_LOG, false);
    free(copy);
    return fd;
}

bool __wrap_bpf_verify(struct bpf_prog *prog, struct bpf_log *log)
{
    bool repeatable = is_repeatable(prog), accepted;
    int fd = -1;

    if (now.path == NULL)
        return __real_bpf_verify(prog, log);
    if (oracle.with_linux) {
        fd = load_into_linux(prog);
        oracle.asked++;
    }
    accepted = __real_bpf_verify(prog, log);
    if (oracle.with_linux && accepted && fd < 0)
        fail("we accept what Linux rejects: ", oracle.linux_log);
    if (now.prog_count < BPF_OBJECT_PROGS_MAX) {
        now.progs[now.prog_count].prog = prog;
        now.progs[now.prog_count].fd = fd;
        now.progs[now.prog_count++].repeatable = repeatable;
    }
    return accepted;
}

/* ---- Frames: of the kinds that programs tell apart, then with bytes changed, then cut ---- */

static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32) % n;
}

static uint32_t frame_make(unsigned number, uint8_t *frame)
{
    static const uint8_t ipv4[] = { 0x45, 0, 0,  60, 0, 1, 0,  0, 64, 17,
                                    0,    0, 10, 0,  2, 2, 10, 0, 2,  100 };
    static const uint8_t types[][2] = { { 8, 0 }, { 8, 0 },    { 0x86, 0xdd },
                                        { 8, 6 }, { 0x81, 0 }, { 8, 0 } };
    static const uint16_t ports[] = { 80, 11211, 53, 443, 1, 22 };
    unsigned kind = number % 6, port = ports[random_below(6)];
    uint32_t bytes = 60 + random_below(60);

    for (uint32_t i = 0; i < FRAME_MAX; i++)
        frame[i] = (uint8_t)random_below(256);
    memcpy(frame, "\2\0\0\0\0\1\2\0\0\0\0\2", 12);
    memcpy(frame + 12, types[kind], 2);
    if (types[kind][0] == 8 && types[kind][1] == 0) {
        memcpy(frame + 14, ipv4, sizeof(ipv4));
        frame[23] = kind == 0 ? 17 : kind == 1 ? 6 : 1;
        frame[29] = (uint8_t)random_below(8);
    } else if (kind == 2) {
        memset(frame + 14, 0, 40);
        frame[14] = 0x60;
        frame[20] = random_below(2) != 0 ? 17 : 6;
    }
    frame[36] = (uint8_t)(port >> 8);
    frame[37] = (uint8_t)port;
    for (unsigned i = random_below(4); number >= 24 && i > 0; i--)
        frame[12 + random_below(50)] ^= (uint8_t)(1u << random_below(8));
    return number >= 48 && random_below(2) == 0 ? 14 + random_below(bytes - 14) : bytes;
}

/* ---- Runs ---- */

static uint32_t run_ours(const struct bpf_prog *prog, bool interpret, uint8_t *frame,
                         uint32_t *bytes)
{
    static uint8_t memory[4096] __attribute__((aligned(64)));
    struct xdp_buff xdp = { .data = memory + HEADROOM,
                            .data_end = memory + HEADROOM + *bytes,
                            .data_meta = memory + HEADROOM,
                            .hard_start = memory + 40,
                            .hard_end = memory + sizeof(memory) - 320,
                            .ingress_ifindex = 1 };
    uint32_t result;

    memset(memory, 0, sizeof(memory));
    memcpy(xdp.data, frame, *bytes);
    result = (uint32_t)(interpret || prog->entry == NULL ? bpf_interpret(prog, &xdp)
                                                         : prog->entry(&xdp));
    *bytes = (uint32_t)(xdp.data_end - xdp.data_meta);
    memcpy(frame, xdp.data_meta, *bytes <= FRAME_MAX ? *bytes : FRAME_MAX);
    return result;
}

static void run_both(const struct bpf_prog *prog, int fd)
{
    uint8_t ours[FRAME_MAX], theirs[FRAME_MAX * 8], in[FRAME_MAX];
    char text[128];

    random_state = 0x9e3779b97f4a7c15;
    for (unsigned i = 0; i < FRAMES && !now.failed; i++) {
        uint32_t bytes = frame_make(i, in), result;
        struct linux_run run = {
            .in = in, .in_bytes = bytes, .out = theirs, .out_bytes = sizeof(theirs)
        };

        memcpy(ours, in, sizeof(in));
        result = run_ours(prog, i % 2 == 0, ours, &bytes);
        if (linux_prog_run(fd, &run) < 0) {
            fail("Linux does not run it", "");
            return;
        }
        oracle.compared++;
        snprintf(text, sizeof(text), "%s, frame %u: %u and %u bytes, Linux: %u and %u", prog->name,
                 i, result, bytes, run.retval, run.out_bytes);
        if (result != run.retval || bytes != run.out_bytes)
            fail("another result: ", text);
        else if (memcmp(ours, theirs, bytes) != 0)
            fail("another frame: ", text);
    }
}

static void check_maps(void)
{
    for (unsigned i = 0; i < now.map_count; i++) {
        if (has_contents(now.maps[i].map) && !walk(now.maps[i].map, entry_compare, now.maps[i].fd))
            fail("other contents of map ", now.maps[i].map->name);
    }
}

static void check_object(const char *path)
{
    static uint8_t data[BPF_OBJECT_BYTES_MAX];
    static struct bpf_object object;
    struct bpf_log log = { .text = oracle.our_log, .size = WORLD_LOG };
    FILE *file = fopen(path, "rb");
    size_t bytes = file != NULL ? fread(data, 1, sizeof(data), file) : 0;
    bool repeatable = true;

    if (file != NULL)
        fclose(file);
    memset(&now, 0, sizeof(now));
    now.path = path;
    oracle_enter(path);
    if (!bpf_object_load(&object, data, bytes, path, &log)) {
        bool linux_too =
            oracle.with_linux && now.prog_count > 0 && now.progs[now.prog_count - 1].fd < 0;

        fail(linux_too ? "Linux rejects it too: " : "we reject it: ", oracle.our_log);
    } else {
        for (unsigned i = 0; i < now.prog_count; i++) /* they share maps */
            repeatable &= now.progs[i].repeatable;
        for (unsigned i = 0; repeatable && oracle.with_linux && !now.failed && i < now.prog_count;
             i++)
            run_both(now.progs[i].prog, now.progs[i].fd);
        if (repeatable && oracle.with_linux && !now.failed)
            check_maps();
        bpf_object_put(&object);
    }
    for (unsigned i = 0; i < now.prog_count; i++) {
        if (now.progs[i].fd >= 0)
            close(now.progs[i].fd);
    }
    for (unsigned i = 0; i < now.map_count; i++)
        close(now.maps[i].fd);
    oracle.passed += !now.failed;
    oracle.failed += now.failed;
    if (oracle.verbose)
        printf("  %s: %u programs, %s\n", path, now.prog_count,
               repeatable ? "run" : "verified only");
    now.path = NULL;
}

void oracle_check_objects(char *const *paths, int count)
{
    unsigned before = oracle.failed, compared = oracle.compared;

    for (int i = 0; i < count; i++)
        check_object(paths[i]);
    printf("objects  %3d compiled, %u failed; %u frames through them compared with Linux\n", count,
           oracle.failed - before, oracle.compared - compared);
}
