/*
 * A TCG plugin for QEMU: how many instructions the guest has executed, readable while it runs.
 *
 *   qemu-system-x86_64 -smp 1 ... -plugin BUILD/bench/plugin/insn.so,out=FILE
 *                                 [,base=ADDRESS,size=BYTES]   counts per address too: a profile
 *                                 [,each=on]                   count one by one, to check the rest
 *
 * FILE is mapped by QEMU and holds 64-bit counters (struct counters); who maps or reads it sees
 * them grow and disturbs nothing. All the counting is done by QEMU's inline additions, at the
 * head of each translated block: no call, no effect on what the guest sees. A block that is left
 * in its middle by a page fault counts whole; the iterations of rep instructions count one by
 * one. A halted CPU executes nothing, so that waiting costs nothing.
 *
 * The additions are not atomic: one vCPU only. (QEMU takes the argument name "file" for itself.)
 * The interface: qemu-plugin.h, API version 1 (QEMU 4.2 to 8).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "qemu-plugin.h"

#define MAGIC          0x31304e534e494854ull /* "THINSN01" */
#define SIZE_MAX_BYTES (64ull << 20)

/* The file. bench/insn.py reads it. */
struct counters {
    uint64_t magic;
    uint64_t total;      /* instructions since the machine was switched on */
    uint64_t base, size; /* of the profiled addresses; size 0: none */
    uint64_t at[];       /* executions of the instruction at base + i */
};

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

static struct counters *counters;
static bool each;

static void count_block(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    size_t count = qemu_plugin_tb_n_insns(tb);

    (void)id;
    if (!each)
        qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &counters->total,
                                                 count);
    if (!each && counters->size == 0)
        return;
    for (size_t i = 0; i < count; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        uint64_t offset = qemu_plugin_insn_vaddr(insn) - counters->base;

        if (each)
            qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64,
                                                       &counters->total, 1);
        if (offset < counters->size)
            qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64,
                                                       &counters->at[offset], 1);
    }
}

static bool number(const char *text, uint64_t *n)
{
    char *end;

    errno = 0;
    *n = strtoull(text, &end, 0);
    return errno == 0 && end != text && *end == '\0';
}

static int refuse(const char *what, const char *why)
{
    fprintf(stderr, "insn plugin: %s: %s\n", what, why);
    return -1;
}

static int map_file(const char *path, uint64_t base, uint64_t size)
{
    size_t bytes = sizeof(*counters) + size * sizeof(counters->at[0]);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    void *map;

    if (fd < 0 || ftruncate(fd, (off_t)bytes) != 0)
        return refuse(path, strerror(errno));
    map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map == MAP_FAILED)
        return refuse(path, strerror(errno));
    counters = map;
    counters->base = base;
    counters->size = size;
    counters->magic = MAGIC;
    return 0;
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                                           char **argv)
{
    const char *out = NULL;
    uint64_t base = 0, size = 0;

    if (info->system_emulation && info->system.smp_vcpus != 1)
        return refuse("-smp", "the counters are for one vCPU");
    for (int i = 0; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        size_t name = value ? (size_t)(value++ - argv[i]) : 0;

        if (name == 3 && memcmp(argv[i], "out", name) == 0)
            out = value;
        else if (name == 4 && memcmp(argv[i], "base", name) == 0 && number(value, &base))
            continue;
        else if (name == 4 && memcmp(argv[i], "size", name) == 0 && number(value, &size))
            continue;
        else if (name == 4 && memcmp(argv[i], "each", name) == 0)
            each = strcmp(value, "on") == 0;
        else
            return refuse(argv[i], "wanted: out=FILE[,base=ADDRESS,size=BYTES][,each=on]");
    }
    if (out == NULL)
        return refuse("out=FILE", "is missing");
    if (size > SIZE_MAX_BYTES)
        return refuse("size", "more than 64 MiB of code");
    if (map_file(out, base, size) != 0)
        return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, count_block);
    return 0;
}
