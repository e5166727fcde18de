/*
 * The loader's surroundings where it alone is tested: a verifier that takes every program unless
 * told otherwise, no compiler. Included once by a program.
 */
#ifndef TESTS_BPF_OBJECT_SEAM_H
#define TESTS_BPF_OBJECT_SEAM_H

#include "../../net/bpf/object.h"
#include <kernel/softirq.h>
#include <stdlib.h>
#include <string.h>

extern void (*fake_bpf_mem_asked)(size_t bytes);

static unsigned softirqs_disabled;
static const char *verifier_refuses; /* the program of that name */
static unsigned verified;

void softirq_disable(void)
{
    softirqs_disabled++;
}

void softirq_enable(void)
{
    if (softirqs_disabled-- == 0)
        abort();
}

bool bpf_verify(struct bpf_prog *prog, struct bpf_log *log)
{
    if (softirqs_disabled > 0 || prog->verified)
        abort();
    verified++;
    if (verifier_refuses != NULL && strcmp(prog->name, verifier_refuses) == 0) {
        bpf_log_printf(log, "R0 !read_ok\n");
        return false;
    }
    prog->verified = true;
    return true;
}

bool bpf_jit(struct bpf_prog *prog)
{
    if (!prog->verified)
        abort();
    return false;
}

#endif
