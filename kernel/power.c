/*
 * Reboot and power off (ACPI 6.4 §4.8.3.2 PM1 control, §4.8.3.6 reset register), and what is left
 * where ACPI does not do it: the chipset's reset register, the keyboard controller, a triple
 * fault.
 */
#include <kernel/acpi.h>
#include <kernel/cpu.h>
#include <kernel/io.h>
#include <kernel/power.h>
#include <kernel/serial.h>
#include <kernel/time.h>

#define PM1_SCI_EN        (1u << 0)
#define PM1_SLP_TYP_SHIFT 10
#define PM1_SLP_TYP_MASK  (7u << PM1_SLP_TYP_SHIFT)
#define PM1_SLP_EN        (1u << 13)

#define RESET_PORT      0xcf9 /* Intel chipsets, and QEMU's */
#define RESET_HARD      0x02
#define RESET_CPU       0x04
#define PCI_ADDRESS     0xcf8
#define PCI_DATA        0xcfc
#define KBC_STATUS      0x64
#define KBC_INPUT_FULL  0x02
#define KBC_PULSE_RESET 0xfe

/* How long each way is given before the next one is tried. */
#define PATIENCE_NS (100 * NS_PER_MS)

_Noreturn void power_halt(void)
{
    for (;;)
        __asm__ volatile("cli; hlt" ::: "memory");
}

static void reset_by_acpi(const struct acpi_info *acpi)
{
    uint64_t at = acpi->reset_address;

    if (!acpi->has_reset)
        return;
    if (acpi->reset_space == 1) {
        out8((uint16_t)at, acpi->reset_value);
    } else if (acpi->reset_space == 0 && acpi_reset_mmio() != NULL) {
        mmio_write8(acpi_reset_mmio(), acpi->reset_value);
    } else if (acpi->reset_space == 2) {
        /* On bus 0: device in bits 32-47, function in 16-31, offset in 0-15 (§5.2.3.2) */
        uint32_t device = (uint32_t)(at >> 32) & 0x1f, function = (uint32_t)(at >> 16) & 7;

        out32(PCI_ADDRESS, 1u << 31 | device << 11 | function << 8 | (uint32_t)(at & 0xfc));
        out8((uint16_t)(PCI_DATA + (at & 3)), acpi->reset_value);
    }
    time_spin_ns(PATIENCE_NS);
}

static void reset_by_chipset(void)
{
    out8(RESET_PORT, RESET_HARD);
    out8(RESET_PORT, RESET_HARD | RESET_CPU); /* the rising edge does it */
    time_spin_ns(PATIENCE_NS);
}

static void reset_by_keyboard_controller(void)
{
    /* Where there is none the port reads as 0xff: bounded. */
    for (unsigned i = 0; i < 10000 && (in8(KBC_STATUS) & KBC_INPUT_FULL); i++)
        cpu_relax();
    out8(KBC_STATUS, KBC_PULSE_RESET);
    time_spin_ns(PATIENCE_NS);
}

/* With no IDT an exception cannot be delivered, nor the one for that, and the CPU gives up. */
static _Noreturn void reset_by_triple_fault(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) idt = { 0, 0 };

    for (;;)
        __asm__ volatile("lidt %0; int3" : : "m"(idt));
}

_Noreturn void power_reboot(void)
{
    irq_disable();
    reset_by_acpi(acpi_info());
    reset_by_chipset();
    reset_by_keyboard_controller();
    reset_by_triple_fault();
}

/* A machine that came up in legacy mode ignores PM1 until it is told (§4.8.2.5). */
static void enter_acpi_mode(const struct acpi_info *acpi)
{
    if (acpi->smi_port == 0 || (in16(acpi->pm1a_control_port) & PM1_SCI_EN))
        return;
    out8(acpi->smi_port, acpi->acpi_enable);
    for (unsigned ms = 0; ms < 100 && !(in16(acpi->pm1a_control_port) & PM1_SCI_EN); ms++)
        time_spin_ns(NS_PER_MS);
}

static void write_pm1(uint16_t port, uint8_t type)
{
    uint16_t value;

    if (port == 0)
        return;
    value = in16(port) & (uint16_t) ~(PM1_SLP_TYP_MASK | PM1_SLP_EN);
    value |= (uint16_t)(type << PM1_SLP_TYP_SHIFT);
    out16(port, value); /* the type first, then the type with the trigger (§4.8.3.2.1) */
    out16(port, value | PM1_SLP_EN);
}

_Noreturn void power_off(void)
{
    const struct acpi_info *acpi = acpi_info();

    irq_disable();
    if (acpi->has_s5 && acpi->pm1a_control_port != 0) {
        enter_acpi_mode(acpi);
        write_pm1(acpi->pm1a_control_port, acpi->s5_type_a);
        write_pm1(acpi->pm1b_control_port, acpi->s5_type_b);
        time_spin_ns(PATIENCE_NS);
    }
    serial_puts_polled("power: ACPI could not switch the machine off; it is halted and may be "
                       "switched off by hand\n");
    power_halt();
}
