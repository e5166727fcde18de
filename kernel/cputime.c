/* Where the CPU's time goes: read, zeroed, shared out. */
#include <kernel/cputime.h>
#include <kernel/lib.h>
#include <kernel/muldiv.h>
#include <kernel/reset.h>
#include <kernel/time.h>

static const char *const names[CPUTIME_COUNT] = {
    [CPUTIME_MAIN] = "main", [CPUTIME_IRQ] = "irq",   [CPUTIME_SOFTIRQ] = "softirq",
    [CPUTIME_APP] = "app",   [CPUTIME_IDLE] = "idle",
};

const char *cputime_name(enum cputime state)
{
    return names[state];
}

void cputime_start(struct cpu *cpu)
{
    cpu->cputime_state = CPUTIME_MAIN;
    cpu->cputime_since = rdtsc();
}

void cputime_read(struct cputime_split *out)
{
    struct cpu *cpu = this_cpu();
    bool irqs = irq_save();

    cputime_switch(cpu, cpu->cputime_state); /* up to now */
    out->total_ns = 0;
    for (unsigned i = 0; i < CPUTIME_COUNT; i++) {
        out->ns[i] = time_tsc_to_ns(cpu->cputime_ticks[i]);
        out->total_ns += out->ns[i];
    }
    irq_restore(irqs);
}

static void cputime_reset(void)
{
    struct cpu *cpu = this_cpu();
    bool irqs = irq_save();

    cputime_switch(cpu, cpu->cputime_state);
    for (unsigned i = 0; i < CPUTIME_COUNT; i++)
        cpu->cputime_ticks[i] = 0;
    irq_restore(irqs);
}
RESETTABLE(cpu, cputime_reset);

/*
 * Shares in hundredths of a per cent, so rounded that they sum to 10000: each is the difference
 * of two roundings of a running sum.
 */
void cputime_shares(const struct cputime_split *split, unsigned share[CPUTIME_COUNT])
{
    uint64_t sum = 0;
    unsigned before = 0;

    for (unsigned i = 0; i < CPUTIME_COUNT; i++) {
        unsigned upto;

        sum += split->ns[i];
        upto = split->total_ns == 0 ? 0 : (unsigned)muldiv64(sum, 10000, split->total_ns);
        share[i] = upto - before;
        before = upto;
    }
}
