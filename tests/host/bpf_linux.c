/* See bpf_linux.h. */
#define _GNU_SOURCE
#include "bpf_linux.h"
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int bpf(enum bpf_cmd command, union bpf_attr *attr)
{
    long result = syscall(SYS_bpf, command, attr, sizeof(*attr));

    return result < 0 ? -errno : (int)result;
}

static uint64_t address(const void *p)
{
    return (uintptr_t)p;
}

bool linux_bpf_permitted(void)
{
    int fd = linux_map_create(BPF_MAP_TYPE_ARRAY, 4, 4, 1, 0);

    return fd >= 0 && linux_close(fd) == 0;
}

int linux_map_create(uint32_t type, uint32_t key_size, uint32_t value_size, uint32_t max_entries,
                     uint32_t flags)
{
    union bpf_attr attr;

    memset(&attr, 0, sizeof(attr));
    attr.map_type = type;
    attr.key_size = key_size;
    attr.value_size = value_size;
    attr.max_entries = max_entries;
    attr.map_flags = flags;
    return bpf(BPF_MAP_CREATE, &attr);
}

static int map_call(enum bpf_cmd command, int fd, const void *key, const void *value,
                    uint64_t flags)
{
    union bpf_attr attr;

    memset(&attr, 0, sizeof(attr));
    attr.map_fd = (uint32_t)fd;
    attr.key = address(key);
    attr.value = address(value); /* and next_key */
    attr.flags = flags;
    return bpf(command, &attr);
}

int linux_map_lookup(int fd, const void *key, void *value)
{
    return map_call(BPF_MAP_LOOKUP_ELEM, fd, key, value, 0);
}

int linux_map_update(int fd, const void *key, const void *value, uint64_t flags)
{
    return map_call(BPF_MAP_UPDATE_ELEM, fd, key, value, flags);
}

int linux_map_delete(int fd, const void *key)
{
    return map_call(BPF_MAP_DELETE_ELEM, fd, key, NULL, 0);
}

int linux_map_next_key(int fd, const void *key, void *next)
{
    return map_call(BPF_MAP_GET_NEXT_KEY, fd, key, next, 0);
}

int linux_close(int fd)
{
    return close(fd);
}

/* "0-7": values are kept for CPUs that may come, too. */
unsigned linux_cpus(void)
{
    FILE *f = fopen("/sys/devices/system/cpu/possible", "r");
    unsigned first = 0, last = 0;

    if (f == NULL)
        return 1;
    if (fscanf(f, "%u-%u", &first, &last) < 2)
        last = first;
    fclose(f);
    return last + 1;
}

int linux_prog_load(const void *insns, size_t count)
{
    static char log[65536];
    union bpf_attr attr;
    int fd;

    memset(&attr, 0, sizeof(attr));
    attr.prog_type = BPF_PROG_TYPE_XDP;
    attr.insns = address(insns);
    attr.insn_cnt = (uint32_t)count;
    attr.license = address("GPL");
    fd = bpf(BPF_PROG_LOAD, &attr); /* without a log, which of a long program has no end */
    if (fd >= 0)
        return fd;
    attr.log_buf = address(log);
    attr.log_size = sizeof(log);
    attr.log_level = 1;
    bpf(BPF_PROG_LOAD, &attr);
    fprintf(stderr, "%s\n", log);
    return fd;
}

uint32_t linux_prog_run(int fd, void *frame, size_t *bytes, size_t room, int *error)
{
    union bpf_attr attr;

    memset(&attr, 0, sizeof(attr));
    attr.test.prog_fd = (uint32_t)fd;
    attr.test.data_in = address(frame);
    attr.test.data_size_in = (uint32_t)*bytes;
    attr.test.data_out = address(frame);
    attr.test.data_size_out = (uint32_t)room;
    *error = bpf(BPF_PROG_TEST_RUN, &attr);
    *bytes = attr.test.data_size_out;
    return attr.test.retval;
}
