/*
 * Clocks of known rate. HPET: IA-PC HPET specification 1.0a §2.3; PM timer: ACPI 6.4 §4.8.3.3;
 * PIT: Intel 8254 datasheet, channel 2 behind port 0x61 (no interrupt, and nobody else uses it).
 */
#include "clocksource.h"
#include <kernel/io.h>
#include <kernel/lib.h>
#include <kernel/page.h>

#define HPET_CAPABILITIES  0x000
#define HPET_PERIOD        0x004 /* femtoseconds a tick: the capabilities' high half */
#define HPET_CONFIG        0x010
#define HPET_COUNTER       0x0f0
#define HPET_ENABLE        (1u << 0)
#define HPET_PERIOD_FS_MAX 100000000u /* the specification's limit: 10 MHz or faster */

#define PM_TIMER_TICK_FS 279365115ull /* 3.579545 MHz */
#define PIT_TICK_FS      838095345ull /* 1.193182 MHz */

#define PIT_CHANNEL2        0x42
#define PIT_COMMAND         0x43
#define PIT_CH2_MODE0_16BIT 0xb0 /* channel 2, low then high byte, count down once, binary */
#define PIT_CH2_LATCH       0x80
#define PORT_B              0x61
#define PORT_B_GATE2        0x01
#define PORT_B_SPEAKER      0x02

static volatile uint8_t *hpet;
static uint16_t pm_timer_port;

/* The low half is enough for milliseconds, and cannot be torn. */
static uint64_t hpet_read(void)
{
    return mmio_read32(hpet + HPET_COUNTER);
}

static bool hpet_open(const struct acpi_info *acpi, struct clocksource *out)
{
    uint32_t period;

    if (acpi->hpet_phys == 0)
        return false;
    hpet = paging_map_mmio(acpi->hpet_phys, 0x400);
    period = mmio_read32(hpet + HPET_PERIOD);
    if (period == 0 || period > HPET_PERIOD_FS_MAX)
        return false;
    mmio_write32(hpet + HPET_CONFIG, mmio_read32(hpet + HPET_CONFIG) | HPET_ENABLE);
    *out = (struct clocksource){
        .name = "hpet", .read = hpet_read, .mask = UINT32_MAX, .tick_fs = period
    };
    return true;
}

static uint64_t pm_timer_read(void)
{
    return in32(pm_timer_port);
}

static bool pm_timer_open(const struct acpi_info *acpi, struct clocksource *out)
{
    if (acpi->pm_timer_port == 0)
        return false;
    pm_timer_port = acpi->pm_timer_port;
    *out = (struct clocksource){ .name = "acpi_pm",
                                 .read = pm_timer_read,
                                 .mask = acpi->pm_timer_32bit ? UINT32_MAX : 0xffffff,
                                 .tick_fs = PM_TIMER_TICK_FS };
    return true;
}

static uint64_t pit_read(void)
{
    uint8_t low, high;

    out8(PIT_COMMAND, PIT_CH2_LATCH); /* both bytes of one instant */
    low = in8(PIT_CHANNEL2);
    high = in8(PIT_CHANNEL2);
    return 0xffffu - (uint16_t)(high << 8 | low); /* it counts down */
}

static bool pit_open(struct clocksource *out)
{
    out8(PORT_B, (in8(PORT_B) & ~PORT_B_SPEAKER) | PORT_B_GATE2);
    out8(PIT_COMMAND, PIT_CH2_MODE0_16BIT);
    out8(PIT_CHANNEL2, 0xff);
    out8(PIT_CHANNEL2, 0xff);
    *out = (struct clocksource){
        .name = "pit", .read = pit_read, .mask = 0xffff, .tick_fs = PIT_TICK_FS
    };
    return true; /* whether it counts, calibration finds out */
}

bool clocksource_open(enum clocksource_kind kind, const struct acpi_info *acpi,
                      struct clocksource *out)
{
    switch (kind) {
    case CLOCKSOURCE_HPET:
        return hpet_open(acpi, out);
    case CLOCKSOURCE_PM:
        return pm_timer_open(acpi, out);
    case CLOCKSOURCE_PIT:
        return pit_open(out);
    default:
        return false;
    }
}
