/*
 * The local APIC in both its kinds: what reaches the registers in memory, what the MSRs. QEMU's
 * TCG has neither x2APIC nor TSC-deadline, so this is where they are tried.
 */
#include "fake_hw.h"
#include "fakes.h"
#include <kernel/lib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "lapic.c" /* for its state: each test boots anew */

#define BASE 0xfee00000ull

/* ---------------------------------------------------------------- the machine */

static _Alignas(4096) uint8_t page[4096]; /* only its addresses matter */
static uint32_t regs[4096];               /* by register offset, either kind */
static uint64_t apic_base, tsc_deadline, icr_msr, tsc;
static unsigned mmio_accesses, msr_accesses, eois;
static struct write {
    uint32_t where;
    uint64_t value;
} writes[512];
static unsigned write_count;

static void log_write(uint32_t where, uint64_t value)
{
    assert_true(write_count < ARRAY_SIZE(writes));
    writes[write_count++] = (struct write){ where, value };
}

static void reg_written(uint32_t reg, uint32_t value)
{
    if (reg == LAPIC_EOI) {
        assert_int_equal(value, 0);
        eois++;
        for (int v = 255; v >= 0; v--) { /* clears the highest in service */
            uint32_t *isr = &regs[LAPIC_ISR + v / 32 * 0x10];

            if (*isr & 1u << v % 32) {
                *isr &= ~(1u << v % 32);
                break;
            }
        }
    }
    regs[reg] = value;
    if (reg == LAPIC_ESR)
        regs[reg] = 0x40; /* what came since */
    if (reg == LAPIC_TIMER_INITIAL)
        regs[LAPIC_TIMER_CURRENT] = value;
}

uint32_t fake_mmio_read(const volatile void *at, unsigned bytes)
{
    size_t reg = (size_t)((const volatile uint8_t *)at - page);

    assert_int_equal(bytes, 4);
    assert_true(reg < 4096 && reg % 16 == 0);
    assert_int_equal(apic_base >> 10 & 3, 2); /* on, and in xAPIC mode */
    mmio_accesses++;
    return regs[reg];
}

void fake_mmio_write(volatile void *at, uint32_t value, unsigned bytes)
{
    size_t reg = (size_t)((volatile uint8_t *)at - page);

    assert_int_equal(bytes, 4);
    assert_true(reg < 4096 && reg % 16 == 0);
    assert_int_equal(apic_base >> 10 & 3, 2);
    mmio_accesses++;
    log_write((uint32_t)reg, value);
    reg_written((uint32_t)reg, value);
}

uint64_t fake_rdmsr(uint32_t msr)
{
    if (msr == 0x1b)
        return apic_base;
    assert_in_range(msr, 0x800, 0x83f);
    assert_int_equal(apic_base >> 10 & 3, 3);
    msr_accesses++;
    return regs[(msr - 0x800) << 4];
}

void fake_wrmsr(uint32_t msr, uint64_t value)
{
    log_write(msr, value);
    if (msr == 0x1b) {
        /* SDM vol 3 §11.12.5: transitions that would be a #GP */
        unsigned from = apic_base >> 10 & 3, to = value >> 10 & 3;

        assert_true(to == 2 || to == 3 || to == 0);
        assert_false(from == 0 && to == 3);
        assert_false(from == 3 && to == 2);
        assert_false(to == 3 && !cpu_features.x2apic);
        apic_base = value;
        return;
    }
    if (msr == 0x6e0) {
        tsc_deadline = value;
        return;
    }
    assert_in_range(msr, 0x800, 0x83f);
    assert_int_equal(apic_base >> 10 & 3, 3);
    assert_true(msr != 0x831); /* there is no high half of the ICR */
    msr_accesses++;
    if (msr == 0x830)
        icr_msr = value;
    else
        assert_int_equal(value >> 32, 0);
    reg_written((msr - 0x800) << 4, (uint32_t)value);
}

uint64_t fake_rdtsc(void)
{
    return tsc;
}
uint64_t time_ns_to_tsc(uint64_t ns)
{
    return 2 * ns;
}

volatile void *paging_map_mmio(uint64_t phys, uint64_t bytes)
{
    assert_int_equal(phys, BASE);
    assert_int_equal(bytes, 4096);
    return page;
}

static int setup(void **state)
{
    (void)state;
    xapic = NULL;
    x2apic = ready = deadline_mode = false;
    ticks_per_ns_32 = 0;
    memset(regs, 0, sizeof(regs));
    regs[LAPIC_VERSION] = 0x00050014;
    apic_base = BASE | 1u << 8 | 1u << 11; /* the boot CPU's, on, xAPIC */
    cpu_features = (struct cpu_features){ 0 };
    tsc_deadline = icr_msr = 0;
    mmio_accesses = msr_accesses = eois = write_count = 0;
    return 0;
}

static int setup_x2apic(void **state)
{
    setup(state);
    cpu_features.x2apic = true;
    return 0;
}

static bool was_written(uint32_t where, uint64_t value)
{
    for (unsigned i = 0; i < write_count; i++) {
        if (writes[i].where == where && writes[i].value == value)
            return true;
    }
    return false;
}

/* ---------------------------------------------------------------- tests */

static void check_common_state(void)
{
    assert_int_equal(regs[LAPIC_TPR], 0);
    assert_int_equal(regs[LAPIC_SVR], 0x1ff);
    assert_true(regs[LAPIC_LVT_TIMER] & 1u << 16);
    assert_true(regs[LAPIC_LVT_LINT0] & 1u << 16);
    assert_int_equal(regs[LAPIC_LVT_LINT1], 0x400); /* NMI, not masked */
    assert_int_equal(regs[LAPIC_LVT_ERROR], VECTOR_ERROR);
    assert_true(regs[LAPIC_LVT_PERF] & 1u << 16);
    assert_true(regs[LAPIC_LVT_THERMAL] & 1u << 16);
}

static void xapic_uses_memory_only(void **state)
{
    (void)state;
    regs[LAPIC_ID] = 5u << 24;
    lapic_init();
    assert_false(lapic_is_x2apic());
    assert_int_equal(msr_accesses, 0);
    assert_int_equal(lapic_id(), 5);
    check_common_state();
    assert_false(was_written(LAPIC_LVT_CMCI, LVT_MASKED)); /* version says: there is none */
}

static void x2apic_uses_msrs_only(void **state)
{
    (void)state;
    regs[LAPIC_ID] = 0x12345;
    regs[LAPIC_VERSION] = 0x00060015;
    lapic_init();
    assert_true(lapic_is_x2apic());
    assert_int_equal(mmio_accesses, 0);
    assert_int_equal(lapic_id(), 0x12345);
    check_common_state();
    /* The numbers, as the manual's table 11-6 lists them. */
    assert_true(was_written(0x1b, BASE | 0xd00));
    assert_true(was_written(0x808, 0));
    assert_true(was_written(0x80f, 0x1ff));
    assert_true(was_written(0x82f, LVT_MASKED));
    assert_true(was_written(0x832, LVT_MASKED));
    assert_true(was_written(0x837, VECTOR_ERROR));
}

static void from_off_it_goes_through_xapic_mode(void **state)
{
    (void)state;
    apic_base = BASE | 1u << 8;
    lapic_init();
    assert_true(lapic_is_x2apic());
    assert_int_equal(writes[0].value, BASE | 0x900);
    assert_int_equal(writes[1].value, BASE | 0xd00);
}

static void from_off_without_x2apic(void **state)
{
    (void)state;
    apic_base = BASE | 1u << 8;
    lapic_init();
    assert_false(lapic_is_x2apic());
    assert_int_equal(apic_base, BASE | 0x900);
}

static void x2apic_left_by_the_firmware_stays(void **state)
{
    (void)state;
    apic_base = BASE | 0xd00;
    lapic_init();
    assert_true(lapic_is_x2apic());
    assert_int_not_equal(writes[0].where, 0x1b);
}

static void a_second_init_does_nothing(void **state)
{
    unsigned before;

    (void)state;
    lapic_init();
    before = write_count;
    lapic_init();
    assert_int_equal(write_count, before);
}

static void leftovers_of_the_firmware_are_acknowledged(void **state)
{
    (void)state;
    regs[LAPIC_ISR + 0x10] = 1u << 3;            /* vector 35 */
    regs[LAPIC_ISR + 0x70] = 1u << 31 | 1u << 0; /* 255 and 224 */
    assert_int_equal(eois, 0);
    lapic_init();
    assert_int_equal(eois, 3);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(regs[LAPIC_ISR + i * 0x10], 0);
}

static void in_service_looks_at_the_right_bit(void **state)
{
    (void)state;
    lapic_init();
    regs[LAPIC_ISR + 0x20] = 1u << 5;
    assert_true(lapic_in_service(69));
    assert_false(lapic_in_service(68));
    assert_false(lapic_in_service(37));
}

static void eoi_writes_zero(void **state)
{
    (void)state;
    lapic_init();
    write_count = 0;
    lapic_eoi();
    assert_int_equal(write_count, 1);
    assert_int_equal(writes[0].where, lapic_is_x2apic() ? 0x80b : 0xb0);
    assert_int_equal(writes[0].value, 0);
}

static void errors_are_latched_before_they_are_read(void **state)
{
    (void)state;
    lapic_init();
    assert_int_equal(lapic_take_errors(), 0x40);
}

static void an_ipi_is_two_writes_in_xapic_mode(void **state)
{
    (void)state;
    lapic_init();
    write_count = 0;
    lapic_send_ipi(3, 0x41);
    assert_int_equal(write_count, 2);
    assert_int_equal(writes[0].where, 0x310);
    assert_int_equal(writes[0].value, 3u << 24);
    assert_int_equal(writes[1].where, 0x300);
    assert_int_equal(writes[1].value, 0x4041);
    EXPECT_PANIC(lapic_send_ipi(256, 0x41));
    EXPECT_PANIC(lapic_send_ipi(3, 31));
    EXPECT_PANIC(lapic_send_ipi(3, 256));
}

static void an_ipi_is_one_64_bit_msr_in_x2apic_mode(void **state)
{
    (void)state;
    lapic_init();
    write_count = 0;
    lapic_send_ipi(0x10003, 0x41);
    assert_int_equal(write_count, 1);
    assert_int_equal(writes[0].where, 0x830);
    assert_int_equal(writes[0].value, 0x0001000300004041);
}

static void the_one_shot_timer_rounds_up_and_clamps(void **state)
{
    (void)state;
    lapic_init();
    lapic_timer_init(62500000); /* 16 ns a tick */
    assert_string_equal(lapic_timer_mode(), "one-shot");
    assert_int_equal(regs[LAPIC_TIMER_DIVIDE], 0xb);
    assert_int_equal(regs[LAPIC_LVT_TIMER], VECTOR_TIMER);
    assert_int_equal(regs[LAPIC_TIMER_INITIAL], 0);

    lapic_timer_set(0);
    assert_int_equal(regs[LAPIC_TIMER_INITIAL], 1); /* 0 would stop it */
    lapic_timer_set(1600);
    assert_in_range(regs[LAPIC_TIMER_INITIAL], 100, 101);
    lapic_timer_set(1601);
    assert_int_equal(regs[LAPIC_TIMER_INITIAL], 101);
    lapic_timer_set(NS_PER_SEC);
    assert_in_range(regs[LAPIC_TIMER_INITIAL], 62500000, 62500001);
    lapic_timer_set(70 * NS_PER_SEC); /* 4.375e9 ticks: more than it can count */
    assert_int_equal(regs[LAPIC_TIMER_INITIAL], UINT32_MAX);
    lapic_timer_set(UINT64_MAX);
    assert_int_equal(regs[LAPIC_TIMER_INITIAL], UINT32_MAX);
    lapic_timer_stop();
    assert_int_equal(regs[LAPIC_TIMER_INITIAL], 0);
    assert_int_equal(tsc_deadline, 0);
    setup(state);
    lapic_init();
    EXPECT_PANIC(lapic_timer_init(0));
}

static void tsc_deadline_is_absolute_and_never_zero(void **state)
{
    (void)state;
    cpu_features.tsc_deadline = true;
    lapic_init();
    lapic_timer_init(0);
    assert_string_equal(lapic_timer_mode(), "TSC-deadline");
    assert_int_equal(regs[LAPIC_LVT_TIMER], 2u << 17 | VECTOR_TIMER);
    tsc = 1000000;
    lapic_timer_set(500);
    assert_int_equal(tsc_deadline, 1001000);
    lapic_timer_set(0);
    assert_int_equal(tsc_deadline, 1000000); /* now: fires */
    lapic_timer_set(UINT64_MAX);
    assert_int_equal(tsc_deadline, 1000000 + 2 * TIMER_DELTA_MAX_NS);
    assert_int_equal(regs[LAPIC_TIMER_INITIAL], 0);
    lapic_timer_stop();
    assert_int_equal(tsc_deadline, 0);
}

static void for_calibration_it_runs_free_and_masked(void **state)
{
    (void)state;
    lapic_init();
    lapic_timer_free_run();
    assert_true(regs[LAPIC_LVT_TIMER] & 1u << 16);
    assert_int_equal(regs[LAPIC_TIMER_INITIAL], UINT32_MAX);
    regs[LAPIC_TIMER_CURRENT] = 1234;
    assert_int_equal(lapic_timer_count(), 1234);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(xapic_uses_memory_only, setup),
        cmocka_unit_test_setup(x2apic_uses_msrs_only, setup_x2apic),
        cmocka_unit_test_setup(from_off_it_goes_through_xapic_mode, setup_x2apic),
        cmocka_unit_test_setup(from_off_without_x2apic, setup),
        cmocka_unit_test_setup(x2apic_left_by_the_firmware_stays, setup_x2apic),
        cmocka_unit_test_setup(a_second_init_does_nothing, setup),
        cmocka_unit_test_setup(leftovers_of_the_firmware_are_acknowledged, setup),
        cmocka_unit_test_setup(leftovers_of_the_firmware_are_acknowledged, setup_x2apic),
        cmocka_unit_test_setup(in_service_looks_at_the_right_bit, setup),
        cmocka_unit_test_setup(eoi_writes_zero, setup),
        cmocka_unit_test_setup(eoi_writes_zero, setup_x2apic),
        cmocka_unit_test_setup(errors_are_latched_before_they_are_read, setup),
        cmocka_unit_test_setup(an_ipi_is_two_writes_in_xapic_mode, setup),
        cmocka_unit_test_setup(an_ipi_is_one_64_bit_msr_in_x2apic_mode, setup_x2apic),
        cmocka_unit_test_setup(the_one_shot_timer_rounds_up_and_clamps, setup),
        cmocka_unit_test_setup(the_one_shot_timer_rounds_up_and_clamps, setup_x2apic),
        cmocka_unit_test_setup(tsc_deadline_is_absolute_and_never_zero, setup),
        cmocka_unit_test_setup(tsc_deadline_is_absolute_and_never_zero, setup_x2apic),
        cmocka_unit_test_setup(for_calibration_it_runs_free_and_masked, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
