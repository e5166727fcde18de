/*
 * ACPI tables (ACPI 6.4 chapter 5; HPET: IA-PC HPET 1.0a §3.2.4; MCFG: PCI Firmware 3.3 §4.1.2).
 *
 * The firmware wrote them, and firmware has faults: no length, count or checksum is believed.
 * Everything read is bounds-checked against what was mapped. A bad table is left out and named
 * in the result; the others are still read.
 */
#include "aml.h"
#include <kernel/acpi.h>
#include <kernel/lib.h>
#include <string.h>

#define RSDP_V1_BYTES   20
#define RSDP_V2_BYTES   36
#define HEADER_BYTES    36
#define TABLE_BYTES_MAX (16u << 20)
#define ROOT_TABLES_MAX 512
#define PHYS_END        (1ull << 52) /* what a page table can map */

#define GAS_BYTES  12
#define GAS_MEMORY 0
#define GAS_IO     1
#define GAS_PCI    2

/* A table, or a part of one: what may be read. */
struct bytes {
    const uint8_t *p;
    size_t len;
};

/* What one parse carries around. */
struct parse {
    const void *(*map)(uint64_t phys, size_t bytes);
    struct acpi_info *out;
    const char *error; /* the first one */
};

static void note(struct parse *parse, const char *error)
{
    if (parse->error == NULL)
        parse->error = error;
}

/* Little-endian fields; beyond the end they read as 0, which everywhere here means "absent". */
static uint64_t get(struct bytes b, size_t offset, unsigned width)
{
    uint64_t v = 0;

    if (offset > b.len || b.len - offset < width)
        return 0;
    for (unsigned i = 0; i < width; i++)
        v |= (uint64_t)b.p[offset + i] << (8 * i);
    return v;
}

static uint8_t get8(struct bytes b, size_t offset)
{
    return (uint8_t)get(b, offset, 1);
}

static uint16_t get16(struct bytes b, size_t offset)
{
    return (uint16_t)get(b, offset, 2);
}

static uint32_t get32(struct bytes b, size_t offset)
{
    return (uint32_t)get(b, offset, 4);
}

static uint64_t get64(struct bytes b, size_t offset)
{
    return get(b, offset, 8);
}

static bool checksum_ok(struct bytes b)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < b.len; i++)
        sum = (uint8_t)(sum + b.p[i]);
    return sum == 0;
}

/* An address where a device may be. */
static bool phys_ok(uint64_t phys)
{
    return phys >= PAGE_SIZE && phys < PHYS_END - PAGE_2M;
}

static bool map_bytes(const struct parse *parse, uint64_t phys, size_t len, struct bytes *out)
{
    /* Page 0 is never a table, and nothing wraps around. */
    if (phys < PAGE_SIZE || phys > UINT64_MAX - len)
        return false;
    out->p = parse->map(phys, len);
    out->len = len;
    return out->p != NULL;
}

/* Map a whole table, as long as its header says, when its checksum is right. */
static bool map_table(struct parse *parse, uint64_t phys, struct bytes *out)
{
    uint32_t len;

    if (!map_bytes(parse, phys, HEADER_BYTES, out)) {
        note(parse, "a table is where it cannot be read");
        return false;
    }
    len = get32(*out, 4);
    if (len < HEADER_BYTES || len > TABLE_BYTES_MAX) {
        note(parse, "a table has an impossible length");
        return false;
    }
    if (!map_bytes(parse, phys, len, out)) {
        note(parse, "a table is where it cannot be read");
        return false;
    }
    if (!checksum_ok(*out)) {
        note(parse, "a table has a wrong checksum");
        return false;
    }
    return true;
}

static bool has_signature(struct bytes table, const char *signature)
{
    return table.len >= 4 && memcmp(table.p, signature, 4) == 0;
}

/* ---------------------------------------------------------------- MADT (§5.2.12) */

static void add_cpu(struct parse *parse, uint32_t apic_id, uint32_t flags)
{
    struct acpi_info *out = parse->out;

    if (!(flags & 1)) /* not enabled */
        return;
    for (unsigned i = 0; i < out->cpu_count; i++) {
        if (out->cpu_apic_id[i] == apic_id) /* listed both as local APIC and as x2APIC */
            return;
    }
    if (out->cpu_count == ACPI_CPUS_MAX)
        note(parse, "MADT: more CPUs than there is room for");
    else
        out->cpu_apic_id[out->cpu_count++] = apic_id;
}

static void add_ioapic(struct parse *parse, uint32_t phys, uint32_t gsi_base)
{
    struct acpi_info *out = parse->out;

    if (phys < PAGE_SIZE)
        note(parse, "MADT: an I/O APIC without an address");
    else if (out->ioapic_count == ACPI_IOAPICS_MAX)
        note(parse, "MADT: more I/O APICs than there is room for");
    else
        out->ioapic[out->ioapic_count++] =
            (struct acpi_ioapic){ .phys = phys, .gsi_base = gsi_base };
}

/* §5.2.12.5; the flags' 0 is "as the bus does it", and ISA is edge triggered, active high. */
static void add_override(struct parse *parse, struct bytes entry)
{
    struct acpi_info *out = parse->out;
    uint16_t flags = get16(entry, 8);

    if (get8(entry, 2) != 0) /* only ISA is defined */
        note(parse, "MADT: an interrupt override for a bus that is not ISA");
    else if (out->override_count == ACPI_OVERRIDES_MAX)
        note(parse, "MADT: more interrupt overrides than there is room for");
    else
        out->override[out->override_count++] =
            (struct acpi_override){ .isa_irq = get8(entry, 3),
                                    .gsi = get32(entry, 4),
                                    .active_low = (flags & 3) == 3,
                                    .level_triggered = (flags >> 2 & 3) == 3 };
}

static void parse_madt_entry(struct parse *parse, struct bytes entry)
{
    static const uint8_t least_bytes[] = { [0] = 8, [1] = 12, [2] = 10, [5] = 12, [9] = 16 };
    uint8_t type = get8(entry, 0);

    if (type < ARRAY_SIZE(least_bytes) && entry.len < least_bytes[type]) {
        note(parse, "MADT: an entry is shorter than its kind");
        return;
    }
    switch (type) {
    case 0: /* local APIC */
        add_cpu(parse, get8(entry, 3), get32(entry, 4));
        break;
    case 1:
        add_ioapic(parse, get32(entry, 4), get32(entry, 8));
        break;
    case 2:
        add_override(parse, entry);
        break;
    case 5: /* local APIC address override */
        parse->out->lapic_phys = get64(entry, 4);
        break;
    case 9: /* local x2APIC */
        add_cpu(parse, get32(entry, 4), get32(entry, 8));
        break;
    default: /* NMI sources and what later versions add */
        break;
    }
}

static void parse_madt(struct parse *parse, struct bytes table)
{
    size_t offset = HEADER_BYTES + 8;

    parse->out->lapic_phys = get32(table, HEADER_BYTES);
    while (offset < table.len) {
        uint8_t len = get8(table, offset + 1);

        if (len < 2 || len > table.len - offset) {
            note(parse, "MADT: an entry has an impossible length");
            return;
        }
        parse_madt_entry(parse, (struct bytes){ table.p + offset, len });
        offset += len;
    }
}

/* ---------------------------------------------------------------- DSDT (§5.2.11.1) */

static void parse_dsdt(struct parse *parse, uint64_t phys)
{
    struct acpi_info *out = parse->out;
    struct bytes table;

    if (phys == 0 || !map_table(parse, phys, &table))
        return;
    if (!has_signature(table, "DSDT")) {
        note(parse, "FADT: its DSDT is none");
        return;
    }
    out->has_s5 = aml_find_s5(table.p + HEADER_BYTES, table.len - HEADER_BYTES, &out->s5_type_a,
                              &out->s5_type_b);
    if (!out->has_s5)
        note(parse, "DSDT: no \\_S5 that could be read: no power off");
}

/* ---------------------------------------------------------------- FADT (§5.2.9) */

/* An I/O port given as an address structure (X_ fields, preferred) or as 32 bits. 0: none. */
static uint16_t fadt_port(struct bytes fadt, size_t x_offset, size_t offset)
{
    uint64_t x_address = get64(fadt, x_offset + 4);
    uint32_t address = get32(fadt, offset);

    if (x_address != 0 && x_address <= UINT16_MAX && get8(fadt, x_offset) == GAS_IO)
        return (uint16_t)x_address;
    return address <= UINT16_MAX ? (uint16_t)address : 0;
}

static void parse_fadt(struct parse *parse, struct bytes fadt)
{
    struct acpi_info *out = parse->out;
    uint32_t flags = get32(fadt, 112);
    uint64_t dsdt = get64(fadt, 140);
    uint64_t smi_port = get32(fadt, 48);

    out->pm1a_control_port = fadt_port(fadt, 172, 64);
    out->pm1b_control_port = fadt_port(fadt, 184, 68);
    if (get8(fadt, 91) >= 4) /* PM_TMR_LEN */
        out->pm_timer_port = fadt_port(fadt, 208, 76);
    out->pm_timer_32bit = flags & (1u << 8); /* TMR_VAL_EXT */
    out->smi_port = smi_port <= UINT16_MAX ? (uint16_t)smi_port : 0;
    out->acpi_enable = get8(fadt, 52);

    out->reset_space = get8(fadt, 116);
    out->reset_address = get64(fadt, 120);
    out->reset_value = get8(fadt, 128);
    out->has_reset = fadt.len > 128 && (flags & (1u << 10)) && /* RESET_REG_SUP */
                     out->reset_space <= GAS_PCI && out->reset_address != 0;
    if (out->reset_space == GAS_IO && out->reset_address > UINT16_MAX)
        out->has_reset = false;
    if (out->reset_space == GAS_MEMORY && !phys_ok(out->reset_address))
        out->has_reset = false;

    parse_dsdt(parse, dsdt != 0 ? dsdt : get32(fadt, 40));
}

/* ---------------------------------------------------------------- HPET and MCFG */

static void parse_hpet(struct parse *parse, struct bytes table)
{
    uint64_t phys = get64(table, HEADER_BYTES + 8);

    if (table.len < HEADER_BYTES + 4 + GAS_BYTES || get8(table, HEADER_BYTES + 4) != GAS_MEMORY ||
        !phys_ok(phys))
        note(parse, "HPET: its address makes no sense");
    else if (parse->out->hpet_phys == 0) /* of several, the first */
        parse->out->hpet_phys = phys;
}

static void parse_mcfg(struct parse *parse, struct bytes table)
{
    struct acpi_info *out = parse->out;

    for (size_t at = HEADER_BYTES + 8; table.len >= 16 && at <= table.len - 16; at += 16) {
        struct acpi_mcfg mcfg = { .phys = get64(table, at),
                                  .segment = get16(table, at + 8),
                                  .bus_first = get8(table, at + 10),
                                  .bus_last = get8(table, at + 11) };

        if (!phys_ok(mcfg.phys) || mcfg.phys % (1u << 20) != 0 || mcfg.bus_last < mcfg.bus_first) {
            note(parse, "MCFG: an entry makes no sense");
        } else if (out->mcfg_count == ACPI_MCFG_MAX) {
            note(parse, "MCFG: more entries than there is room for");
        } else {
            out->mcfg[out->mcfg_count++] = mcfg;
        }
    }
}

/* ---------------------------------------------------------------- from the root on (§5.2.5-8) */

static void parse_table(struct parse *parse, uint64_t phys)
{
    struct acpi_info *out = parse->out;
    struct bytes head, table;

    /* The header alone first: tables that are not ours may be damaged without harm. */
    if (!map_bytes(parse, phys, HEADER_BYTES, &head)) {
        note(parse, "a table is where it cannot be read");
        return;
    }
    if (has_signature(head, "APIC") && out->lapic_phys == 0) {
        if (map_table(parse, phys, &table))
            parse_madt(parse, table);
    } else if (has_signature(head, "FACP") && out->pm1a_control_port == 0) {
        if (map_table(parse, phys, &table))
            parse_fadt(parse, table);
    } else if (has_signature(head, "HPET")) {
        if (map_table(parse, phys, &table))
            parse_hpet(parse, table);
    } else if (has_signature(head, "MCFG") && out->mcfg_count == 0) {
        if (map_table(parse, phys, &table))
            parse_mcfg(parse, table);
    }
}

/* XSDT (8-byte entries) or RSDT (4-byte ones). Returns false when it is not one. */
static bool parse_root(struct parse *parse, uint64_t phys, const char *signature, unsigned width)
{
    struct bytes root;
    size_t count;

    if (phys == 0 || !map_table(parse, phys, &root))
        return false;
    if (!has_signature(root, signature)) {
        note(parse, "the root table is none");
        return false;
    }
    count = (root.len - HEADER_BYTES) / width;
    if (count > ROOT_TABLES_MAX) {
        note(parse, "the root table lists more tables than believable");
        count = ROOT_TABLES_MAX;
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t table = get(root, HEADER_BYTES + i * width, width);

        if (table != 0) /* some firmware leaves holes */
            parse_table(parse, table);
    }
    return true;
}

/* The XSDT's address, or 0 where the RSDP has none that may be believed. */
static uint64_t rsdp_xsdt(struct parse *parse, uint64_t phys, struct bytes v1)
{
    struct bytes v2;
    uint32_t len;

    if (get8(v1, 15) < 2) /* revision */
        return 0;
    if (!map_bytes(parse, phys, RSDP_V2_BYTES, &v2)) {
        note(parse, "the RSDP is where it cannot be read");
        return 0;
    }
    len = get32(v2, 20);
    if (len < RSDP_V2_BYTES || len > PAGE_SIZE || !map_bytes(parse, phys, len, &v2) ||
        !checksum_ok(v2)) {
        note(parse, "the RSDP has a wrong extended checksum");
        return 0;
    }
    return get64(v2, 24);
}

const char *acpi_parse(uint64_t rsdp_phys, const void *(*map)(uint64_t phys, size_t bytes),
                       struct acpi_info *out)
{
    struct parse parse = { .map = map, .out = out };
    struct bytes rsdp;

    memset(out, 0, sizeof(*out));
    if (rsdp_phys == 0)
        return "there is no RSDP";
    if (!map_bytes(&parse, rsdp_phys, RSDP_V1_BYTES, &rsdp))
        return "the RSDP is where it cannot be read";
    if (memcmp(rsdp.p, "RSD PTR ", 8) != 0)
        return "the RSDP is none";
    if (!checksum_ok(rsdp))
        return "the RSDP has a wrong checksum";

    if (!parse_root(&parse, rsdp_xsdt(&parse, rsdp_phys, rsdp), "XSDT", 8) &&
        !parse_root(&parse, get32(rsdp, 16), "RSDT", 4))
        note(&parse, "there is no root table");
    if (out->lapic_phys == 0)
        note(&parse, "there is no MADT");
    return parse.error;
}
