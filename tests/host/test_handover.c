/* boot/handover.c: the tables are walked as the CPU walks them (SDM vol 3 §4.5). */
#include "handover.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define PAGE     4096ull
#define GIB      (1ull << 30)
#define UNMAPPED UINT64_MAX

static uint8_t *block;
static uint64_t block_bytes;
static uint64_t root;

/* The block ends where its memory ends: a table too many is caught by ASan. */
static void build(uint64_t top, uint64_t kernel_phys, uint64_t kernel_virt, uint64_t kernel_bytes)
{
    struct boot_info info = { .kernel_phys = kernel_phys,
                              .kernel_virt = kernel_virt,
                              .kernel_bytes = kernel_bytes };

    free(block);
    block_bytes = handover_bytes(&info, top);
    block = aligned_alloc(PAGE, block_bytes);
    memset(block, 0, block_bytes);
    root = handover_build(&info, top, block);
    assert_ptr_equal((void *)root, block);
}

static uint64_t entry_at(uint64_t table, uint64_t index)
{
    assert_true(table >= (uint64_t)block && table - (uint64_t)block < block_bytes);
    return ((const uint64_t *)table)[index];
}

/* The physical address that is read and written at this virtual one. */
static uint64_t translate(uint64_t virt)
{
    uint64_t table = root;

    for (unsigned level = 3;; level--) {
        unsigned shift = 12 + 9 * level;
        uint64_t entry = entry_at(table, virt >> shift & 511), mask = (1ull << shift) - 1;

        if ((entry & 3) != 3)
            return UNMAPPED;
        if (level == 0 || (entry & 0x80)) {
            assert_int_equal(entry & ~0x83ull & mask, 0); /* reserved bits of a large page */
            return (entry & ~0xfffull & ~mask) + (virt & mask);
        }
        table = entry & ~0xfffull;
    }
}

static void assert_mapped(uint64_t phys, bool mapped)
{
    assert_int_equal(translate(BOOT_PHYSMAP_BASE + phys), mapped ? phys : UNMAPPED);
    assert_int_equal(translate(phys), mapped ? phys : UNMAPPED);
}

static void test_small_machine(void **state)
{
    (void)state;
    build(64 << 20, 0x1e00000, BOOT_KERNEL_BASE, 0x307000);
    for (uint64_t phys = 0; phys < 4 * GIB; phys += 0x1ff000)
        assert_mapped(phys, true); /* at least 4 GiB, whatever the RAM */
    assert_mapped(4 * GIB - 1, true);
    assert_mapped(4 * GIB, false);
    for (uint64_t at = 0; at < 0x307000; at += PAGE)
        assert_int_equal(translate(BOOT_KERNEL_BASE + at), 0x1e00000 + at);
    assert_int_equal(translate(BOOT_KERNEL_BASE + 0x307000), UNMAPPED);
    assert_int_equal(translate(BOOT_KERNEL_BASE - 1), UNMAPPED);
}

static void test_exact_size(void **state)
{
    (void)state;
    /* root, 1 + 4 for RAM, 1 + 1 + 2 for the kernel */
    build(0, 0x1000, BOOT_KERNEL_BASE, 0x201000);
    assert_int_equal(block_bytes, 10 * PAGE);
    build(4 * GIB, 0x1000, BOOT_KERNEL_BASE, 0x200000);
    assert_int_equal(block_bytes, 9 * PAGE);
    build(4 * GIB + 1, 0x1000, BOOT_KERNEL_BASE, PAGE);
    assert_int_equal(block_bytes, 10 * PAGE);
    assert_mapped(4 * GIB, true);
}

/* The kernel need not begin on a 2 MiB page of either address space, nor end on one. */
static void test_unaligned_kernel(void **state)
{
    uint64_t virt = BOOT_KERNEL_BASE + 0x1ff000;

    (void)state;
    build(6 * GIB, 0x7dfd3000, virt, 0x402000);
    for (uint64_t at = 0; at < 0x402000; at += PAGE)
        assert_int_equal(translate(virt + at), 0x7dfd3000 + at);
    assert_int_equal(translate(virt - 1), UNMAPPED);
    assert_int_equal(translate(virt + 0x402000), UNMAPPED);
    assert_mapped(6 * GIB - 1, true);
    assert_mapped(6 * GIB, false);
}

static void test_large_machine(void **state)
{
    uint64_t top = 1100 * GIB + 0x5000; /* three entries of the root, and an odd end */

    (void)state;
    build(top, 0x200000, BOOT_KERNEL_BASE, 64 << 20);
    for (uint64_t phys = 0; phys < top; phys += 3 * GIB + 0x1000)
        assert_mapped(phys, true);
    assert_mapped(top - 1, true);
    assert_mapped(1100 * GIB + (2 << 20), false);
    assert_mapped(1536 * GIB, false);
    assert_int_equal(translate(BOOT_KERNEL_BASE + (64 << 20) - 1), 0x200000 + (64 << 20) - 1);
}

static int release(void **state)
{
    (void)state;
    free(block);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_machine),
        cmocka_unit_test(test_exact_size),
        cmocka_unit_test(test_unaligned_kernel),
        cmocka_unit_test(test_large_machine),
    };
    return cmocka_run_group_tests(tests, NULL, release);
}
