/*
 * Page tables: what is built is read back by a translation of the test's own (SDM vol 3 §4.5), in
 * the largest pages that fit, and as the ranges that `pagetables` shows.
 */
#include "fakes.h"
#include "pagetable.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define TABLES_MAX 256u
#define GIB        (1ull << 30)
#define HIGH       0xffff800000000000ull
#define IMAGE      0xffffffff80000000ull

static uint64_t memory[TABLES_MAX][512];
static unsigned tables;
static struct pagetable pt;

static unsigned tables_max = TABLES_MAX;

static uint64_t new_table(void)
{
    if (tables == tables_max)
        return 0;
    memset(memory[tables], 0, sizeof(memory[0]));
    return PAGE_SIZE * tables++;
}

static uint64_t *table_at(uint64_t phys)
{
    assert_int_equal(phys % PAGE_SIZE, 0);
    assert_true(phys / PAGE_SIZE < tables);
    return memory[phys / PAGE_SIZE];
}

static void start(bool page_1g)
{
    tables = 0;
    tables_max = TABLES_MAX;
    pt = (struct pagetable){ .page_1g = page_1g, .new_table = new_table, .table = table_at };
    pt.root = new_table();
}

static int set_up(void **state)
{
    (void)state;
    start(true);
    return 0;
}

/* What the CPU would do: the leaf entry and the size of its page; false: #PF. */
static bool translate(uint64_t virt, uint64_t *phys, uint64_t *entry, uint64_t *page)
{
    static const struct {
        unsigned shift;
        bool may_be_leaf;
    } levels[] = { { 39, false }, { 30, true }, { 21, true }, { 12, true } };
    uint64_t table = pt.root;

    for (unsigned i = 0; i < 4; i++) {
        *page = 1ull << levels[i].shift;
        *entry = table_at(table)[virt >> levels[i].shift & 511];
        if (!(*entry & 1))
            return false;
        table = *entry & 0x000ffffffffff000ull;
        if (i == 3 || (levels[i].may_be_leaf && (*entry & 0x80))) {
            *phys = table + virt % *page;
            assert_int_equal(table % *page, 0); /* reserved bits are zero */
            return true;
        }
        assert_false(*entry & 0x80);
        assert_true(*entry & 2); /* the levels above take nothing away */
        assert_int_equal(*entry >> 63, 0);
    }
    return false;
}

static void expect_mapped(uint64_t virt, uint64_t phys, uint64_t page, unsigned rights)
{
    uint64_t p, entry, size;

    assert_true(translate(virt, &p, &entry, &size));
    assert_int_equal(p, phys);
    assert_int_equal(size, page);
    assert_int_equal(entry >> 1 & 1, (rights & MAP_WRITE) != 0);
    assert_int_equal(entry >> 63, (rights & MAP_EXECUTE) == 0);
    assert_int_equal(entry >> 3 & 3, rights & MAP_UNCACHED ? 3 : 0); /* PWT and PCD */
    assert_int_equal(entry >> 2 & 1, 0);                             /* never for user mode */
}

static void expect_unmapped(uint64_t virt)
{
    uint64_t phys, entry, size;

    assert_false(translate(virt, &phys, &entry, &size));
}

static void test_rights(void **state)
{
    (void)state;
    pagetable_map(&pt, IMAGE, 0x5000, 0x2000, MAP_EXECUTE);
    pagetable_map(&pt, IMAGE + 0x2000, 0x7000, 0x1000, 0);
    pagetable_map(&pt, IMAGE + 0x3000, 0x8000, 0x1000, MAP_WRITE);
    pagetable_map(&pt, IMAGE + 0x5000, 0xfee00000, 0x1000, MAP_WRITE | MAP_UNCACHED);
    expect_unmapped(IMAGE - 1);
    expect_mapped(IMAGE + 0x123, 0x5123, PAGE_SIZE, MAP_EXECUTE);
    expect_mapped(IMAGE + 0x1fff, 0x6fff, PAGE_SIZE, MAP_EXECUTE);
    expect_mapped(IMAGE + 0x2000, 0x7000, PAGE_SIZE, 0);
    expect_mapped(IMAGE + 0x3000, 0x8000, PAGE_SIZE, MAP_WRITE);
    expect_unmapped(IMAGE + 0x4000); /* a guard page */
    expect_mapped(IMAGE + 0x5000, 0xfee00000, PAGE_SIZE, MAP_WRITE | MAP_UNCACHED);
    expect_unmapped(IMAGE + 0x6000);
    expect_unmapped(0);
}

static void test_large_pages(void **state)
{
    (void)state;
    /* 4 KiB at the edges, 2 MiB up to the GiB, 1 GiB, and the same way down */
    pagetable_map(&pt, HIGH + GIB - 0x201000, GIB - 0x201000, GIB + 0x402000, MAP_WRITE);
    expect_unmapped(HIGH + GIB - 0x201001);
    expect_mapped(HIGH + GIB - 0x201000, GIB - 0x201000, PAGE_SIZE, MAP_WRITE);
    expect_mapped(HIGH + GIB - 0x200000, GIB - 0x200000, PAGE_2M, MAP_WRITE);
    expect_mapped(HIGH + GIB, GIB, GIB, MAP_WRITE);
    expect_mapped(HIGH + 2 * GIB - 1, 2 * GIB - 1, GIB, MAP_WRITE);
    expect_mapped(HIGH + 2 * GIB + 1, 2 * GIB + 1, PAGE_2M, MAP_WRITE);
    expect_mapped(HIGH + 2 * GIB + 0x200fff, 2 * GIB + 0x200fff, PAGE_SIZE, MAP_WRITE);
    expect_unmapped(HIGH + 2 * GIB + 0x201000);

    start(false); /* a CPU without pages of 1 GiB */
    pagetable_map(&pt, HIGH, 0, 2 * GIB, MAP_WRITE);
    expect_mapped(HIGH + GIB + 5, GIB + 5, PAGE_2M, MAP_WRITE);
    assert_int_equal(tables, 4);

    start(true); /* virtual and physical are not congruent: small pages only */
    pagetable_map(&pt, HIGH, 0x1000, PAGE_2M, MAP_WRITE);
    expect_mapped(HIGH + 0x1ff000, 0x200000, PAGE_SIZE, MAP_WRITE);
}

static void test_misuse_panics(void **state)
{
    (void)state;
    EXPECT_PANIC(pagetable_map(&pt, IMAGE, 0, PAGE_SIZE, MAP_WRITE | MAP_EXECUTE));
    EXPECT_PANIC(pagetable_map(&pt, IMAGE + 1, 0, PAGE_SIZE, 0));
    EXPECT_PANIC(pagetable_map(&pt, IMAGE, 1, PAGE_SIZE, 0));
    EXPECT_PANIC(pagetable_map(&pt, IMAGE, 0, PAGE_SIZE + 1, 0));
    EXPECT_PANIC(pagetable_map(&pt, IMAGE, 1ull << 52, PAGE_SIZE, 0)); /* would be other bits */
    EXPECT_PANIC(pagetable_map(&pt, HIGH, (1ull << 52) - PAGE_SIZE, 2 * PAGE_SIZE, 0));
    assert_int_equal(tables, 1);
    pagetable_map(&pt, HIGH, 0, GIB, MAP_WRITE);
    pagetable_map(&pt, IMAGE, 0, PAGE_SIZE, MAP_EXECUTE);
    EXPECT_PANIC(pagetable_map(&pt, IMAGE, 0, PAGE_SIZE, MAP_EXECUTE)); /* mapped already */
    EXPECT_PANIC(pagetable_map(&pt, IMAGE - PAGE_SIZE, 0, 2 * PAGE_SIZE, 0));
    EXPECT_PANIC(pagetable_map(&pt, HIGH + PAGE_SIZE, 0, PAGE_SIZE, 0)); /* in a large page */
    EXPECT_PANIC(pagetable_map(&pt, HIGH + PAGE_2M, 0, PAGE_2M, 0));
}

static uint64_t cursor;

static void expect_range(uint64_t begin, uint64_t bytes, uint64_t page, unsigned rights)
{
    struct pagetable_range range;

    assert_true(pagetable_next(&pt, &cursor, &range));
    assert_int_equal(range.start, begin);
    assert_int_equal(range.bytes, bytes);
    assert_int_equal(range.page_bytes, page);
    assert_int_equal(range.rights, rights);
}

static void expect_end(void)
{
    struct pagetable_range range;

    assert_false(pagetable_next(&pt, &cursor, &range));
    assert_false(pagetable_next(&pt, &cursor, &range)); /* and stays there */
    cursor = 0;
}

static void test_ranges(void **state)
{
    (void)state;
    cursor = 0;
    expect_end();
    pagetable_map(&pt, 0, 0x1000, PAGE_SIZE, 0); /* the NULL page would be seen */
    pagetable_map(&pt, 0x1000, 0x9000, PAGE_SIZE, 0);
    pagetable_map(&pt, 0x2000, 0, PAGE_SIZE, MAP_WRITE);
    pagetable_map(&pt, 0x4000, 0, PAGE_SIZE, MAP_WRITE);
    pagetable_map(&pt, PAGE_2M, 0, 2 * PAGE_2M, MAP_WRITE);
    pagetable_map(&pt, 3 * PAGE_2M, 0, PAGE_SIZE, MAP_WRITE);
    pagetable_map(&pt, 0x7ffffffff000, 0, PAGE_SIZE, 0); /* the halves' ends do not meet */
    pagetable_map(&pt, HIGH, 0, PAGE_SIZE, 0);
    pagetable_map(&pt, HIGH + 0x1000, 0, PAGE_SIZE, MAP_UNCACHED);
    pagetable_map(&pt, HIGH + GIB, GIB, 3 * GIB, MAP_WRITE);
    pagetable_map(&pt, IMAGE, 0, PAGE_SIZE, MAP_EXECUTE);
    pagetable_map(&pt, 0xfffffffffffff000, 0, PAGE_SIZE, 0);
    expect_range(0, 0x2000, PAGE_SIZE, 0);
    expect_range(0x2000, PAGE_SIZE, PAGE_SIZE, MAP_WRITE);
    expect_range(0x4000, PAGE_SIZE, PAGE_SIZE, MAP_WRITE);
    expect_range(PAGE_2M, 2 * PAGE_2M, PAGE_2M, MAP_WRITE);
    expect_range(3 * PAGE_2M, PAGE_SIZE, PAGE_SIZE, MAP_WRITE);
    expect_range(0x7ffffffff000, PAGE_SIZE, PAGE_SIZE, 0);
    expect_range(HIGH, PAGE_SIZE, PAGE_SIZE, 0);
    expect_range(HIGH + 0x1000, PAGE_SIZE, PAGE_SIZE, MAP_UNCACHED);
    expect_range(HIGH + GIB, 3 * GIB, GIB, MAP_WRITE);
    expect_range(IMAGE, PAGE_SIZE, PAGE_SIZE, MAP_EXECUTE);
    expect_range(0xfffffffffffff000, PAGE_SIZE, PAGE_SIZE, 0);
    expect_end();
}

/* A W+X page made behind our back is reported; rights are those of all levels together. */
static void test_rights_of_a_whole_walk(void **state)
{
    uint64_t *pml4e, *pte;

    (void)state;
    cursor = 0;
    pagetable_map(&pt, IMAGE, 0, PAGE_SIZE, MAP_WRITE);
    pml4e = &memory[0][511];
    pte = &memory[3][0];
    expect_range(IMAGE, PAGE_SIZE, PAGE_SIZE, MAP_WRITE);
    expect_end();
    *pte &= ~(1ull << 63);
    expect_range(IMAGE, PAGE_SIZE, PAGE_SIZE, MAP_WRITE | MAP_EXECUTE);
    expect_end();
    *pml4e |= 1ull << 63;
    expect_range(IMAGE, PAGE_SIZE, PAGE_SIZE, MAP_WRITE);
    expect_end();
    *pml4e &= ~2ull;
    expect_range(IMAGE, PAGE_SIZE, PAGE_SIZE, 0);
    expect_end();
}

static void expect_lookup(uint64_t virt, uint64_t phys, unsigned rights)
{
    uint64_t found = 0;
    unsigned has = 0;

    assert_true(pagetable_lookup(&pt, virt, &found, &has));
    assert_int_equal(found, phys);
    assert_int_equal(has, rights);
}

/* Large pages are cut where they are asked to be, and nothing changes for who reads through them.
 */
static void test_split(void **state)
{
    (void)state;
    pagetable_map(&pt, HIGH, 0, 3 * GIB, MAP_WRITE);
    assert_int_equal(tables, 2);
    assert_true(pagetable_split(&pt, HIGH + GIB + PAGE_2M - 0x1000, 0x3000));
    assert_int_equal(tables, 5); /* a PD and two PTs */
    expect_mapped(HIGH + GIB - 1, GIB - 1, GIB, MAP_WRITE);
    for (uint64_t at = 0; at < 2 * PAGE_2M; at += 0x7ff)
        expect_mapped(HIGH + GIB + at, GIB + at, PAGE_SIZE, MAP_WRITE);
    expect_mapped(HIGH + GIB + 2 * PAGE_2M, GIB + 2 * PAGE_2M, PAGE_2M, MAP_WRITE);
    expect_mapped(HIGH + 2 * GIB - 1, 2 * GIB - 1, PAGE_2M, MAP_WRITE);
    expect_mapped(HIGH + 2 * GIB, 2 * GIB, GIB, MAP_WRITE);
    assert_true(pagetable_split(&pt, HIGH + GIB, PAGE_SIZE)); /* is so already */
    assert_int_equal(tables, 5);
    expect_lookup(HIGH + GIB + 0x123456, GIB + 0x123456, MAP_WRITE);

    /* where nothing is mapped: tables for later, up to the very end of the addresses */
    assert_true(pagetable_split(&pt, 0xffffffffffe00000, PAGE_2M));
    assert_int_equal(tables, 8);
    expect_unmapped(0xffffffffffe00000);
    pagetable_map(&pt, 0xfffffffffffff000, 0x7000, PAGE_SIZE, 0);
    assert_int_equal(tables, 8);
    expect_mapped(0xfffffffffffff000, 0x7000, PAGE_SIZE, 0);
}

static void test_split_without_memory(void **state)
{
    (void)state;
    pagetable_map(&pt, HIGH, 0, 2 * GIB, MAP_WRITE);
    for (unsigned more = 0; more < 2; more++) {
        tables_max = tables + more;
        assert_false(pagetable_split(&pt, HIGH + 0x5000, PAGE_SIZE));
        expect_lookup(HIGH + 0x5123, 0x5123, MAP_WRITE);
        expect_lookup(HIGH + 0x40000000, 0x40000000, MAP_WRITE);
        assert_false(pagetable_split(&pt, IMAGE, PAGE_SIZE));
    }
    tables_max = tables;
    EXPECT_PANIC(
        pagetable_map(&pt, IMAGE + GIB, 0, PAGE_SIZE, 0)); /* at boot there is no other way */
}

/* As code is made: a page out of the direct map, written elsewhere, flipped, given back. */
static void test_protect(void **state)
{
    uint64_t phys;
    unsigned rights;

    (void)state;
    pagetable_map(&pt, HIGH, 0, GIB, MAP_WRITE);
    assert_true(pagetable_split(&pt, HIGH + 0x7000, 0x2000));
    assert_true(pagetable_split(&pt, IMAGE, 0x2000));
    pagetable_protect(&pt, HIGH + 0x7000, 0x2000, MAP_ABSENT);
    expect_mapped(HIGH + 0x6fff, 0x6fff, PAGE_SIZE, MAP_WRITE);
    expect_unmapped(HIGH + 0x7000);
    expect_unmapped(HIGH + 0x8fff);
    expect_mapped(HIGH + 0x9000, 0x9000, PAGE_SIZE, MAP_WRITE);
    assert_false(pagetable_lookup(&pt, HIGH + 0x7000, &phys, &rights));

    pagetable_map(&pt, IMAGE, 0x7000, 0x2000, MAP_WRITE);
    pagetable_protect(&pt, IMAGE, 0x2000, MAP_EXECUTE);
    expect_mapped(IMAGE + 0x1abc, 0x8abc, PAGE_SIZE, MAP_EXECUTE);
    EXPECT_PANIC(pagetable_protect(&pt, IMAGE, PAGE_SIZE, MAP_WRITE | MAP_EXECUTE));
    EXPECT_PANIC(pagetable_protect(&pt, IMAGE + 0x2000, PAGE_SIZE, 0)); /* nothing is there */
    EXPECT_PANIC(pagetable_protect(&pt, HIGH + PAGE_2M, PAGE_SIZE, 0)); /* not split */
    EXPECT_PANIC(pagetable_protect(&pt, IMAGE + 1, PAGE_SIZE, 0));
    EXPECT_PANIC(pagetable_map(&pt, HIGH, 0, PAGE_SIZE, MAP_ABSENT));

    pagetable_protect(&pt, IMAGE, 0x2000, MAP_ABSENT);
    pagetable_protect(&pt, HIGH + 0x7000, 0x2000, MAP_WRITE);
    expect_mapped(HIGH + 0x7fff, 0x7fff, PAGE_SIZE, MAP_WRITE);
    expect_unmapped(IMAGE);
    pagetable_map(&pt, IMAGE, 0x30000, PAGE_SIZE, MAP_WRITE); /* its place is free */
    expect_mapped(IMAGE, 0x30000, PAGE_SIZE, MAP_WRITE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_rights, set_up),
        cmocka_unit_test_setup(test_large_pages, set_up),
        cmocka_unit_test_setup(test_misuse_panics, set_up),
        cmocka_unit_test_setup(test_split, set_up),
        cmocka_unit_test_setup(test_split_without_memory, set_up),
        cmocka_unit_test_setup(test_protect, set_up),
        cmocka_unit_test_setup(test_ranges, set_up),
        cmocka_unit_test_setup(test_rights_of_a_whole_walk, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
