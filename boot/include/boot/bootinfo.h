/*
 * The hand-over from the UEFI loader to the kernel: the only thing that the two share.
 *
 * The loader fills one struct boot_info in memory of its own that stays valid for ever (it is
 * of type BOOT_MEM_LOADER in the map below) and jumps to the kernel's ELF entry point with
 *   rdi = virtual address of the struct in the direct map (BOOT_PHYSMAP_BASE + physical),
 *   interrupts off, direction flag clear, any stack (the kernel sets its own at once),
 *   long mode, 4-level paging, EFER.NXE set, and these mappings:
 *     - the kernel's segments at their p_vaddr (any rights),
 *     - all memory up to the end of the highest RAM range, and at least the first 4 GiB,
 *       at BOOT_PHYSMAP_BASE + physical (read/write),
 *     - the same identity-mapped (the loader needs it for the jump itself).
 * The page tables themselves are in memory of type BOOT_MEM_LOADER, so that nothing can be
 * allocated over them before the kernel replaces them with its own; the loader's code and stack
 * at the moment of the jump are in BOOT_MEM_LOADER too.
 *
 * All addresses in the struct are physical. Both sides static-assert the layout, and the
 * kernel refuses another version or size, so that a loader and a kernel of different builds
 * never misread each other.
 */
#ifndef BOOT_BOOTINFO_H
#define BOOT_BOOTINFO_H

#include <stdint.h>

#define BOOT_INFO_MAGIC   0x31464c4148504f54ull /* the bytes "TOPHALF1" */
#define BOOT_INFO_VERSION 3u

#define BOOT_KERNEL_BASE  0xffffffff80000000ull /* where linker.ld links the kernel */
#define BOOT_PHYSMAP_BASE 0xffff800000000000ull /* physical address 0 in the direct map */

/* What a range of memory is. Everything that is not in the map is not RAM. */
enum boot_mem_type {
    BOOT_MEM_FREE = 1,      /* the kernel's to use */
    BOOT_MEM_FREE_CODE = 2, /* as well; the firmware has run code there */
    BOOT_MEM_LOADER = 3,    /* boot info, memory map, config, site, programs, page tables: kept */
    BOOT_MEM_KERNEL = 4,    /* the kernel's own segments */
    BOOT_MEM_ACPI = 5,      /* ACPI tables and NVS: kept */
    BOOT_MEM_FIRMWARE = 6,  /* runtime services and reserved RAM: never touched */
};

struct boot_mem_range {
    uint64_t base;  /* bytes, page aligned */
    uint64_t bytes; /* a multiple of 4096 */
    uint32_t type;  /* enum boot_mem_type */
    uint32_t reserved;
};

/* A file that the loader read from its volume. */
struct boot_file {
    uint64_t base;  /* page aligned; the rest of the last page is zero */
    uint64_t bytes; /* the file's length; 0: there was no such file */
};

/* One of the XDP programs that the loader found: a file xdp/NAME.o of its volume, unread. */
#define BOOT_PROGRAMS_MAX      32u
#define BOOT_PROGRAM_BYTES_MAX (1u << 20)
#define BOOT_PROGRAM_NAME_MAX  63u
struct boot_program {
    char name[BOOT_PROGRAM_NAME_MAX + 1]; /* "NAME.o", terminated; printable ASCII, no blanks */
    struct boot_file file;
};

struct boot_info {
    uint64_t magic;
    uint32_t version;
    uint32_t size; /* sizeof(struct boot_info) as the loader knows it */

    uint64_t mem_map; /* struct boot_mem_range[mem_map_count], sorted, no overlaps */
    uint64_t mem_map_count;

    uint64_t kernel_phys; /* where vaddr kernel_virt was placed; one contiguous block */
    uint64_t kernel_virt;
    uint64_t kernel_bytes; /* a multiple of 4096 */

    uint64_t acpi_rsdp; /* 0: none found */
    uint64_t unix_time; /* seconds since 1970 UTC at hand-over; 0: firmware has no clock */
    uint64_t tsc_entry; /* TSC when the firmware started the loader */
    uint64_t tsc_exit;  /* TSC just before the jump */

    struct boot_file config; /* tophalf.cfg: key=value lines */
    struct boot_file site;   /* site.tar: ustar */

    uint64_t programs; /* struct boot_program[program_count] */
    uint64_t program_count;
};

_Static_assert(sizeof(struct boot_mem_range) == 24, "boot ABI");
_Static_assert(sizeof(struct boot_program) == 80, "boot ABI");
_Static_assert(sizeof(struct boot_info) == 136, "boot ABI");

#endif
