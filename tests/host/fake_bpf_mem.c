/* The host's memory for programs and maps (net/bpf/prog.h): the heap, so that ASan looks at every
 * access; and pages of their own for code, writable or executable, never both. */
#include "../../net/bpf/prog.h"
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Stands in the first bytes of a block, before the code. */
struct exec_block {
    size_t bytes; /* of the whole mapping */
    uint64_t sealed;
};

void (*fake_bpf_mem_asked)(size_t bytes); /* sees each allocation of the loader and its like */

void *bpf_mem_alloc(size_t bytes)
{
    if (fake_bpf_mem_asked != NULL)
        fake_bpf_mem_asked(bytes);
    return bytes <= BPF_MAP_BYTES_MAX ? calloc(1, bytes > 0 ? bytes : 1) : NULL;
}

void bpf_mem_free(void *p)
{
    free(p);
}

void *bpf_exec_alloc(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t whole = (bytes + sizeof(struct exec_block) + page - 1) & ~(page - 1);
    struct exec_block *block;

    block = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED)
        return NULL;
    block->bytes = whole;
    return block + 1;
}

void bpf_exec_seal(void *p)
{
    struct exec_block *block = (struct exec_block *)p - 1;

    block->sealed = 1;
    if (mprotect(block, block->bytes, PROT_READ | PROT_EXEC) != 0)
        abort();
}

void bpf_exec_free(void *p)
{
    struct exec_block *block = (struct exec_block *)p - 1;

    if (p != NULL)
        munmap(block, block->bytes);
}
