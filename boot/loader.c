/*
 * The UEFI loader: EFI/BOOT/BOOTX64.EFI. It reads three files from its own volume, checks them,
 * places the kernel, leaves boot services and jumps; boot/bootinfo.h is what it promises. Whatever
 * is wrong is said in one sentence on the UEFI console and COM1, and ends in the firmware again.
 */
#include "elf.h"
#include "loader.h"

#include <boot/cfg.h>
#include <boot/ustar.h>
#include <string.h>

#define PAGE            4096ull
#define RANGES_MAX      512u
#define MESSAGE_TIME_US 3000000u /* for who looks at a screen that the firmware will clear */

EFI_SYSTEM_TABLE *st;
EFI_BOOT_SERVICES *bs;

static inline uint64_t rdtsc(void)
{
    uint32_t lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (uint64_t)hi << 32 | lo;
}

/* Read one of the three files; says what is wrong and what to do. */
static EFI_STATUS load(const CHAR16 *wide_name, const char *name, struct boot_file *out)
{
    EFI_STATUS status = files_read(wide_name, out);

    if (status == EFI_NOT_FOUND)
        say("tophalf: %s is missing from the boot volume's root; rebuild the image with make",
            name);
    else if (status == EFI_OUT_OF_RESOURCES)
        say("tophalf: not enough memory for %s; give the machine more", name);
    else if (EFI_ERROR(status))
        say("tophalf: %s cannot be read (EFI status %x); rebuild the image with make", name,
            (unsigned)(status & 0xff));
    return status;
}

static EFI_STATUS load_kernel(struct boot_info *info, struct elf_image *image)
{
    struct boot_file file;
    EFI_PHYSICAL_ADDRESS block;
    const char *error;
    EFI_STATUS status = load(L"\\kernel.elf", "kernel.elf", &file);

    if (EFI_ERROR(status))
        return status;
    error = elf_check((const void *)file.base, file.bytes, image);
    if (error != NULL) {
        say("tophalf: kernel.elf is damaged: %s; rebuild the image with make", error);
        free_pages(file.base, file.bytes + 1);
        return EFI_LOAD_ERROR;
    }
    status = bs->AllocatePages(AllocateAnyPages, EfiLoaderData, image->bytes / PAGE, &block);
    if (EFI_ERROR(status)) {
        say("tophalf: not enough memory for the kernel (%u KiB); give the machine more",
            (unsigned)(image->bytes / 1024));
        free_pages(file.base, file.bytes + 1);
        return status;
    }
    elf_place(image, (void *)block);
    free_pages(file.base, file.bytes + 1);
    info->kernel_phys = block;
    info->kernel_virt = image->virt;
    info->kernel_bytes = image->bytes;
    return EFI_SUCCESS;
}

static EFI_STATUS load_config(struct boot_info *info)
{
    static struct cfg_pair pairs[CFG_PAIRS_MAX];
    struct cfg_error error;
    EFI_STATUS status = load(L"\\tophalf.cfg", "tophalf.cfg", &info->config);

    if (EFI_ERROR(status))
        return status;
    if (cfg_parse((const char *)info->config.base, info->config.bytes, pairs, CFG_PAIRS_MAX,
                  &error) < 0) {
        say("tophalf: tophalf.cfg, line %u: %s; mend the file on the boot volume", error.line,
            error.message);
        return EFI_LOAD_ERROR;
    }
    return EFI_SUCCESS;
}

static EFI_STATUS load_site(struct boot_info *info)
{
    static struct ustar_entry entry;
    struct ustar_reader reader;
    EFI_STATUS status = load(L"\\site.tar", "site.tar", &info->site);
    int r;

    if (EFI_ERROR(status))
        return status;
    ustar_open(&reader, (const void *)info->site.base, info->site.bytes);
    while ((r = ustar_next(&reader, &entry)) > 0)
        ;
    if (r < 0) {
        say("tophalf: site.tar is damaged: %s; make it again with tar --format=ustar",
            reader.error);
        return EFI_LOAD_ERROR;
    }
    return EFI_SUCCESS;
}

static uint64_t find_rsdp(void)
{
    static const EFI_GUID acpi2 = ACPI_20_TABLE_GUID, acpi1 = ACPI_TABLE_GUID;
    uint64_t found = 0;

    for (UINTN i = 0; i < st->NumberOfTableEntries; i++) {
        const EFI_CONFIGURATION_TABLE *t = &st->ConfigurationTable[i];

        if (memcmp(&t->VendorGuid, &acpi2, sizeof(acpi2)) == 0)
            return (uint64_t)t->VendorTable;
        if (memcmp(&t->VendorGuid, &acpi1, sizeof(acpi1)) == 0)
            found = (uint64_t)t->VendorTable;
    }
    return found;
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar, by years that begin in March. */
static int64_t days_from_civil(int64_t y, unsigned m, unsigned d)
{
    y -= m <= 2;
    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * (m + (m > 2 ? -3u : 9u)) + 2) / 5 + d - 1 -
           719468;
}

static uint64_t unix_time(void)
{
    EFI_TIME t;
    int64_t seconds;

    if (EFI_ERROR(st->RuntimeServices->GetTime(&t, NULL)) || t.Year < 1970 || t.Month < 1 ||
        t.Month > 12 || t.Day < 1)
        return 0;
    seconds =
        days_from_civil(t.Year, t.Month, t.Day) * 86400 + t.Hour * 3600 + t.Minute * 60 + t.Second;
    if (t.TimeZone >= -1440 && t.TimeZone <= 1440)
        seconds += t.TimeZone * 60; /* local time = UTC - TimeZone (UEFI 2.10 §8.3) */
    return seconds > 0 ? (uint64_t)seconds : 0;
}

static uint64_t ram_top(const struct leave_map *map)
{
    uint64_t top = 0;

    for (UINTN at = 0; at + map->descriptor_bytes <= map->bytes; at += map->descriptor_bytes) {
        const EFI_MEMORY_DESCRIPTOR *d = (const void *)(map->buffer + at);
        uint64_t end = d->PhysicalStart + d->NumberOfPages * PAGE;

        if (d->Type != EfiMemoryMappedIO && d->Type != EfiMemoryMappedIOPortSpace &&
            d->Type != EfiReservedMemoryType && end > top)
            top = end;
    }
    return top;
}

static _Noreturn void jump(uint64_t cr3, uint64_t entry, const struct boot_info *info)
{
    __asm__ volatile("cli\n\t"
                     "cld\n\t"
                     "movq %0, %%cr3\n\t"
                     "jmpq *%1"
                     :
                     : "r"(cr3), "r"(entry), "D"((uint64_t)info + BOOT_PHYSMAP_BASE)
                     : "memory");
    __builtin_unreachable();
}

/* EFER.NXE, so that the kernel may use the NX bit from its first page table on (SDM vol 3 §4.1). */
static void enable_nx(void)
{
    __asm__ volatile("movl $0xc0000080, %%ecx\n\t"
                     "rdmsr\n\t"
                     "orl $0x800, %%eax\n\t"
                     "wrmsr"
                     :
                     :
                     : "eax", "ecx", "edx", "memory");
}

/* From here on nothing is said: the console is gone. */
static EFI_STATUS hand_over(EFI_HANDLE image, struct boot_info *info, uint64_t entry)
{
    struct leave_map map;
    uint64_t ranges = alloc_pages(RANGES_MAX * sizeof(struct boot_mem_range));
    EFI_STATUS status = ranges != 0 ? leave_prepare(&map) : EFI_OUT_OF_RESOURCES;
    uint64_t cr3 = EFI_ERROR(status) ? 0 : handover_page_tables(info, ram_top(&map));

    if (cr3 == 0) {
        say("tophalf: not enough memory to start the kernel; give the machine more");
        return EFI_OUT_OF_RESOURCES;
    }
    status = leave_boot_services(image, &map);
    if (EFI_ERROR(status)) {
        say("tophalf: the firmware does not let go (ExitBootServices: status %x)",
            (unsigned)(status & 0xff));
        return status;
    }
    info->mem_map = ranges;
    info->mem_map_count = memmap_convert(
        map.buffer, map.bytes, map.descriptor_bytes,
        (struct memmap_block){ info->kernel_phys, info->kernel_bytes }, (void *)ranges, RANGES_MAX);
    info->tsc_exit = rdtsc();
    enable_nx();
    jump(cr3, entry, info);
}

static EFI_STATUS boot(EFI_HANDLE image, uint64_t tsc_entry)
{
    struct boot_info *info = (void *)alloc_pages(sizeof(*info));
    struct elf_image kernel;
    EFI_STATUS status;

    if (info == NULL)
        return EFI_OUT_OF_RESOURCES;
    info->magic = BOOT_INFO_MAGIC;
    info->version = BOOT_INFO_VERSION;
    info->size = sizeof(*info);
    info->tsc_entry = tsc_entry;
    status = files_open(image);
    if (EFI_ERROR(status))
        say("tophalf: cannot open the volume that this loader came from");
    else
        status = load_kernel(info, &kernel);
    if (!EFI_ERROR(status))
        status = load_config(info);
    if (!EFI_ERROR(status))
        status = load_site(info);
    files_close();
    if (!EFI_ERROR(status)) {
        info->acpi_rsdp = find_rsdp();
        info->unix_time = unix_time();
        status = hand_over(image, info, kernel.entry);
    }
    /* Back to the firmware, with what we took. */
    free_pages(info->kernel_phys, info->kernel_bytes);
    if (info->config.base != 0)
        free_pages(info->config.base, info->config.bytes + 1);
    if (info->site.base != 0)
        free_pages(info->site.base, info->site.bytes + 1);
    free_pages((uint64_t)info, sizeof(*info));
    return status;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table);

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table)
{
    uint64_t tsc_entry = rdtsc();
    EFI_STATUS status;

    st = system_table;
    bs = st->BootServices;
    say_init();
    status = boot(image, tsc_entry);
    say("tophalf: not started; back to the firmware");
    bs->Stall(MESSAGE_TIME_US);
    return status;
}
