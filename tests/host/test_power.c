/* Reboot and power off: what is written to which port, in which order. */
#include "fake_hw.h"
#include "fakes.h"
#include <kernel/acpi.h>
#include <kernel/power.h>
#include <kernel/serial.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct acpi_info acpi;
static struct write {
    uint16_t port;
    uint32_t value;
    unsigned bytes;
} writes[16];
static unsigned write_count, stop_after;
static jmp_buf out;
static uint16_t pm1_value;
static bool acpi_mode_comes;
static uint8_t reset_register;
static bool reset_in_memory;

const struct acpi_info *acpi_info(void)
{
    return &acpi;
}
volatile void *acpi_reset_mmio(void)
{
    return reset_in_memory ? &reset_register : NULL;
}
void time_spin_ns(uint64_t ns)
{
    fake_time_ns += ns;
}
void serial_puts_polled(const char *text)
{
    assert_non_null(strstr(text, "halted"));
    longjmp(out, 2);
}

void fake_out(uint16_t port, uint32_t value, unsigned bytes)
{
    writes[write_count++] = (struct write){ port, value, bytes };
    if (port == acpi.smi_port && acpi_mode_comes)
        pm1_value |= 1;
    if (port == acpi.pm1a_control_port && bytes == 2)
        pm1_value = (uint16_t)value;
    if (write_count == stop_after)
        longjmp(out, 1);
}

void fake_mmio_write(volatile void *at, uint32_t value, unsigned bytes)
{
    assert_ptr_equal(at, &reset_register);
    assert_int_equal(bytes, 1);
    reset_register = (uint8_t)value;
    longjmp(out, 3);
}

uint32_t fake_in(uint16_t port, unsigned bytes)
{
    if (port == 0x64)
        return 0xff; /* there is no keyboard controller */
    assert_int_equal(bytes, 2);
    assert_true(port == acpi.pm1a_control_port || port == acpi.pm1b_control_port);
    return pm1_value;
}

static int setup(void **state)
{
    (void)state;
    acpi = (struct acpi_info){ .pm1a_control_port = 0x604,
                               .smi_port = 0xb2,
                               .acpi_enable = 2,
                               .has_s5 = true,
                               .s5_type_a = 5,
                               .s5_type_b = 3,
                               .has_reset = true,
                               .reset_space = 1,
                               .reset_address = 0x92,
                               .reset_value = 0x0f };
    pm1_value = 0x0401; /* ACPI mode; a sleep type of before */
    write_count = 0;
    stop_after = 0;
    acpi_mode_comes = reset_in_memory = false;
    fake_irqs_on = true;
    return 0;
}

static void assert_write(unsigned i, uint16_t port, uint32_t value, unsigned bytes)
{
    assert_true(i < write_count);
    assert_int_equal(writes[i].port, port);
    assert_int_equal(writes[i].value, value);
    assert_int_equal(writes[i].bytes, bytes);
}

static void off_writes_the_type_and_then_the_trigger(void **state)
{
    (void)state;
    stop_after = 2;
    if (setjmp(out) == 0)
        power_off();
    assert_write(0, 0x604, 5u << 10 | 1, 2);
    assert_write(1, 0x604, 5u << 10 | 1 | 1u << 13, 2);
    assert_false(fake_irqs_on);
}

static void off_writes_both_blocks(void **state)
{
    (void)state;
    acpi.pm1b_control_port = 0x608;
    stop_after = 4;
    if (setjmp(out) == 0)
        power_off();
    assert_int_equal(writes[3].port, 0x608);
    assert_int_equal(writes[3].value >> 10 & 0xf, 3 | 8);
}

static void off_enters_acpi_mode_first(void **state)
{
    (void)state;
    pm1_value = 0;
    acpi_mode_comes = true;
    stop_after = 3;
    if (setjmp(out) == 0)
        power_off();
    assert_write(0, 0xb2, 2, 1);
    assert_write(2, 0x604, 5u << 10 | 1 | 1u << 13, 2);
}

static void off_that_does_not_work_says_so(void **state)
{
    (void)state;
    pm1_value = 0; /* and ACPI mode never comes: still tried, bounded */
    if (setjmp(out) == 0)
        power_off();
    assert_int_equal(write_count, 3);
    setup(state);
    acpi.has_s5 = false;
    if (setjmp(out) == 0)
        power_off();
    assert_int_equal(write_count, 0);
    setup(state);
    acpi.pm1a_control_port = 0;
    if (setjmp(out) == 0)
        power_off();
    assert_int_equal(write_count, 0);
}

static void reboot_tries_acpi_chipset_and_keyboard_controller(void **state)
{
    (void)state;
    stop_after = 4;
    if (setjmp(out) == 0)
        power_reboot();
    assert_write(0, 0x92, 0x0f, 1);
    assert_write(1, 0xcf9, 0x02, 1);
    assert_write(2, 0xcf9, 0x06, 1);
    assert_write(3, 0x64, 0xfe, 1);
    assert_false(fake_irqs_on);
}

static void reboot_without_a_reset_register(void **state)
{
    (void)state;
    acpi.has_reset = false;
    stop_after = 1;
    if (setjmp(out) == 0)
        power_reboot();
    assert_write(0, 0xcf9, 0x02, 1);
}

static void a_reset_register_in_memory_or_in_pci(void **state)
{
    (void)state;
    acpi.reset_space = 0;
    reset_in_memory = true;
    if (setjmp(out) == 0)
        power_reboot();
    assert_int_equal(reset_register, 0x0f);
    assert_int_equal(write_count, 0);
    setup(state);
    acpi.reset_space = 2;
    acpi.reset_address = 0x1f000300f6; /* device 31, function 3, offset 0xf6 */
    stop_after = 2;
    if (setjmp(out) == 0)
        power_reboot();
    assert_write(0, 0xcf8, 0x8000fbf4, 4);
    assert_write(1, 0xcfe, 0x0f, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(off_writes_the_type_and_then_the_trigger, setup),
        cmocka_unit_test_setup(off_writes_both_blocks, setup),
        cmocka_unit_test_setup(off_enters_acpi_mode_first, setup),
        cmocka_unit_test_setup(off_that_does_not_work_says_so, setup),
        cmocka_unit_test_setup(reboot_tries_acpi_chipset_and_keyboard_controller, setup),
        cmocka_unit_test_setup(reboot_without_a_reset_register, setup),
        cmocka_unit_test_setup(a_reset_register_in_memory_or_in_pci, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
