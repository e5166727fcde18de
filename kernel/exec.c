/*
 * Executable memory made at run time: exec.h. Each piece is a block of the page allocator's, hidden
 * from the direct map and mapped in a slot of its own here; the rest of the slot stays unmapped, so
 * that running past a piece's end faults.
 */
#include "paging.h"
#include <kernel/context.h>
#include <kernel/exec.h>
#include <kernel/page.h>
#include <kernel/panic.h>
#include <string.h>

#define INT3 0xcc

/* One more page than the largest piece: there is always a hole behind it. */
#define SLOT_BYTES PAGE_2M
#define SLOTS      ((unsigned)((EXEC_END - EXEC_BASE) / SLOT_BYTES))

_Static_assert(EXEC_BYTES_MAX + PAGE_SIZE <= SLOT_BYTES, "a hole behind each piece");
_Static_assert(EXEC_END - BOOT_KERNEL_BASE < 1ull << 31, "a call reaches the kernel");

static struct slot {
    uint32_t bytes; /* mapped; 0: free */
    uint8_t order;  /* of the block */
    bool sealed;
} slots[SLOTS];

static uint64_t slot_virt(const struct slot *slot)
{
    return EXEC_BASE + (uint64_t)(slot - slots) * SLOT_BYTES;
}

static struct slot *slot_of(const void *code)
{
    uint64_t at = (uint64_t)code - EXEC_BASE;

    ASSERT(at % SLOT_BYTES == 0 && at / SLOT_BYTES < SLOTS);
    ASSERT(slots[at / SLOT_BYTES].bytes > 0);
    return &slots[at / SLOT_BYTES];
}

static struct slot *free_slot(void)
{
    for (unsigned i = 0; i < SLOTS; i++)
        if (slots[i].bytes == 0)
            return &slots[i];
    return NULL;
}

void *exec_alloc(size_t bytes)
{
    uint64_t mapped = ALIGN_UP(bytes, PAGE_SIZE);
    struct slot *slot = free_slot();
    unsigned order = 0;
    void *block;

    if (bytes == 0 || bytes > EXEC_BYTES_MAX || slot == NULL)
        return NULL;
    while (PAGE_SIZE << order < mapped)
        order++;
    block = page_alloc(order);
    if (block == NULL)
        return NULL;
    if (!paging_split((uint64_t)block, PAGE_SIZE << order) ||
        !paging_split(slot_virt(slot), mapped)) {
        page_free(block, order);
        return NULL;
    }
    memset(block, INT3, PAGE_SIZE << order);
    paging_map(slot_virt(slot), virt_to_phys(block), mapped, MAP_WRITE);
    paging_protect((uint64_t)block, PAGE_SIZE << order, MAP_ABSENT);
    *slot = (struct slot){ .bytes = (uint32_t)mapped, .order = (uint8_t)order };
    return (void *)slot_virt(slot);
}

void exec_seal(void *code)
{
    struct slot *slot = slot_of(code);

    ASSERT(!slot->sealed);
    slot->sealed = true;
    paging_protect(slot_virt(slot), slot->bytes, MAP_EXECUTE);
}

void exec_free(void *code)
{
    struct slot *slot;
    void *block;

    if (code == NULL)
        return;
    slot = slot_of(code);
    block = phys_to_virt(paging_phys(slot_virt(slot)));
    paging_protect(slot_virt(slot), slot->bytes, MAP_ABSENT); /* first: never both */
    paging_protect((uint64_t)block, PAGE_SIZE << slot->order, MAP_WRITE);
    page_free(block, slot->order);
    *slot = (struct slot){ 0 };
}
