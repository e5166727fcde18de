/* The programs that exist: see prog.h. Registered ones have an id and are found by it. */
#include "prog.h"
#include <kernel/lib.h>
#include <kernel/panic.h>
#include <string.h>

bool bpf_jit_enabled = true;

/* In the order of their ids. Written with softirqs disabled; packets never look here. */
static struct bpf_prog *progs[BPF_PROGS_MAX];
static unsigned prog_count;
static uint32_t last_id;

struct bpf_prog *bpf_prog_new(const char *name)
{
    struct bpf_prog *prog = bpf_mem_alloc(sizeof(*prog));

    if (prog == NULL)
        return NULL;
    prog->refs = 1;
    memcpy(prog->name, name, strnlen(name, sizeof(prog->name) - 1)); /* the rest is zero */
    return prog;
}

bool bpf_prog_register(struct bpf_prog *prog)
{
    ASSERT(prog->id == 0);
    if (prog_count == BPF_PROGS_MAX)
        return false;
    prog->id = ++last_id;
    progs[prog_count++] = prog;
    return true;
}

static void unregister(const struct bpf_prog *prog)
{
    unsigned i = 0;

    while (i < prog_count && progs[i] != prog)
        i++;
    ASSERT(i < prog_count);
    prog_count--;
    for (; i < prog_count; i++)
        progs[i] = progs[i + 1];
}

void bpf_prog_hold(struct bpf_prog *prog)
{
    ASSERT(prog->refs > 0);
    prog->refs++;
}

void bpf_prog_put(struct bpf_prog *prog)
{
    ASSERT(prog->refs > 0);
    if (--prog->refs > 0) {
        bpf_prog_array_collect(); /* who is left may be in a circle */
        return;
    }
    if (prog->id != 0)
        unregister(prog);
    if (prog->image != NULL)
        bpf_exec_free(prog->image);
    bpf_mem_free(prog->jit_offsets);
    bpf_mem_free(prog->insns);
    bpf_mem_free(prog->subprogs);
    for (uint32_t i = 0; i < prog->map_count; i++)
        bpf_map_put(prog->maps[i]); /* which may let go of other programs: prog_array */
    bpf_mem_free(prog);
}

struct bpf_prog *bpf_prog_at(unsigned i)
{
    return i < prog_count ? progs[i] : NULL;
}

struct bpf_prog *bpf_prog_by_id(uint32_t id)
{
    for (unsigned i = 0; i < prog_count; i++)
        if (progs[i]->id == id)
            return progs[i];
    return NULL;
}

struct bpf_prog *bpf_prog_by_name(const char *name)
{
    for (unsigned i = prog_count; i > 0; i--) /* the newest of that name */
        if (strcmp(progs[i - 1]->name, name) == 0)
            return progs[i - 1];
    return NULL;
}
