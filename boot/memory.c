/* Memory from the firmware (UEFI 2.10 §7.2). All of it is EfiLoaderData, which the hand-over
 * calls BOOT_MEM_LOADER, and it goes back when the kernel is not started. */
#include "loader.h"

#include <string.h>

#define PAGE    4096ull
#define SIZE_2M (2ull << 20)

static UINTN page_count(uint64_t bytes)
{
    return (UINTN)(bytes / PAGE + (bytes % PAGE != 0));
}

uint64_t alloc_pages(uint64_t bytes)
{
    EFI_PHYSICAL_ADDRESS base;

    if (EFI_ERROR(bs->AllocatePages(AllocateAnyPages, EfiLoaderData, page_count(bytes), &base)))
        return 0;
    return base;
}

uint64_t alloc_zeroed(uint64_t bytes)
{
    uint64_t base = alloc_pages(bytes);

    if (base != 0)
        memset((void *)base, 0, page_count(bytes) * PAGE);
    return base;
}

/* The firmware knows no alignment: take 2 MiB more, and give back what is on both sides. */
uint64_t alloc_large(uint64_t bytes)
{
    uint64_t want = page_count(bytes) * PAGE, taken = want + SIZE_2M;
    uint64_t base = alloc_pages(taken), aligned;

    if (base == 0)
        return alloc_pages(bytes);
    aligned = (base + SIZE_2M - 1) & ~(SIZE_2M - 1);
    free_pages(base, aligned - base);
    free_pages(aligned + want, base + taken - (aligned + want));
    return aligned;
}

void free_pages(uint64_t base, uint64_t bytes)
{
    if (base != 0 && bytes != 0)
        bs->FreePages(base, page_count(bytes));
}
