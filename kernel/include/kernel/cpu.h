/*
 * One CPU's own state, reached through GS (one instruction, no lock), and the instructions that
 * have no C spelling. Kernel builds only: pure code does not include this.
 */
#ifndef KERNEL_CPU_H
#define KERNEL_CPU_H

#include <kernel/lib.h>

#define CPU_MAX 16

/* What the CPU's time is spent on: kernel/cputime.h. */
enum cputime {
    CPUTIME_MAIN, /* boot, the main loop, the console's commands */
    CPUTIME_IRQ,
    CPUTIME_SOFTIRQ,
    CPUTIME_APP,
    CPUTIME_IDLE, /* halted */
    CPUTIME_COUNT,
};

struct cpu {
    struct cpu *self; /* offset 0: what gs:0 reads */
    unsigned index;
    uint32_t apic_id;

    /* context.h and softirq.h; written by this CPU only */
    unsigned irq_depth;        /* > 0 in a top half */
    unsigned softirq_disabled; /* nesting of softirq_disable(), in main context */
    bool in_softirq;
    bool softirq_deferred; /* a round hit its bound: the main loop goes on with it */
    uint32_t softirq_pending;

    /* kernel/cputime.h; written by this CPU only */
    enum cputime cputime_state;
    uint64_t cputime_since; /* TSC at the last change */
    uint64_t cputime_ticks[CPUTIME_COUNT];
};

static inline struct cpu *this_cpu(void)
{
    struct cpu *cpu;
    /* volatile is not wanted: a CPU never changes under running code, so the load may be reused */
    __asm__("movq %%gs:0, %0" : "=r"(cpu));
    return cpu;
}

/* CPU features that the kernel chooses by (CPUID, Intel SDM vol 2A). Filled by cpu_init(). */
struct cpu_features {
    bool x2apic, tsc_deadline, rdrand, rdseed, nx, page_1g, invariant_tsc, smep, smap, umip, erms;
    char brand[49];
};
extern struct cpu_features cpu_features;

/* Own GDT, TSS with separate stacks for #DF, NMI and #MC, GS base, control registers: first
 * thing at boot. SSE and x87 are switched off (CR0.EM), so that a stray one is an exception. */
void cpu_init(void);

/* False until cpu_init() has set this_cpu() up: for reports that may come before that. */
bool cpu_is_up(void);

static inline void irq_disable(void)
{
    __asm__ volatile("cli" ::: "memory");
}
static inline void irq_enable(void)
{
    __asm__ volatile("sti" ::: "memory");
}

static inline bool irq_enabled(void)
{
    unsigned long flags;
    __asm__ volatile("pushfq; popq %0" : "=r"(flags));
    return flags & (1ul << 9);
}

/* Nestable: returns what irq_restore() wants back. */
static inline bool irq_save(void)
{
    bool was_enabled = irq_enabled();
    irq_disable();
    return was_enabled;
}

static inline void irq_restore(bool was_enabled)
{
    if (was_enabled)
        irq_enable();
}

/*
 * Sleep until an interrupt. Interrupts must be off and are on when it returns. STI takes effect
 * after the *next* instruction (SDM vol 2B, STI), so an interrupt that came since the caller
 * looked for work still ends the HLT: no wake-up is lost between the two.
 */
static inline void cpu_sti_hlt(void)
{
    __asm__ volatile("sti; hlt" ::: "memory");
}

static inline void cpu_relax(void)
{
    __asm__ volatile("pause" ::: "memory");
}

static inline uint64_t rdtsc(void)
{
    uint32_t lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (uint64_t)hi << 32 | lo;
}

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t lo, hi;
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return (uint64_t)hi << 32 | lo;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr"
                     :
                     : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}

static inline void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
                     : "a"(leaf), "c"(subleaf));
}

#endif
