/*
 * A machine for host tests of kernel code that talks to the CPU and to ports: included before
 * everything else (-include) in the tests that name it, it takes the place of the privileged
 * instructions in <kernel/cpu.h> and <kernel/io.h> and keeps the rest of both headers as it is.
 * The test defines those of the fake_ functions that it is about.
 */
#ifndef TESTS_FAKE_HW_H
#define TESTS_FAKE_HW_H

#define this_cpu     real_this_cpu
#define irq_disable  real_irq_disable
#define irq_enable   real_irq_enable
#define irq_enabled  real_irq_enabled
#define irq_save     real_irq_save
#define irq_restore  real_irq_restore
#define cpu_sti_hlt  real_cpu_sti_hlt
#define cpu_relax    real_cpu_relax
#define rdtsc        real_rdtsc
#define rdmsr        real_rdmsr
#define wrmsr        real_wrmsr
#define out8         real_out8
#define out16        real_out16
#define out32        real_out32
#define in8          real_in8
#define in16         real_in16
#define in32         real_in32
#define mmio_read32  real_mmio_read32
#define mmio_write32 real_mmio_write32
#define mmio_write8  real_mmio_write8
#include <kernel/cpu.h>
#include <kernel/io.h>
#undef this_cpu
#undef irq_disable
#undef irq_enable
#undef irq_enabled
#undef irq_save
#undef irq_restore
#undef cpu_sti_hlt
#undef cpu_relax
#undef rdtsc
#undef rdmsr
#undef wrmsr
#undef out8
#undef out16
#undef out32
#undef in8
#undef in16
#undef in32
#undef mmio_read32
#undef mmio_write32
#undef mmio_write8

extern struct cpu fake_cpu;
extern bool fake_irqs_on;

uint64_t fake_rdtsc(void);
uint64_t fake_rdmsr(uint32_t msr);
void fake_wrmsr(uint32_t msr, uint64_t value);
uint32_t fake_in(uint16_t port, unsigned bytes);
void fake_out(uint16_t port, uint32_t value, unsigned bytes);
uint32_t fake_mmio_read(const volatile void *at, unsigned bytes);
void fake_mmio_write(volatile void *at, uint32_t value, unsigned bytes);
void fake_irqs_went_on(void); /* interrupts may come in here */
void fake_hlt(void);

static inline struct cpu *this_cpu(void)
{
    return &fake_cpu;
}
static inline bool irq_enabled(void)
{
    return fake_irqs_on;
}
static inline void irq_disable(void)
{
    fake_irqs_on = false;
}

static inline void irq_enable(void)
{
    fake_irqs_on = true;
    fake_irqs_went_on();
}

static inline bool irq_save(void)
{
    bool was_enabled = fake_irqs_on;

    fake_irqs_on = false;
    return was_enabled;
}

static inline void irq_restore(bool was_enabled)
{
    if (was_enabled)
        irq_enable();
}

static inline void cpu_sti_hlt(void)
{
    fake_hlt();
    fake_irqs_on = true;
}

static inline void cpu_relax(void) {}
static inline uint64_t rdtsc(void)
{
    return fake_rdtsc();
}
static inline uint64_t rdmsr(uint32_t msr)
{
    return fake_rdmsr(msr);
}
static inline void wrmsr(uint32_t msr, uint64_t value)
{
    fake_wrmsr(msr, value);
}
static inline void out8(uint16_t port, uint8_t v)
{
    fake_out(port, v, 1);
}
static inline void out16(uint16_t port, uint16_t v)
{
    fake_out(port, v, 2);
}
static inline void out32(uint16_t port, uint32_t v)
{
    fake_out(port, v, 4);
}
static inline uint8_t in8(uint16_t port)
{
    return (uint8_t)fake_in(port, 1);
}
static inline uint16_t in16(uint16_t port)
{
    return (uint16_t)fake_in(port, 2);
}
static inline uint32_t in32(uint16_t port)
{
    return fake_in(port, 4);
}
static inline uint32_t mmio_read32(const volatile void *p)
{
    return fake_mmio_read(p, 4);
}
static inline void mmio_write32(volatile void *p, uint32_t v)
{
    fake_mmio_write(p, v, 4);
}
static inline void mmio_write8(volatile void *p, uint8_t v)
{
    fake_mmio_write(p, v, 1);
}

#endif
