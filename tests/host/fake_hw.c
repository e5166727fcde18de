/* A machine where nothing is: each test defines what it is about in place of these. */
#include "fake_hw.h"
#include <stdio.h>
#include <stdlib.h>

#define WEAK __attribute__((weak))

struct cpu fake_cpu;
bool fake_irqs_on;

static _Noreturn void absent(const char *what, uint64_t where)
{
    fprintf(stderr, "fake hardware: unexpected %s of 0x%lx\n", what, where);
    abort();
}

WEAK struct cpu_features cpu_features;

WEAK uint64_t fake_rdtsc(void)
{
    static uint64_t tsc;

    return tsc += 100;
}

WEAK uint64_t fake_rdmsr(uint32_t msr)
{
    absent("rdmsr", msr);
}
WEAK void fake_wrmsr(uint32_t msr, uint64_t value)
{
    absent(value ? "wrmsr" : "wrmsr 0", msr);
}
WEAK uint32_t fake_in(uint16_t port, unsigned bytes)
{
    absent(bytes ? "in" : "", port);
}

WEAK void fake_out(uint16_t port, uint32_t value, unsigned bytes)
{
    absent(value + bytes ? "out" : "", port);
}

WEAK uint32_t fake_mmio_read(const volatile void *at, unsigned bytes)
{
    absent(bytes ? "MMIO read" : "", (uint64_t)at);
}

WEAK void fake_mmio_write(volatile void *at, uint32_t value, unsigned bytes)
{
    absent(value + bytes ? "MMIO write" : "", (uint64_t)at);
}

WEAK void fake_irqs_went_on(void) {}
WEAK void fake_hlt(void)
{
    absent("HLT", 0);
}
