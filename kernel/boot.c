/* The loader's hand-over: checked once, then read by whoever needs it. */
#include <kernel/boot.h>
#include <kernel/lib.h>
#include <kernel/panic.h>

static const struct boot_info *handed_over;

const struct boot_info *boot_info(void)
{
    ASSERT(handed_over != NULL);
    return handed_over;
}

void boot_info_init(const struct boot_info *info)
{
    if (info->magic != BOOT_INFO_MAGIC)
        panic("boot: no boot info from the loader");
    if (info->version != BOOT_INFO_VERSION || info->size != sizeof(*info))
        panic("boot: the loader's boot info is version %u of %u bytes, this kernel's is %u of %u: "
              "the two are of different builds",
              info->version, info->size, BOOT_INFO_VERSION, (unsigned)sizeof(*info));
    if (info->kernel_virt != BOOT_KERNEL_BASE || info->kernel_phys % PAGE_SIZE != 0)
        panic("boot: the kernel was placed at 0x%llx (physical 0x%llx)",
              (unsigned long long)info->kernel_virt, (unsigned long long)info->kernel_phys);
    handed_over = info;
}
