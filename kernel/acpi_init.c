/* This machine's own ACPI tables: where they can be read, and what the log says of them. */
#include <kernel/acpi.h>
#include <kernel/boot.h>
#include <kernel/page.h>
#include <kernel/printk.h>

static struct acpi_info info;
static volatile void *reset_mmio;

/*
 * Tables are in RAM that the firmware named so: the direct map has it. What it only reserved, and
 * what the memory map does not know, is mapped as a device.
 */
static const void *map_tables(uint64_t phys, size_t bytes)
{
    const struct boot_info *boot = boot_info();
    const struct boot_mem_range *range = phys_to_virt(boot->mem_map);

    for (uint64_t i = 0; i < boot->mem_map_count; i++) {
        if (phys < range[i].base || phys - range[i].base >= range[i].bytes)
            continue;
        /* One that begins in RAM must end in the same range, and never in the kernel itself. */
        if (bytes > range[i].bytes - (phys - range[i].base) || range[i].type == BOOT_MEM_KERNEL)
            return NULL;
        if (range[i].type != BOOT_MEM_FIRMWARE)
            return phys_to_virt(phys);
        break;
    }
    if (phys >= 1ull << 40) /* no machine has it there; the mapping would panic beyond 2^52 */
        return NULL;
    return (const void *)paging_map_mmio(phys, bytes);
}

static void map_reset_register(void)
{
    if (info.has_reset && info.reset_space == 0)
        reset_mmio = paging_map_mmio(info.reset_address, 1);
}

void acpi_init(void)
{
    const char *error = acpi_parse(boot_info()->acpi_rsdp, map_tables, &info);

    if (error != NULL)
        printk("acpi: %s", error);
    map_reset_register();
    printk("acpi: %u CPU%s, %u I/O APIC%s, %s%s%s%s", info.cpu_count,
           info.cpu_count == 1 ? "" : "s", info.ioapic_count, info.ioapic_count == 1 ? "" : "s",
           info.hpet_phys != 0 ? "HPET" : "no HPET", info.pm_timer_port != 0 ? ", PM timer" : "",
           info.mcfg_count != 0 ? ", MCFG" : "", info.has_s5 ? ", S5" : "");
}

const struct acpi_info *acpi_info(void)
{
    return &info;
}

volatile void *acpi_reset_mmio(void)
{
    return reset_mmio;
}
