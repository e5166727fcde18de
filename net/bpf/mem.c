/*
 * Where programs and maps have their memory: the kernel's heap, and for compiled code pages that
 * are writable until they are sealed, executable then, and never both (kernel/exec.h). The host's
 * is tests/host/fake_bpf_mem.c.
 */
#include "prog.h"
#include <kernel/exec.h>
#include <kernel/kmalloc.h>
#include <kernel/softirq.h>
#include <string.h>

void *bpf_mem_alloc(size_t bytes)
{
    void *p;

    if (bytes > BPF_MAP_BYTES_MAX)
        return NULL;
    softirq_disable();
    p = kmalloc(bytes);
    softirq_enable();
    return p != NULL ? memset(p, 0, bytes) : NULL; /* packets go on meanwhile: it may be 4 MiB */
}

void bpf_mem_free(void *p)
{
    softirq_disable();
    kfree(p);
    softirq_enable();
}

void *bpf_exec_alloc(size_t bytes)
{
    void *p;

    softirq_disable();
    p = exec_alloc(bytes);
    softirq_enable();
    return p;
}

void bpf_exec_seal(void *p)
{
    softirq_disable();
    exec_seal(p);
    softirq_enable();
}

void bpf_exec_free(void *p)
{
    softirq_disable();
    exec_free(p);
    softirq_enable();
}
