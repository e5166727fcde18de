/*
 * The UEFI loader: EFI/BOOT/BOOTX64.EFI. It reads three files from its own volume, checks them,
 * takes the XDP programs that lie there, places the kernel, leaves boot services and jumps;
 * boot/bootinfo.h is what it promises. Whatever is wrong is said in one sentence on the UEFI
 * console and COM1, and ends in the firmware again.
 */
#include "elf.h"
#include "handover.h"
#include "loader.h"

#include <boot/cfg.h>
#include <boot/ustar.h>
#include <string.h>

#define PAGE            4096ull
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

static EFI_STATUS place_kernel(const struct boot_file *file, struct boot_info *info,
                               struct elf_image *image)
{
    const char *error = elf_check((const void *)file->base, file->bytes, image);
    uint64_t block;

    if (error != NULL) {
        say("tophalf: kernel.elf is damaged: %s; rebuild the image with make", error);
        return EFI_LOAD_ERROR;
    }
    block = alloc_large(image->bytes);
    if (block == 0) {
        say("tophalf: not enough memory for the kernel (%u KiB); give the machine more",
            (unsigned)(image->bytes / 1024));
        return EFI_OUT_OF_RESOURCES;
    }
    elf_place(image, (void *)block);
    info->kernel_phys = block;
    info->kernel_virt = image->virt;
    info->kernel_bytes = image->bytes;
    return EFI_SUCCESS;
}

static EFI_STATUS load_kernel(struct boot_info *info, uint64_t *entry)
{
    struct boot_file file;
    struct elf_image image;
    EFI_STATUS status = load(L"\\kernel.elf", "kernel.elf", &file);

    if (EFI_ERROR(status))
        return status;
    status = place_kernel(&file, info, &image);
    *entry = image.entry;
    files_free(&file);
    return status;
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

static uint64_t unix_time(void)
{
    EFI_TIME time;

    return EFI_ERROR(st->RuntimeServices->GetTime(&time, NULL)) ? 0 : clock_unix(&time);
}

/* What the kernel's start needs of the CPU and cannot be set up here; NULL, or what is wrong. */
static const char *check_cpu(void)
{
    uint32_t eax = 0x80000001u, ebx, ecx = 0, edx;
    uint64_t cr4;

    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    if (!(edx & 1u << 20)) /* writing EFER.NXE would fault (SDM vol 3 §4.1.4) */
        return "the CPU does not offer NX (execute disable); switch it on in the firmware's set-up";
    __asm__ volatile("movq %%cr4, %0" : "=r"(cr4));
    if (cr4 & 1u << 12) /* CR4.LA57 cannot be changed in long mode (SDM vol 3 §4.1.2) */
        return "the firmware runs with 5-level paging; switch that off in its set-up";
    return NULL;
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

/* The stack that we are on is the firmware's, whose memory is the kernel's from here on. */
static _Noreturn void jump(uint64_t cr3, uint64_t entry, uint64_t stack,
                           const struct boot_info *info)
{
    __asm__ volatile("cli\n\t"
                     "cld\n\t"
                     "movq %0, %%cr3\n\t"
                     "movq %2, %%rsp\n\t"
                     "jmpq *%1"
                     :
                     : "r"(cr3), "r"(entry), "r"(stack), "D"((uint64_t)info + BOOT_PHYSMAP_BASE)
                     : "memory");
    __builtin_unreachable();
}

/* What the jump needs, made while memory can still be had. */
struct departure {
    struct leave_map map;
    struct boot_mem_range *ranges;
    size_t ranges_max;
    uint64_t tables, tables_bytes;
    uint64_t cr3;
};

static size_t convert_map(const struct departure *d, const struct boot_info *info)
{
    const struct memmap_block kernel = { info->kernel_phys, info->kernel_bytes };

    return memmap_convert(d->map.buffer, d->map.bytes, d->map.descriptor_bytes, kernel, d->ranges,
                          d->ranges_max);
}

static EFI_STATUS prepare(struct departure *d, const struct boot_info *info)
{
    EFI_STATUS status = leave_prepare(&d->map);
    uint64_t top;

    if (EFI_ERROR(status))
        return status;
    /* The kernel's block may split one descriptor in two, and is a range itself. */
    d->ranges_max = d->map.capacity / d->map.descriptor_bytes + 2;
    d->ranges = (void *)alloc_pages(d->ranges_max * sizeof(d->ranges[0]));
    if (d->ranges == NULL)
        return EFI_OUT_OF_RESOURCES;
    top = memmap_ram_top(d->ranges, convert_map(d, info)); /* what we allocate does not move it */
    if (top == 0 || top > HANDOVER_TOP_MAX)
        return EFI_UNSUPPORTED;
    d->tables_bytes = handover_bytes(info, top);
    d->tables = alloc_zeroed(d->tables_bytes);
    if (d->tables == 0)
        return EFI_OUT_OF_RESOURCES;
    d->cr3 = handover_build(info, top, (void *)d->tables);
    return EFI_SUCCESS;
}

static void undo(struct departure *d)
{
    free_pages(d->tables, d->tables_bytes);
    free_pages((uint64_t)d->ranges, d->ranges_max * sizeof(d->ranges[0]));
    leave_cancel(&d->map);
}

/* Returns only when it failed. After boot services have ended nothing is said: the console is
 * gone. */
static EFI_STATUS hand_over(EFI_HANDLE image, struct boot_info *info, uint64_t entry)
{
    struct departure d = { .ranges = NULL };
    EFI_STATUS status = prepare(&d, info);

    if (status == EFI_OUT_OF_RESOURCES) {
        say("tophalf: not enough memory to start the kernel; give the machine more");
    } else if (EFI_ERROR(status)) {
        say("tophalf: the firmware's memory map is of no use (status %x)", (unsigned)status & 0xff);
    } else {
        status = leave_boot_services(image, &d.map);
        if (!EFI_ERROR(status)) {
            info->mem_map = (uint64_t)d.ranges;
            info->mem_map_count = convert_map(&d, info);
            info->tsc_exit = rdtsc();
            enable_nx();
            jump(d.cr3, entry, (uint64_t)info + PAGE, info);
        }
        say("tophalf: the firmware does not let go (ExitBootServices: status %x)",
            (unsigned)status & 0xff);
    }
    undo(&d);
    return status;
}

static EFI_STATUS load_all(EFI_HANDLE image, struct boot_info *info, uint64_t *entry)
{
    EFI_STATUS status = files_open(image);

    if (EFI_ERROR(status)) {
        say("tophalf: cannot open the volume that this loader came from (EFI status %x)",
            (unsigned)status & 0xff);
        return status;
    }
    status = load_kernel(info, entry);
    if (!EFI_ERROR(status))
        status = load_config(info);
    if (!EFI_ERROR(status))
        status = load_site(info);
    if (!EFI_ERROR(status))
        programs_load(info);
    files_close();
    return status;
}

/* Returns only when it failed, with all memory given back. */
static EFI_STATUS boot(EFI_HANDLE image, uint64_t tsc_entry)
{
    struct boot_info *info = (void *)alloc_zeroed(PAGE); /* its end is the stack at the jump */
    const char *error = check_cpu();
    EFI_STATUS status = EFI_UNSUPPORTED;
    uint64_t entry;

    if (info == NULL) {
        say("tophalf: not enough memory to start; give the machine more");
        return EFI_OUT_OF_RESOURCES;
    }
    info->magic = BOOT_INFO_MAGIC;
    info->version = BOOT_INFO_VERSION;
    info->size = sizeof(*info);
    info->tsc_entry = tsc_entry;
    if (error != NULL)
        say("tophalf: %s", error);
    else
        status = load_all(image, info, &entry);
    if (!EFI_ERROR(status)) {
        info->acpi_rsdp = find_rsdp();
        info->unix_time = unix_time();
        status = hand_over(image, info, entry);
    }
    free_pages(info->kernel_phys, info->kernel_bytes);
    files_free(&info->config);
    files_free(&info->site);
    programs_free(info);
    free_pages((uint64_t)info, PAGE);
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
