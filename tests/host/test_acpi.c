/*
 * ACPI tables made by hand in a fake physical memory: good ones, and every kind of bad one that
 * firmware (or an attacker who owns it) can leave behind. Each table is mapped by a copy of
 * exactly the length asked for, so that ASan sees a read of one byte more.
 */
#include "fakes.h"
#include <kernel/acpi.h>
#include <kernel/lib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define MEM_BASE  0x7ff00000ull
#define MEM_BYTES 0x40000
#define RSDP      MEM_BASE
#define RSDT      (MEM_BASE + 0x1000)
#define XSDT      (MEM_BASE + 0x2000)
#define MADT      (MEM_BASE + 0x3000)
#define FADT      (MEM_BASE + 0x4000)
#define HPET      (MEM_BASE + 0x5000)
#define MCFG      (MEM_BASE + 0x6000)
#define DSDT      (MEM_BASE + 0x7000)

static uint8_t mem[MEM_BYTES];
static void *copies[4096];
static unsigned copy_count;
static struct acpi_info info;

static const void *map(uint64_t phys, size_t bytes)
{
    uint8_t *copy;

    assert_true(phys >= 4096 && phys <= UINT64_MAX - bytes); /* never asked for */
    if (phys < MEM_BASE || phys >= MEM_BASE + MEM_BYTES || bytes > MEM_BASE + MEM_BYTES - phys)
        return NULL;
    copy = malloc(bytes);
    memcpy(copy, mem + (phys - MEM_BASE), bytes);
    assert_true(copy_count < ARRAY_SIZE(copies));
    copies[copy_count++] = copy;
    return copy;
}

static const char *parse(void)
{
    const char *error = acpi_parse(RSDP, map, &info);

    while (copy_count > 0)
        free(copies[--copy_count]);
    return error;
}

/* ---------------------------------------------------------------- making tables */

static uint8_t *at(uint64_t phys)
{
    return mem + (phys - MEM_BASE);
}

static void put(uint64_t phys, uint64_t value, unsigned width)
{
    for (unsigned i = 0; i < width; i++)
        at(phys)[i] = (uint8_t)(value >> (8 * i));
}

static void fix_sum(uint64_t phys, size_t bytes, size_t sum_at)
{
    uint8_t sum = 0;

    at(phys)[sum_at] = 0;
    for (size_t i = 0; i < bytes; i++)
        sum = (uint8_t)(sum + at(phys)[i]);
    at(phys)[sum_at] = (uint8_t)-sum;
}

static void finish(uint64_t phys, const char *signature, uint32_t bytes)
{
    memcpy(at(phys), signature, 4);
    put(phys + 4, bytes, 4);
    fix_sum(phys, bytes, 9);
}

static void resum(uint64_t phys)
{
    uint32_t bytes;

    memcpy(&bytes, at(phys) + 4, 4);
    fix_sum(phys, bytes, 9);
}

static uint64_t madt_end;

static void madt_add(const void *entry, size_t bytes)
{
    memcpy(at(madt_end), entry, bytes);
    madt_end += bytes;
    finish(MADT, "APIC", (uint32_t)(madt_end - MADT));
}

#define MADT_ADD(...)                                                                              \
    madt_add((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void dsdt_set(const void *aml, size_t bytes)
{
    memset(at(DSDT), 0, 0x1000);
    memcpy(at(DSDT) + 36, aml, bytes);
    finish(DSDT, "DSDT", (uint32_t)(36 + bytes));
}

#define DSDT_SET(...)                                                                              \
    dsdt_set((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void make_roots(void)
{
    static const uint64_t tables[] = { FADT, MADT, HPET, MCFG };

    for (unsigned i = 0; i < ARRAY_SIZE(tables); i++) {
        put(RSDT + 36 + 4 * i, tables[i], 4);
        put(XSDT + 36 + 8 * i, tables[i], 8);
    }
    finish(RSDT, "RSDT", 36 + 4 * ARRAY_SIZE(tables));
    finish(XSDT, "XSDT", 36 + 8 * ARRAY_SIZE(tables));

    memcpy(at(RSDP), "RSD PTR ", 8);
    at(RSDP)[15] = 2;
    put(RSDP + 16, RSDT, 4);
    put(RSDP + 20, 36, 4);
    put(RSDP + 24, XSDT, 8);
    fix_sum(RSDP, 20, 8);
    fix_sum(RSDP, 36, 32);
}

static void make_fadt(void)
{
    put(FADT + 40, DSDT, 4);
    put(FADT + 48, 0xb2, 4); /* SMI_CMD */
    at(FADT)[52] = 2;        /* ACPI_ENABLE */
    put(FADT + 64, 0x604, 4);
    put(FADT + 76, 0x608, 4);
    at(FADT)[91] = 4;
    put(FADT + 112, 1u << 8 | 1u << 10, 4);
    at(FADT)[116] = 1;
    put(FADT + 120, 0xcf9, 8);
    at(FADT)[128] = 0x0f;
    put(FADT + 140, DSDT, 8);
    at(FADT)[172] = 1;
    put(FADT + 176, 0x604, 8);
    at(FADT)[208] = 1;
    put(FADT + 212, 0x608, 8);
    finish(FADT, "FACP", 244);
}

static int setup(void **state)
{
    (void)state;
    memset(mem, 0, sizeof(mem));
    make_roots();
    make_fadt();
    put(MADT + 36, 0xfee00000, 4);
    madt_end = MADT + 44;
    MADT_ADD(0, 8, 0, 0, 1, 0, 0, 0);
    MADT_ADD(1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0);
    MADT_ADD(2, 10, 0, 0, 2, 0, 0, 0, 0, 0);      /* IRQ 0 -> GSI 2, as the bus */
    MADT_ADD(2, 10, 0, 9, 9, 0, 0, 0, 0x0d, 0);   /* IRQ 9: level, high */
    MADT_ADD(2, 10, 0, 11, 23, 0, 0, 0, 0x0f, 0); /* IRQ 11 -> 23: level, low */
    put(HPET + 44, 0xfed00000, 8);
    finish(HPET, "HPET", 56);
    put(MCFG + 44, 0xb0000000, 8);
    at(MCFG)[44 + 11] = 255;
    finish(MCFG, "MCFG", 60);
    DSDT_SET(0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x0a, 5, 0x0a, 3, 0x00, 0x00);
    return 0;
}

/* ---------------------------------------------------------------- good tables */

static void check_all(void)
{
    assert_int_equal(info.lapic_phys, 0xfee00000);
    assert_int_equal(info.cpu_count, 1);
    assert_int_equal(info.cpu_apic_id[0], 0);
    assert_int_equal(info.ioapic_count, 1);
    assert_int_equal(info.ioapic[0].phys, 0xfec00000);
    assert_int_equal(info.ioapic[0].gsi_base, 0);
    assert_int_equal(info.override_count, 3);
    assert_int_equal(info.override[0].gsi, 2);
    assert_false(info.override[0].level_triggered);
    assert_false(info.override[0].active_low);
    assert_true(info.override[1].level_triggered);
    assert_false(info.override[1].active_low);
    assert_int_equal(info.override[2].isa_irq, 11);
    assert_int_equal(info.override[2].gsi, 23);
    assert_true(info.override[2].level_triggered);
    assert_true(info.override[2].active_low);
    assert_int_equal(info.pm_timer_port, 0x608);
    assert_true(info.pm_timer_32bit);
    assert_int_equal(info.hpet_phys, 0xfed00000);
    assert_int_equal(info.pm1a_control_port, 0x604);
    assert_int_equal(info.pm1b_control_port, 0);
    assert_int_equal(info.smi_port, 0xb2);
    assert_int_equal(info.acpi_enable, 2);
    assert_true(info.has_s5);
    assert_int_equal(info.s5_type_a, 5);
    assert_int_equal(info.s5_type_b, 3);
    assert_true(info.has_reset);
    assert_int_equal(info.reset_space, 1);
    assert_int_equal(info.reset_address, 0xcf9);
    assert_int_equal(info.reset_value, 0x0f);
    assert_int_equal(info.mcfg_count, 1);
    assert_int_equal(info.mcfg[0].phys, 0xb0000000);
    assert_int_equal(info.mcfg[0].bus_last, 255);
}

static void everything_is_found_through_the_xsdt(void **state)
{
    (void)state;
    memset(at(RSDT), 0xff, 36); /* not to be looked at */
    assert_null(parse());
    check_all();
}

static void revision_0_goes_by_the_rsdt(void **state)
{
    (void)state;
    at(RSDP)[15] = 0;
    memset(at(RSDP) + 20, 0xff, 16); /* not part of it */
    fix_sum(RSDP, 20, 8);
    memset(at(XSDT), 0xff, 36);
    assert_null(parse());
    check_all();
}

static void a_bad_xsdt_falls_back_to_the_rsdt_and_says_so(void **state)
{
    (void)state;
    at(XSDT)[40] ^= 1;
    assert_string_equal(parse(), "a table has a wrong checksum");
    check_all();
}

static void a_bad_extended_checksum_falls_back_to_the_rsdt(void **state)
{
    (void)state;
    at(RSDP)[33] ^= 1;
    assert_non_null(parse());
    check_all();
    setup(state);
    put(RSDP + 20, 0xffffffff, 4); /* a length beyond all memory */
    assert_non_null(parse());
    check_all();
    setup(state);
    put(RSDP + 20, 0, 4);
    fix_sum(RSDP, 36, 32);
    assert_non_null(parse());
    check_all();
}

static void cpus_are_counted_once_and_only_enabled_ones(void **state)
{
    (void)state;
    MADT_ADD(0, 8, 1, 1, 1, 0, 0, 0);
    MADT_ADD(0, 8, 2, 2, 0, 0, 0, 0);                                /* not enabled */
    MADT_ADD(0, 8, 3, 3, 2, 0, 0, 0);                                /* could be plugged */
    MADT_ADD(9, 16, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0);       /* CPU 1 again */
    MADT_ADD(9, 16, 0, 0, 0x34, 0x12, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0); /* 0x1234 */
    assert_null(parse());
    assert_int_equal(info.cpu_count, 3);
    assert_int_equal(info.cpu_apic_id[1], 1);
    assert_int_equal(info.cpu_apic_id[2], 0x1234);
}

static void the_madt_may_move_the_local_apic(void **state)
{
    (void)state;
    MADT_ADD(5, 12, 0, 0, 0, 0, 0, 0xd0, 1, 0, 0, 0);
    MADT_ADD(0xff, 2); /* unknown kinds are skipped */
    assert_null(parse());
    assert_int_equal(info.lapic_phys, 0x1d0000000);
}

static void fadt_fields_beyond_its_end_are_absent(void **state)
{
    (void)state;
    finish(FADT, "FACP", 116); /* revision 1: no reset register, no X_ fields */
    assert_null(parse());
    assert_false(info.has_reset);
    assert_int_equal(info.pm_timer_port, 0x608);
    assert_int_equal(info.pm1a_control_port, 0x604);
    assert_true(info.has_s5);
}

static void x_fields_count_only_where_they_are_ports(void **state)
{
    (void)state;
    put(FADT + 176, 0x1804, 8);
    put(FADT + 212, 0x1808, 8);
    resum(FADT);
    assert_null(parse());
    assert_int_equal(info.pm1a_control_port, 0x1804);
    assert_int_equal(info.pm_timer_port, 0x1808);
    at(FADT)[172] = 0; /* in memory: we cannot */
    put(FADT + 212, 0x10608, 8);
    resum(FADT);
    assert_null(parse());
    assert_int_equal(info.pm1a_control_port, 0x604);
    assert_int_equal(info.pm_timer_port, 0x608);
    at(FADT)[91] = 0; /* no PM timer */
    put(FADT + 64, 0x10604, 4);
    resum(FADT);
    (void)parse();
    assert_int_equal(info.pm_timer_port, 0);
    assert_int_equal(info.pm1a_control_port, 0);
}

static void a_reset_register_must_make_sense(void **state)
{
    static const struct {
        uint8_t space;
        uint64_t address;
        bool good;
    } cases[] = { { 1, 0xcf9, true },     { 1, 0x10000, false },    { 1, 0, false },
                  { 0, 0xfed8000, true }, { 0, 0xfff, false },      { 2, 0x1f000000f4, true },
                  { 3, 0xcf9, false },    { 0, 1ull << 52, false }, { 0x7f, 0xcf9, false } };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        at(FADT)[116] = cases[i].space;
        put(FADT + 120, cases[i].address, 8);
        resum(FADT);
        (void)parse();
        assert_int_equal(info.has_reset, cases[i].good);
    }
    setup(state);
    put(FADT + 112, 0, 4); /* no RESET_REG_SUP, and a 24-bit timer */
    resum(FADT);
    assert_null(parse());
    assert_false(info.has_reset);
    assert_false(info.pm_timer_32bit);
}

/* ---------------------------------------------------------------- \_S5 */

static void s5_is_read_in_all_its_spellings(void **state)
{
    (void)state;
    DSDT_SET(0xa0, 0x08, '\\', '_', 'S', '5', '_', 0x12, 0x07, 0x04, 0x0a, 7, 0x01, 0x00, 0x00);
    assert_null(parse());
    assert_int_equal(info.s5_type_a, 7);
    assert_int_equal(info.s5_type_b, 1);
    DSDT_SET(0x08, '_', 'S', '5', '_', 0x12, 0x04, 0x02, 0x00, 0x00); /* zeros: QEMU's pc */
    assert_null(parse());
    assert_int_equal(info.s5_type_a, 0);
    DSDT_SET(0x08, '_', 'S', '5', '_', 0x12, 0x40 | 0x09, 0x00, 0x02, 0x0b, 5, 0, 0x0c, 6, 0, 0, 0);
    assert_non_null(parse()); /* the package ends within its second element */
    assert_false(info.has_s5);
    DSDT_SET(0x08, '_', 'S', '5', '_', 0x12, 0x40 | 0x0b, 0x00, 0x02, 0x0b, 5, 0, 0x0c, 6, 0, 0, 0);
    assert_null(parse());
    assert_int_equal(info.s5_type_a, 5);
    assert_int_equal(info.s5_type_b, 6);
    DSDT_SET(0x08, '_', 'S', '5', '_', 0x12, 0x04, 0x01, 0x0a, 4);
    assert_null(parse());
    assert_int_equal(info.s5_type_b, 4); /* one element: the same for both */
}

static void what_only_looks_like_s5_is_passed_over(void **state)
{
    (void)state;
    DSDT_SET('x', '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x0a, 1, 0x0a, 1, 0, 0, /* not named */
             0x08, '_', 'S', '5', '_', 0x0d, 'n', 'o', 0,                       /* a string */
             0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x0a, 8, 0, 0, 0,      /* > 3 bits */
             0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x00, 0x0a, 1, 0, 0, 0,      /* no elements */
             0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0xff, 0, 0, 0, 0,      /* Ones */
             0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x0a, 5, 0x0a, 5, 0, 0);
    assert_null(parse());
    assert_true(info.has_s5);
    assert_int_equal(info.s5_type_a, 5);
}

static void s5_cut_off_anywhere_is_not_read_past(void **state)
{
    static const uint8_t aml[] = { 0x08, '_',  'S',  '5', '_', 0x12, 0xc0 | 0x0b, 0x00, 0x00,
                                   0x00, 0x02, 0x0b, 5,   0,   0x0b, 6,           0 };

    (void)state;
    for (size_t n = 0; n < sizeof(aml); n++) {
        dsdt_set(aml, n);
        assert_non_null(parse());
        assert_false(info.has_s5);
    }
    dsdt_set(aml, sizeof(aml));
    assert_null(parse());
    assert_int_equal(info.s5_type_b, 6);
    DSDT_SET(0x08, '_', 'S', '5', '_', 0x12, 0x00); /* a package shorter than its own length */
    assert_non_null(parse());
    assert_false(info.has_s5);
}

/* ---------------------------------------------------------------- hostile tables */

static void without_an_rsdp_nothing_is_read(void **state)
{
    (void)state;
    assert_string_equal(acpi_parse(0, map, &info), "there is no RSDP");
    assert_non_null(acpi_parse(0x500, map, &info));
    assert_non_null(acpi_parse(UINT64_MAX - 3, map, &info));
    assert_int_equal(copy_count, 0);
    at(RSDP)[0] = 'r';
    assert_string_equal(parse(), "the RSDP is none");
    at(RSDP)[0] = 'R';
    at(RSDP)[10] ^= 1;
    assert_string_equal(parse(), "the RSDP has a wrong checksum");
    assert_int_equal(info.cpu_count, 0);
}

static void impossible_lengths_are_refused(void **state)
{
    static const uint32_t lengths[] = { 0, 4, 35, 0x80000000, 0xffffffff, (16u << 20) + 1 };

    for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
        setup(state);
        put(MADT + 4, lengths[i], 4);
        assert_string_equal(parse(), "a table has an impossible length");
        assert_int_equal(info.cpu_count, 0);
        assert_int_equal(info.pm_timer_port, 0x608); /* the others are still read */
        setup(state);
        put(XSDT + 4, lengths[i], 4);
        assert_non_null(parse());
        check_all(); /* by the RSDT */
    }
    setup(state);
    put(MADT + 4, MEM_BYTES, 4); /* beyond what can be mapped */
    assert_string_equal(parse(), "a table is where it cannot be read");
}

static void madt_entries_cannot_loop_or_run_over(void **state)
{
    (void)state;
    MADT_ADD(0, 0, 0, 0); /* length 0 would never get on */
    assert_string_equal(parse(), "MADT: an entry has an impossible length");
    assert_int_equal(info.cpu_count, 1); /* what came before counts */
    setup(state);
    MADT_ADD(0, 1);
    assert_non_null(parse());
    setup(state);
    MADT_ADD(0, 9, 1, 1, 1, 0, 0, 0); /* one byte more than there is */
    assert_non_null(parse());
    setup(state);
    MADT_ADD(0); /* a type without a length */
    assert_non_null(parse());
    setup(state);
    MADT_ADD(1, 4, 0, 0); /* shorter than its kind */
    assert_string_equal(parse(), "MADT: an entry is shorter than its kind");
    assert_int_equal(info.ioapic_count, 1);
}

static void arrays_do_not_overflow(void **state)
{
    for (unsigned i = 1; i < 200; i++)
        MADT_ADD(0, 8, 0, (uint8_t)i, 1, 0, 0, 0);
    assert_string_equal(parse(), "MADT: more CPUs than there is room for");
    assert_int_equal(info.cpu_count, ACPI_CPUS_MAX);
    setup(state);
    for (unsigned i = 0; i < 20; i++)
        MADT_ADD(1, 12, 0, 0, 0, 0, 0xc0, 0xfe, (uint8_t)i, 0, 0, 0);
    assert_non_null(parse());
    assert_int_equal(info.ioapic_count, ACPI_IOAPICS_MAX);
    setup(state);
    for (unsigned i = 0; i < 40; i++)
        MADT_ADD(2, 10, 0, (uint8_t)i, 2, 0, 0, 0, 0, 0);
    assert_non_null(parse());
    assert_int_equal(info.override_count, ACPI_OVERRIDES_MAX);
    setup(state);
    for (unsigned i = 0; i < 10; i++)
        memcpy(at(MCFG) + 44 + 16 * i, at(MCFG) + 44, 16);
    finish(MCFG, "MCFG", 44 + 160);
    assert_non_null(parse());
    assert_int_equal(info.mcfg_count, ACPI_MCFG_MAX);
}

static void root_tables_that_point_anywhere_do_no_harm(void **state)
{
    static const uint64_t wild[] = {
        0,    1,    0xfff,     0xdead0000, UINT64_MAX, UINT64_MAX - 35, MEM_BASE + MEM_BYTES - 1,
        XSDT, RSDP, 1ull << 63
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(wild); i++) {
        put(XSDT + 36 + 8 * 2, wild[i], 8); /* instead of the HPET */
        resum(XSDT);
        (void)parse();
        assert_int_equal(info.hpet_phys, 0);
        assert_int_equal(info.cpu_count, 1);
    }
    setup(state);
    for (unsigned i = 0; i < 1000; i++) /* the same table a thousand times */
        put(XSDT + 36 + 8 * i, HPET, 8);
    memset(at(MADT), 0, 0x1000); /* (the list runs over it) */
    finish(XSDT, "XSDT", 36 + 8 * 1000);
    assert_non_null(parse());
    setup(state);
    put(FADT + 140, FADT, 8); /* a DSDT that is the FADT itself */
    resum(FADT);
    assert_string_equal(parse(), "FADT: its DSDT is none");
    assert_false(info.has_s5);
}

static void senseless_values_are_left_out(void **state)
{
    put(HPET + 44, 0x10, 8);
    resum(HPET);
    assert_string_equal(parse(), "HPET: its address makes no sense");
    assert_int_equal(info.hpet_phys, 0);
    setup(state);
    put(HPET + 44, 1ull << 52, 8); /* no page table can map it */
    put(MCFG + 44, 1ull << 60, 8);
    resum(HPET);
    resum(MCFG);
    assert_non_null(parse());
    assert_int_equal(info.hpet_phys, 0);
    assert_int_equal(info.mcfg_count, 0);
    setup(state);
    at(HPET)[40] = 1; /* in I/O space */
    resum(HPET);
    assert_non_null(parse());
    setup(state);
    finish(HPET, "HPET", 50); /* cut off within its address */
    assert_non_null(parse());
    assert_int_equal(info.hpet_phys, 0);
    setup(state);
    at(MCFG)[44 + 10] = 9;
    at(MCFG)[44 + 11] = 8; /* the last bus before the first */
    resum(MCFG);
    assert_non_null(parse());
    assert_int_equal(info.mcfg_count, 0);
    setup(state);
    finish(MCFG, "MCFG", 59); /* not a whole entry */
    assert_null(parse());
    assert_int_equal(info.mcfg_count, 0);
    setup(state);
    MADT_ADD(2, 10, 3, 5, 5, 0, 0, 0, 0, 0); /* an override for a bus that is not ISA */
    assert_non_null(parse());
    assert_int_equal(info.override_count, 3);
    setup(state);
    MADT_ADD(1, 12, 1, 0, 0, 0, 0, 0, 24, 0, 0, 0); /* an I/O APIC at 0 */
    assert_non_null(parse());
    assert_int_equal(info.ioapic_count, 1);
}

/* Random damage, with the sums set right again: nothing may crash, read outside or not end. */
static void random_damage_is_survived(void **state)
{
    static const uint64_t tables[] = { XSDT, RSDT, MADT, FADT, HPET, MCFG, DSDT };

    srand(1996);
    for (unsigned round = 0; round < 20000; round++) {
        setup(state);
        for (unsigned n = (unsigned)rand() % 6; n < 6; n++) {
            uint64_t table = tables[(unsigned)rand() % ARRAY_SIZE(tables)];

            at(table)[rand() % 250] = (uint8_t)(rand() % 3 == 0 ? 0xff : rand());
        }
        for (unsigned i = 0; i < ARRAY_SIZE(tables); i++) {
            uint32_t bytes;

            memcpy(&bytes, at(tables[i]) + 4, 4);
            if (bytes >= 36 && bytes <= MEM_BASE + MEM_BYTES - tables[i])
                resum(tables[i]);
        }
        (void)parse();
        assert_true(info.cpu_count <= ACPI_CPUS_MAX && info.mcfg_count <= ACPI_MCFG_MAX);
        assert_true(info.s5_type_a <= 7 && info.s5_type_b <= 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(everything_is_found_through_the_xsdt, setup),
        cmocka_unit_test_setup(revision_0_goes_by_the_rsdt, setup),
        cmocka_unit_test_setup(a_bad_xsdt_falls_back_to_the_rsdt_and_says_so, setup),
        cmocka_unit_test_setup(a_bad_extended_checksum_falls_back_to_the_rsdt, setup),
        cmocka_unit_test_setup(cpus_are_counted_once_and_only_enabled_ones, setup),
        cmocka_unit_test_setup(the_madt_may_move_the_local_apic, setup),
        cmocka_unit_test_setup(fadt_fields_beyond_its_end_are_absent, setup),
        cmocka_unit_test_setup(x_fields_count_only_where_they_are_ports, setup),
        cmocka_unit_test_setup(a_reset_register_must_make_sense, setup),
        cmocka_unit_test_setup(s5_is_read_in_all_its_spellings, setup),
        cmocka_unit_test_setup(what_only_looks_like_s5_is_passed_over, setup),
        cmocka_unit_test_setup(s5_cut_off_anywhere_is_not_read_past, setup),
        cmocka_unit_test_setup(without_an_rsdp_nothing_is_read, setup),
        cmocka_unit_test_setup(impossible_lengths_are_refused, setup),
        cmocka_unit_test_setup(madt_entries_cannot_loop_or_run_over, setup),
        cmocka_unit_test_setup(arrays_do_not_overflow, setup),
        cmocka_unit_test_setup(root_tables_that_point_anywhere_do_no_harm, setup),
        cmocka_unit_test_setup(senseless_values_are_left_out, setup),
        cmocka_unit_test_setup(random_damage_is_survived, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
