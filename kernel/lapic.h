/*
 * The local APIC: xAPIC (registers in memory) or x2APIC (registers as MSRs), Intel SDM vol 3
 * chapter 11. Private to kernel/.
 */
#ifndef KERNEL_LAPIC_H
#define KERNEL_LAPIC_H

#include <kernel/lib.h>

/* Vectors that no irq_request() gets. The timer's is in a class above all devices. */
#define VECTOR_TIMER    0xf0
#define VECTOR_ERROR    0xfe
#define VECTOR_SPURIOUS 0xff /* low four bits set, as old APICs want it */

/* Registers, as byte offsets of the xAPIC page; the x2APIC's MSR is 0x800 + (offset >> 4). */
enum lapic_reg {
    LAPIC_ID = 0x020,
    LAPIC_VERSION = 0x030,
    LAPIC_TPR = 0x080,
    LAPIC_EOI = 0x0b0,
    LAPIC_LDR = 0x0d0,
    LAPIC_SVR = 0x0f0,
    LAPIC_ISR = 0x100, /* 8 registers of 32 vectors, 0x10 apart */
    LAPIC_ESR = 0x280,
    LAPIC_LVT_CMCI = 0x2f0,
    LAPIC_ICR = 0x300, /* its high half is at 0x310 in xAPIC mode */
    LAPIC_ICR_HIGH = 0x310,
    LAPIC_LVT_TIMER = 0x320,
    LAPIC_LVT_THERMAL = 0x330,
    LAPIC_LVT_PERF = 0x340,
    LAPIC_LVT_LINT0 = 0x350,
    LAPIC_LVT_LINT1 = 0x360,
    LAPIC_LVT_ERROR = 0x370,
    LAPIC_TIMER_INITIAL = 0x380,
    LAPIC_TIMER_CURRENT = 0x390,
    LAPIC_TIMER_DIVIDE = 0x3e0,
};

/* The seam between the two kinds: everything else in lapic.c is common. */
uint32_t lapic_read(enum lapic_reg reg);
void lapic_write(enum lapic_reg reg, uint32_t value);

/*
 * Switch it on (x2APIC where the CPU has it), with every local source masked but NMI and errors.
 * Boot; a second call does nothing: time_init() needs the timer before irq_init() runs.
 */
void lapic_init(void);

uint32_t lapic_id(void);
bool lapic_is_x2apic(void);

void lapic_eoi(void);
/* True while the vector is in service: an end-of-interrupt is owed for it. */
bool lapic_in_service(unsigned vector);

/* A fixed interrupt to another CPU (or, by its own id, to itself). Any context. */
void lapic_send_ipi(uint32_t apic_id, unsigned vector);

/* The error interrupt: read, clear and return the error status register. */
uint32_t lapic_take_errors(void);

/*
 * The timer. For calibration it counts down freely from 2^32 - 1 with its interrupt masked:
 * lapic_timer_count() falls by one a tick. lapic_timer_init() then chooses TSC-deadline mode
 * where offered, one-shot mode at ticks_hz otherwise.
 */
void lapic_timer_free_run(void);
uint32_t lapic_timer_count(void);
void lapic_timer_init(uint64_t ticks_hz);
const char *lapic_timer_mode(void); /* "TSC-deadline" or "one-shot" */

/*
 * One interrupt on VECTOR_TIMER in delta_ns from now or as soon as the hardware can (0). What is
 * further away than it can count comes earlier, at its limit: the caller sets it again then.
 */
void lapic_timer_set(uint64_t delta_ns);
void lapic_timer_stop(void);

#endif
