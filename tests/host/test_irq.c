/* Vectors, dispatch, the I/O APICs and the 8259s, on registers that the test keeps. */
#include "fake_hw.h"
#include "fakes.h"
#include "ioapic.h"
#include "irq_local.h"
#include "lapic.h"
#include "trap.h"
#include <kernel/softirq.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* ---------------------------------------------------------------- the machine */

static struct io_apic {
    uint64_t phys;
    uint32_t version, index;
    uint32_t redirect[64];
    uint8_t window[0x20]; /* only its addresses matter */
} io_apics[3] = {
    { .phys = 0xfec00000, .version = 23u << 16 | 0x20 },
    { .phys = 0xfec10000, .version = 7u << 16 | 0x20 },
    { .phys = 0xfec20000, .version = 0xffffffff }, /* nobody there */
};
static struct acpi_info acpi = {
    .ioapic_count = 3,
    .ioapic = { { 0xfec00000, 0 }, { 0xfec10000, 24 }, { 0xfec20000, 32 } },
    .override_count = 2,
    .override = { { 0, 2, false, false }, { 9, 20, true, true } },
};
static unsigned eois, exits, lapic_inits;
static int in_service = -1;
static uint8_t pic_log[2][8];
static unsigned pic_count[2];

const struct acpi_info *acpi_info(void)
{
    return &acpi;
}
void lapic_init(void)
{
    lapic_inits++;
}
uint32_t lapic_id(void)
{
    return 7;
}
void lapic_eoi(void)
{
    eois++;
}
bool lapic_in_service(unsigned vector)
{
    return (int)vector == in_service;
}
uint32_t lapic_take_errors(void)
{
    return 0x80;
}

void softirq_irq_exit(void)
{
    assert_int_equal(fake_cpu.irq_depth, 0);
    assert_false(fake_irqs_on);
    exits++;
}

volatile void *paging_map_mmio(uint64_t phys, uint64_t bytes)
{
    assert_true(bytes >= 0x14);
    for (unsigned i = 0; i < 3; i++) {
        if (io_apics[i].phys == phys)
            return io_apics[i].window;
    }
    fail();
    return NULL;
}

static struct io_apic *find(const volatile void *where, size_t *offset)
{
    for (unsigned i = 0; i < 3; i++) {
        uintptr_t base = (uintptr_t)io_apics[i].window, p = (uintptr_t)where;

        if (p >= base && p < base + 0x20) {
            *offset = p - base;
            return &io_apics[i];
        }
    }
    fail();
    return NULL;
}

uint32_t fake_mmio_read(const volatile void *where, unsigned bytes)
{
    size_t offset;
    struct io_apic *io = find(where, &offset);

    assert_int_equal(bytes, 4);
    assert_int_equal(offset, 0x10);
    return io->index == 1 ? io->version : io->redirect[io->index - 0x10];
}

void fake_mmio_write(volatile void *where, uint32_t value, unsigned bytes)
{
    size_t offset;
    struct io_apic *io = find(where, &offset);

    assert_int_equal(bytes, 4);
    if (offset == 0) {
        io->index = value;
        return;
    }
    assert_in_range(io->index, 0x10, 0x10 + 63);
    /* A line may change its vector or destination only while it is masked. */
    if ((io->index & 1) != 0)
        assert_true(io->redirect[io->index - 0x11] & 1u << 16);
    io->redirect[io->index - 0x10] = value;
}

void fake_out(uint16_t port, uint32_t value, unsigned bytes)
{
    unsigned chip = port >= 0xa0;

    assert_int_equal(bytes, 1);
    assert_true(port == 0x20 || port == 0x21 || port == 0xa0 || port == 0xa1);
    pic_log[chip][pic_count[chip]++] = (uint8_t)value;
}

static int setup(void **state)
{
    (void)state;
    fake_cpu.irq_depth = 0;
    fake_irqs_on = false;
    eois = exits = 0;
    in_service = -1;
    return 0;
}

/* ---------------------------------------------------------------- tests */

static unsigned handled;
static void *handled_arg;

static void handler(void *arg)
{
    assert_int_equal(context_current(), CONTEXT_IRQ);
    assert_int_equal(eois, 0); /* the device is quiet before the end of interrupt */
    handled++;
    handled_arg = arg;
}

static void handler_that_lets_interrupts_in(void *arg)
{
    (void)arg;
    fake_irqs_on = true;
}

static bool find_info(int wanted, const char **name, const char **controller, uint64_t *count)
{
    struct irq_info info;

    for (unsigned i = 0; irq_info(i, &info); i++) {
        if (info.vector == wanted) {
            *name = info.name;
            *controller = info.controller;
            *count = info.count;
            return true;
        }
    }
    return false;
}

static void init_silences_everything(void **state)
{
    static const uint8_t pic1[] = { 0x11, 0x20, 0x04, 0x01, 0xff };
    static const uint8_t pic2[] = { 0x11, 0x28, 0x02, 0x01, 0xff };

    (void)state;
    assert_int_equal(lapic_inits, 1);
    assert_int_equal(fake_cpu.apic_id, 7);
    assert_int_equal(pic_count[0], 5);
    assert_memory_equal(pic_log[0], pic1, 5);
    assert_int_equal(pic_count[1], 5);
    assert_memory_equal(pic_log[1], pic2, 5);
    for (unsigned line = 0; line < 24; line++)
        assert_int_equal(io_apics[0].redirect[2 * line], 1u << 16);
    for (unsigned line = 0; line < 8; line++)
        assert_int_equal(io_apics[1].redirect[2 * line], 1u << 16);
}

static void a_requested_vector_is_dispatched_counted_and_ended(void **state)
{
    int vector = irq_request("net rx", handler, &handled);
    const char *name, *controller;
    uint64_t count;

    (void)state;
    assert_in_range(vector, 0x30, 0xef);
    irq_dispatch((unsigned)vector);
    assert_int_equal(handled, 1);
    assert_ptr_equal(handled_arg, &handled);
    assert_int_equal(eois, 1);
    assert_int_equal(exits, 1);
    assert_true(find_info(vector, &name, &controller, &count));
    assert_string_equal(name, "net rx");
    assert_int_equal(count, 1);
    assert_int_equal(irq_msi_address(vector), 0xfee07000);
    assert_int_equal(irq_msi_data(vector), vector);
    assert_true(find_info(vector, &name, &controller, &count));
    assert_string_equal(controller, "PCI-MSI-X");
}

static void a_line_is_routed_with_its_mode(void **state)
{
    int a = irq_request("edge", handler, NULL), b = irq_request("level", handler, NULL);
    const char *name, *controller;
    uint64_t count;

    (void)state;
    assert_true(irq_route_gsi(4, a, false, false));
    assert_int_equal(io_apics[0].redirect[8], a);
    assert_int_equal(io_apics[0].redirect[9], 7u << 24);
    assert_true(irq_route_gsi(26, b, true, true)); /* the second one's line 2 */
    assert_int_equal(io_apics[1].redirect[4], (unsigned)b | 1u << 13 | 1u << 15);
    assert_true(find_info(a, &name, &controller, &count));
    assert_string_equal(controller, "IO-APIC 4-edge");
    assert_true(find_info(b, &name, &controller, &count));
    assert_string_equal(controller, "IO-APIC 26-level");
    assert_false(irq_route_gsi(32, a, false, false)); /* the absent one's */
    assert_false(irq_route_gsi(UINT32_MAX, a, false, false));
    assert_true(irq_route_gsi(4, a, true, false)); /* again, otherwise */
    assert_int_equal(io_apics[0].redirect[8], (unsigned)a | 1u << 15);
}

static void isa_lines_follow_the_overrides(void **state)
{
    bool level = true, low = true;

    (void)state;
    assert_int_equal(irq_isa_gsi(4, &level, &low), 4);
    assert_false(level || low);
    assert_int_equal(irq_isa_gsi(0, &level, &low), 2);
    assert_int_equal(irq_isa_gsi(9, &level, &low), 20);
    assert_true(level && low);
}

static void unclaimed_vectors_are_counted_and_ended_only_if_owed(void **state)
{
    struct irq_counts before, after;

    (void)state;
    irq_counts(&before);
    irq_dispatch(VECTOR_SPURIOUS);
    assert_int_equal(eois, 0);
    irq_dispatch(0x27); /* a spurious one of the 8259 */
    assert_int_equal(eois, 0);
    in_service = 0xaa;
    irq_dispatch(0xaa);
    assert_int_equal(eois, 1);
    irq_counts(&after);
    assert_int_equal(after.spurious - before.spurious, 1);
    assert_int_equal(after.unexpected - before.unexpected, 2);
    assert_int_equal(exits, 3);
}

static void the_error_interrupt_is_counted(void **state)
{
    struct irq_counts before, after;

    (void)state;
    irq_counts(&before);
    irq_dispatch(VECTOR_ERROR);
    irq_counts(&after);
    assert_int_equal(after.apic_errors - before.apic_errors, 1);
    assert_int_equal(after.apic_error_status, 0x80);
    assert_int_equal(eois, 1);
}

static void reset_zeroes_all_counts(void **state)
{
    int vector = irq_request("counted", handler, NULL);
    const struct irq_counts zero = { 0 };
    struct irq_counts counts;
    struct irq_info info;

    irq_dispatch((unsigned)vector);
    irq_dispatch(VECTOR_SPURIOUS);
    irq_dispatch(0x27);
    irq_dispatch(VECTOR_ERROR);
    fake_irqs_on = true; /* main context */
    irq_reset_counts();
    assert_true(fake_irqs_on);
    irq_counts(&counts);
    assert_memory_equal(&counts, &zero, sizeof(zero));
    for (unsigned i = 0; irq_info(i, &info); i++)
        assert_true(info.count == 0 && info.ticks == 0);
    setup(state);
    irq_dispatch((unsigned)vector); /* and it goes on from there */
    for (unsigned i = 0; irq_info(i, &info); i++)
        assert_int_equal(info.count, info.vector == vector);
}

static void misuse_panics(void **state)
{
    int bad = irq_request("bad", handler_that_lets_interrupts_in, NULL);

    EXPECT_PANIC(irq_dispatch((unsigned)bad));
    setup(state);
    fake_irqs_on = true;
    EXPECT_PANIC(irq_dispatch((unsigned)bad));
    setup(state);
    fake_cpu.irq_depth = 1;
    EXPECT_PANIC(irq_dispatch((unsigned)bad));
    EXPECT_PANIC(irq_request("in a top half", handler, NULL));
    setup(state);
    EXPECT_PANIC(irq_dispatch(256));
    setup(state);
    EXPECT_PANIC(irq_msi_data(0xe0)); /* not requested */
    EXPECT_PANIC(irq_msi_data(-1));   /* what irq_request() returns when all are taken */
    EXPECT_PANIC(irq_msi_data(0x1000));
    EXPECT_PANIC(irq_set_local(VECTOR_SPURIOUS, "spurious", handler));
    EXPECT_PANIC(irq_set_local(VECTOR_ERROR, "again", handler));
    EXPECT_PANIC(irq_set_local(0x40, "a device's", handler));
    EXPECT_PANIC((void)irq_request(NULL, handler, NULL));
}

static void vectors_run_out_without_touching_the_local_ones(void **state)
{
    int last = 0, vector;

    (void)state;
    while ((vector = irq_request("filler", handler, NULL)) >= 0)
        last = vector;
    assert_int_equal(last, VECTOR_TIMER - 1);
    irq_set_local(VECTOR_TIMER, "timer", handler);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(init_silences_everything, setup),
        cmocka_unit_test_setup(a_requested_vector_is_dispatched_counted_and_ended, setup),
        cmocka_unit_test_setup(a_line_is_routed_with_its_mode, setup),
        cmocka_unit_test_setup(isa_lines_follow_the_overrides, setup),
        cmocka_unit_test_setup(unclaimed_vectors_are_counted_and_ended_only_if_owed, setup),
        cmocka_unit_test_setup(the_error_interrupt_is_counted, setup),
        cmocka_unit_test_setup(reset_zeroes_all_counts, setup),
        cmocka_unit_test_setup(misuse_panics, setup),
        cmocka_unit_test_setup(vectors_run_out_without_touching_the_local_ones, setup),
    };

    irq_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
