/* bpf(2) by its system call alone: libbpf would bring a loader of its own between us and it. */
#define _GNU_SOURCE
#include "linux_bpf.h"
#include <errno.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

static int bpf_call(enum bpf_cmd command, union bpf_attr *attr)
{
    int result;

    do
        result = (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
    while (result < 0 && errno == EAGAIN);
    return result < 0 ? -errno : result;
}

static uint64_t address_of(const void *p)
{
    return (uint64_t)(uintptr_t)p;
}

bool linux_bpf_usable(const char **why)
{
    static const struct bpf_insn pass[] = {
        { .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS },
        { .code = BPF_JMP | BPF_EXIT },
    };
    char frame[64] = { 0 }, out[64];
    struct linux_run run = { .in = frame, .in_bytes = 64, .out = out, .out_bytes = 64 };
    int prog = linux_prog_load(pass, 2, NULL, 0, false), result = prog;

    if (prog >= 0) {
        result = linux_prog_run(prog, &run);
        close(prog);
    }
    *why = result < 0 ? strerror(-result) : NULL;
    return result >= 0 && run.retval == XDP_PASS;
}

const char *linux_release(void)
{
    static struct utsname name;

    return uname(&name) == 0 ? name.release : "";
}

int linux_map_create(uint32_t type, uint32_t key_size, uint32_t value_size, uint32_t max_entries,
                     uint32_t flags)
{
    union bpf_attr attr = { .map_type = type,
                            .key_size = key_size,
                            .value_size = value_size,
                            .max_entries = max_entries,
                            .map_flags = flags };
    return bpf_call(BPF_MAP_CREATE, &attr);
}

int linux_map_freeze(int map)
{
    union bpf_attr attr = { .map_fd = (uint32_t)map };
    return bpf_call(BPF_MAP_FREEZE, &attr);
}

static int map_call(enum bpf_cmd command, int map, const void *key, const void *value)
{
    union bpf_attr attr = { .map_fd = (uint32_t)map,
                            .key = address_of(key),
                            .value = address_of(value) };
    return bpf_call(command, &attr);
}

int linux_map_update(int map, const void *key, const void *value)
{
    return map_call(BPF_MAP_UPDATE_ELEM, map, key, value);
}

int linux_map_lookup(int map, const void *key, void *value)
{
    return map_call(BPF_MAP_LOOKUP_ELEM, map, key, value);
}

int linux_map_delete(int map, const void *key)
{
    return map_call(BPF_MAP_DELETE_ELEM, map, key, NULL);
}

int linux_map_next_key(int map, const void *key, void *next)
{
    return map_call(BPF_MAP_GET_NEXT_KEY, map, key, next);
}

/* Type information for programs that tail call from functions, which Linux lets only them that
 * have some: an int, a function that returns one, and as many of that kind as are needed. */
#define FUNCS_MAX 32u
struct functions {
    uint32_t count;
    struct bpf_func_info info[FUNCS_MAX];
};

static bool functions_find(const struct bpf_insn *insns, uint32_t count, struct functions *found)
{
    bool starts[256] = { true }, tail_calls = false;

    memset(found, 0, sizeof(*found));
    if (count > sizeof(starts))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        int64_t to = (int64_t)i + 1 + insns[i].imm;

        if (insns[i].code != (BPF_JMP | BPF_CALL))
            continue;
        if (insns[i].src_reg == BPF_PSEUDO_CALL && to >= 0 && to < count)
            starts[to] = true;
        tail_calls |= insns[i].src_reg == 0 && insns[i].imm == BPF_FUNC_tail_call;
    }
    for (uint32_t i = 0; i < count && found->count < FUNCS_MAX; i++) {
        if (starts[i]) {
            found->info[found->count].insn_off = i;
            found->info[found->count].type_id = 3 + found->count;
            found->count++;
        }
    }
    return tail_calls && found->count > 1;
}

static int functions_btf(void)
{
    static const char names[] = "\0int\0f";
    struct {
        struct btf_header header;
        struct btf_type integer;
        uint32_t integer_bits;
        struct btf_type kind;
        struct btf_type functions[FUNCS_MAX];
        char names[sizeof(names)];
    } btf = { .header = { .magic = BTF_MAGIC,
                          .version = BTF_VERSION,
                          .hdr_len = sizeof(btf.header),
                          .type_len = offsetof(__typeof__(btf), names) - sizeof(btf.header),
                          .str_off = offsetof(__typeof__(btf), names) - sizeof(btf.header),
                          .str_len = sizeof(names) },
              .integer = { .name_off = 1, .info = BTF_KIND_INT << 24, .size = 4 },
              .integer_bits = 32 | BTF_INT_SIGNED << 24,
              .kind = { .info = BTF_KIND_FUNC_PROTO << 24, .type = 1 } };
    union bpf_attr attr = { .btf = address_of(&btf),
                            .btf_size =
                                sizeof(btf.header) + btf.header.str_off + btf.header.str_len };

    memcpy(btf.names, names, sizeof(names));
    for (uint32_t i = 0; i < FUNCS_MAX; i++)
        btf.functions[i] =
            (struct btf_type){ .name_off = 5, .info = BTF_KIND_FUNC << 24, .type = 2 };
    return bpf_call(BPF_BTF_LOAD, &attr);
}

int linux_prog_load(const void *insns, uint32_t count, char *log, uint32_t room, bool every_step)
{
    union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_XDP,
                            .insns = address_of(insns),
                            .insn_cnt = count,
                            .license = address_of("GPL"),
                            .log_level = room == 0    ? 0
                                         : every_step ? 1
                                                      : 4,
                            .log_buf = address_of(log),
                            .log_size = room };
    struct functions functions;
    int result, btf = -1;

    if (room > 0)
        log[0] = 0;
    if (functions_find(insns, count, &functions)) {
        btf = functions_btf();
        attr.prog_btf_fd = (uint32_t)btf;
        attr.func_info_rec_size = sizeof(functions.info[0]);
        attr.func_info = address_of(functions.info);
        attr.func_info_cnt = functions.count;
    }
    result = bpf_call(BPF_PROG_LOAD, &attr);
    if (btf >= 0)
        close(btf);
    if (result == -ENOSPC && room > 0) /* of the log, which keeps its end: ask once more */
        return linux_prog_load(insns, count, NULL, 0, false);
    return result;
}

/* Of the effective set only, so that the permitted one gives them back. */
static bool capabilities_set(uint64_t drop, struct __user_cap_data_struct saved[2])
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct now[2];

    if (drop == 0)
        return syscall(SYS_capset, &header, saved) == 0;
    if (syscall(SYS_capget, &header, saved) != 0)
        return false;
    memcpy(now, saved, sizeof(now));
    now[0].effective &= ~(uint32_t)drop;
    now[1].effective &= ~(uint32_t)(drop >> 32);
    return syscall(SYS_capset, &header, now) == 0;
}

int linux_prog_try_restricted(const void *insns, uint32_t count)
{
    struct __user_cap_data_struct saved[2];
    int prog;

    if (!capabilities_set(1ull << CAP_SYS_ADMIN | 1ull << CAP_PERFMON, saved))
        return -EPERM;
    prog = linux_prog_load(insns, count, NULL, 0, false);
    capabilities_set(0, saved);
    if (prog < 0)
        return prog;
    close(prog);
    return 0;
}

int linux_prog_run(int prog, struct linux_run *run)
{
    struct xdp_md in = { .data = run->in_meta_bytes, .data_end = run->in_bytes }, out = { 0 };
    union bpf_attr attr = { 0 };
    int result;

    attr.test.prog_fd = (uint32_t)prog;
    attr.test.repeat = 1;
    attr.test.data_in = address_of(run->in);
    attr.test.data_size_in = run->in_bytes;
    attr.test.data_out = address_of(run->out);
    attr.test.data_size_out = run->out_bytes;
    attr.test.ctx_in = address_of(&in);
    attr.test.ctx_size_in = sizeof(in);
    attr.test.ctx_out = address_of(&out);
    attr.test.ctx_size_out = sizeof(out);
    result = bpf_call(BPF_PROG_TEST_RUN, &attr);
    run->retval = attr.test.retval;
    run->out_bytes = attr.test.data_size_out;
    run->out_meta_bytes = out.data;
    return result;
}
