/*
 * The local APIC (Intel SDM vol 3 chapter 11; x2APIC: §11.12; TSC-deadline: §11.5.4.1).
 */
#include "lapic.h"
#include <kernel/cpu.h>
#include <kernel/io.h>
#include <kernel/muldiv.h>
#include <kernel/page.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/time.h>

#define MSR_APIC_BASE     0x1b /* IA32_APIC_BASE, SDM vol 3 §11.4.4 */
#define APIC_BASE_EXTD    (1u << 10)
#define APIC_BASE_ENABLE  (1u << 11)
#define APIC_BASE_ADDRESS 0x000ffffffffff000ull
#define MSR_X2APIC        0x800
#define MSR_TSC_DEADLINE  0x6e0 /* IA32_TSC_DEADLINE */

#define SVR_ENABLE        (1u << 8)
#define LVT_MASKED        (1u << 16)
#define LVT_NMI           (4u << 8)
#define LVT_ONE_SHOT      (0u << 17)
#define LVT_TSC_DEADLINE  (2u << 17)
#define ICR_ASSERT        (1u << 14)
#define ICR_PENDING       (1u << 12)
#define TIMER_DIVIDE_BY_1 0xbu
#define TIMER_COUNT_MAX   UINT32_MAX

/* TSC-deadline has no limit of its own; a day keeps every product below far from overflow. */
#define TIMER_DELTA_MAX_NS (86400 * NS_PER_SEC)

static volatile uint8_t *xapic; /* NULL in x2APIC mode */
static bool x2apic, ready, deadline_mode;
static uint64_t ticks_per_ns_32; /* timer ticks a nanosecond, times 2^32 */

uint32_t lapic_read(enum lapic_reg reg)
{
    return x2apic ? (uint32_t)rdmsr(MSR_X2APIC + (reg >> 4)) : mmio_read32(xapic + reg);
}

void lapic_write(enum lapic_reg reg, uint32_t value)
{
    if (x2apic)
        wrmsr(MSR_X2APIC + (reg >> 4), value);
    else
        mmio_write32(xapic + reg, value);
}

/*
 * Into x2APIC mode, or xAPIC mode where the CPU lacks it. The only way into x2APIC mode from off
 * is through xAPIC mode, and there is none back from x2APIC to xAPIC but through off (SDM vol 3
 * §11.12.5), so one that the firmware has left in x2APIC mode stays.
 */
static void switch_on(void)
{
    uint64_t base = rdmsr(MSR_APIC_BASE);

    if (!(base & APIC_BASE_ENABLE)) {
        base = (base & ~(uint64_t)APIC_BASE_EXTD) | APIC_BASE_ENABLE;
        wrmsr(MSR_APIC_BASE, base);
    }
    if (cpu_features.x2apic && !(base & APIC_BASE_EXTD)) {
        base |= APIC_BASE_EXTD;
        wrmsr(MSR_APIC_BASE, base);
    }
    x2apic = (base & APIC_BASE_EXTD) != 0;
    /* The MSR says where the registers are; the MADT only repeats it. */
    if (!x2apic)
        xapic = paging_map_mmio(base & APIC_BASE_ADDRESS, PAGE_SIZE);
}

static void mask_local_sources(void)
{
    unsigned max_lvt = (lapic_read(LAPIC_VERSION) >> 16) & 0xff;

    lapic_write(LAPIC_LVT_TIMER, LVT_MASKED);
    lapic_write(LAPIC_LVT_LINT0, LVT_MASKED); /* the 8259s' way in */
    lapic_write(LAPIC_LVT_LINT1, LVT_NMI);
    if (max_lvt >= 4)
        lapic_write(LAPIC_LVT_PERF, LVT_MASKED);
    if (max_lvt >= 5)
        lapic_write(LAPIC_LVT_THERMAL, LVT_MASKED);
    if (max_lvt >= 6)
        lapic_write(LAPIC_LVT_CMCI, LVT_MASKED);
    lapic_write(LAPIC_LVT_ERROR, VECTOR_ERROR);
}

/* What the firmware took and never acknowledged would hold back its priority class for ever. */
static void acknowledge_leftovers(void)
{
    for (unsigned vector = 255; vector >= 16; vector--) {
        if (lapic_in_service(vector))
            lapic_eoi();
    }
}

void lapic_init(void)
{
    if (ready)
        return;
    switch_on();
    lapic_write(LAPIC_TPR, 0); /* take every class */
    mask_local_sources();
    lapic_write(LAPIC_SVR, SVR_ENABLE | VECTOR_SPURIOUS);
    (void)lapic_take_errors();
    acknowledge_leftovers();
    ready = true;
    printk("lapic: %s, id %u, version 0x%x", x2apic ? "x2APIC" : "xAPIC", lapic_id(),
           lapic_read(LAPIC_VERSION) & 0xff);
}

bool lapic_is_x2apic(void)
{
    return x2apic;
}

uint32_t lapic_id(void)
{
    uint32_t id = lapic_read(LAPIC_ID);

    return x2apic ? id : id >> 24;
}

void lapic_eoi(void)
{
    lapic_write(LAPIC_EOI, 0); /* anything but 0 is a #GP in x2APIC mode */
}

bool lapic_in_service(unsigned vector)
{
    return lapic_read(LAPIC_ISR + (vector / 32) * 0x10) & (1u << (vector % 32));
}

void lapic_send_ipi(uint32_t apic_id, unsigned vector)
{
    uint32_t command = ICR_ASSERT | vector;

    ASSERT(vector >= 32 && vector <= 255);
    if (x2apic) {
        /* One 64-bit MSR. Unlike a store to memory, this WRMSR orders nothing before it (SDM
         * vol 3 §11.12.3), and the other CPU must see what it is called for. */
        __asm__ volatile("mfence; lfence" ::: "memory");
        wrmsr(MSR_X2APIC + (LAPIC_ICR >> 4), (uint64_t)apic_id << 32 | command);
        return;
    }
    ASSERT(apic_id <= 255);
    while (lapic_read(LAPIC_ICR) & ICR_PENDING)
        cpu_relax();
    /* The write of the low half sends it. */
    lapic_write(LAPIC_ICR_HIGH, apic_id << 24);
    lapic_write(LAPIC_ICR, command);
}

uint32_t lapic_take_errors(void)
{
    lapic_write(LAPIC_ESR, 0); /* latches what came since the last write (SDM vol 3 §11.5.3) */
    return lapic_read(LAPIC_ESR);
}

void lapic_timer_free_run(void)
{
    lapic_write(LAPIC_TIMER_DIVIDE, TIMER_DIVIDE_BY_1);
    lapic_write(LAPIC_LVT_TIMER, LVT_MASKED | LVT_ONE_SHOT | VECTOR_TIMER);
    lapic_write(LAPIC_TIMER_INITIAL, TIMER_COUNT_MAX);
}

uint32_t lapic_timer_count(void)
{
    return lapic_read(LAPIC_TIMER_CURRENT);
}

void lapic_timer_init(uint64_t ticks_hz)
{
    lapic_write(LAPIC_TIMER_INITIAL, 0);
    deadline_mode = cpu_features.tsc_deadline;
    if (deadline_mode) {
        lapic_write(LAPIC_LVT_TIMER, LVT_TSC_DEADLINE | VECTOR_TIMER);
        /* The store that selects the mode must be done before the first deadline is written:
         * WRMSR does not wait for stores to memory (SDM vol 3 §11.5.4.1). */
        __asm__ volatile("mfence" ::: "memory");
        return;
    }
    ASSERT(ticks_hz > 0);
    ticks_per_ns_32 = muldiv64(ticks_hz, 1ull << 32, NS_PER_SEC);
    lapic_write(LAPIC_TIMER_DIVIDE, TIMER_DIVIDE_BY_1);
    lapic_write(LAPIC_LVT_TIMER, LVT_ONE_SHOT | VECTOR_TIMER);
}

const char *lapic_timer_mode(void)
{
    return deadline_mode ? "TSC-deadline" : "one-shot";
}

void lapic_timer_set(uint64_t delta_ns)
{
    uint64_t ticks;

    delta_ns = MIN(delta_ns, TIMER_DELTA_MAX_NS);
    if (deadline_mode) {
        /* A time that has passed fires at once; 0, which would disarm it, passed long ago. */
        wrmsr(MSR_TSC_DEADLINE, rdtsc() + time_ns_to_tsc(delta_ns));
        return;
    }
    /* Rounded up: early is of no use. 0 would stop the timer, and here it never is. */
    ticks = (uint64_t)(((unsigned __int128)delta_ns * ticks_per_ns_32) >> 32) + 1;
    lapic_write(LAPIC_TIMER_INITIAL, (uint32_t)MIN(ticks, TIMER_COUNT_MAX));
}

void lapic_timer_stop(void)
{
    if (deadline_mode)
        wrmsr(MSR_TSC_DEADLINE, 0);
    else
        lapic_write(LAPIC_TIMER_INITIAL, 0);
}
