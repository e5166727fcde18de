/*
 * The buddy allocator: random work against a shadow of every page, with all invariants checked;
 * memory maps with holes; and what a caller can do wrong.
 */
#include "buddy.h"
#include "fakes.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct buddy buddy;
static struct buddy_page *metadata;

static struct boot_mem_range range(uint64_t first_pfn, uint64_t end_pfn, uint32_t type)
{
    return (struct boot_mem_range){ first_pfn * PAGE_SIZE, (end_pfn - first_pfn) * PAGE_SIZE, type,
                                    0 };
}

/* All free ranges of a map, as page_init() does it. Returns the pages left out. */
static uint64_t start(const struct boot_mem_range *map, uint64_t count)
{
    uint64_t left_out, bytes = buddy_plan(&buddy, map, count, &left_out);

    free(metadata);
    metadata = malloc(bytes + 1);
    memset(metadata, 0xee, bytes); /* it is not zeroed for us */
    buddy_start(&buddy, metadata);
    for (uint64_t i = 0; i < count; i++)
        if (map[i].type == BOOT_MEM_FREE)
            buddy_add(&buddy, map[i].base / PAGE_SIZE, (map[i].base + map[i].bytes) / PAGE_SIZE);
    return left_out;
}

static void start_one(uint64_t first_pfn, uint64_t end_pfn)
{
    struct boot_mem_range one = range(first_pfn, end_pfn, BOOT_MEM_FREE);

    assert_int_equal(start(&one, 1), 0);
}

static uint64_t pfn_at(uint32_t index)
{
    for (unsigned i = buddy.zone_count; i-- > 0;)
        if (index >= buddy.zones[i].first_index)
            return buddy.zones[i].first_pfn + index - buddy.zones[i].first_index;
    fail();
    return 0;
}

/* Lists, alignment, count; and no two halves of one block are both free. */
static void check_invariants(void)
{
    uint64_t pages = 0;
    uint32_t blocks = 0, marked = 0;

    for (unsigned order = 0; order <= PAGE_ORDER_MAX; order++) {
        uint32_t prev = BUDDY_NIL;

        for (uint32_t i = buddy.heads[order]; i != BUDDY_NIL; prev = i, i = buddy.pages[i].next) {
            uint64_t pfn = pfn_at(i), other = pfn ^ (1ull << order);

            assert_true(i < buddy.page_count);
            assert_int_equal(buddy.pages[i].prev, prev);
            assert_int_equal(buddy.pages[i].state, BUDDY_FREE);
            assert_int_equal(buddy.pages[i].order, order);
            assert_int_equal(pfn % (1ull << order), 0);
            if (order < PAGE_ORDER_MAX)
                for (uint32_t j = buddy.heads[order]; j != BUDDY_NIL; j = buddy.pages[j].next)
                    assert_int_not_equal(pfn_at(j), other);
            pages += 1ull << order;
            blocks++;
        }
    }
    for (uint32_t i = 0; i < buddy.page_count; i++)
        marked += buddy.pages[i].state == BUDDY_FREE;
    assert_int_equal(marked, blocks);
    assert_int_equal(pages, buddy.free_pages);
}

#define SHADOW_PAGES 3000
#define BLOCKS_MAX   400

static uint16_t shadow[SHADOW_PAGES]; /* which block holds the page; 0: none */

static void shadow_set(uint64_t pfn, unsigned order, uint16_t from, uint16_t to)
{
    for (uint64_t p = pfn; p < pfn + (1ull << order); p++) {
        assert_true(p < SHADOW_PAGES);
        assert_int_equal(shadow[p], from);
        shadow[p] = to;
    }
}

static void random_work(const struct boot_mem_range *map, uint64_t count)
{
    struct {
        uint64_t pfn;
        unsigned order;
    } block[BLOCKS_MAX] = { 0 };
    uint64_t all;

    memset(shadow, 0xff, sizeof(shadow)); /* not RAM */
    for (uint64_t i = 0; i < count; i++)
        if (map[i].type == BOOT_MEM_FREE)
            for (uint64_t p = MAX(map[i].base / PAGE_SIZE, 1ull);
                 p < (map[i].base + map[i].bytes) / PAGE_SIZE; p++)
                shadow[p] = 0;
    start(map, count);
    all = buddy.free_pages;
    for (unsigned step = 0; step < 20000; step++) {
        unsigned i = (unsigned)rand() % BLOCKS_MAX;

        if (block[i].pfn != 0) {
            shadow_set(block[i].pfn, block[i].order, (uint16_t)(i + 1), 0);
            assert_int_equal(buddy_order(&buddy, block[i].pfn), block[i].order);
            buddy_free(&buddy, block[i].pfn, block[i].order);
            block[i].pfn = 0;
        } else {
            block[i].order = (unsigned)rand() % 8 < 5 ? (unsigned)rand() % 3
                                                      : (unsigned)rand() % (PAGE_ORDER_MAX + 1);
            block[i].pfn = buddy_alloc(&buddy, block[i].order);
            if (block[i].pfn != 0) {
                assert_int_equal(block[i].pfn % (1ull << block[i].order), 0);
                shadow_set(block[i].pfn, block[i].order, 0, (uint16_t)(i + 1));
            }
        }
        if (step % 50 == 0)
            check_invariants();
    }
    for (unsigned i = 0; i < BLOCKS_MAX; i++)
        if (block[i].pfn != 0)
            buddy_free(&buddy, block[i].pfn, block[i].order);
    check_invariants();
    assert_int_equal(buddy.free_pages, all);
}

static void test_random_work(void **state)
{
    const struct boot_mem_range plain = range(0, 3000, BOOT_MEM_FREE);
    const struct boot_mem_range odd[] = {
        range(0, 159, BOOT_MEM_FREE),     range(159, 160, BOOT_MEM_FIRMWARE),
        range(256, 777, BOOT_MEM_FREE),   range(777, 1025, BOOT_MEM_KERNEL),
        range(1025, 1026, BOOT_MEM_FREE), range(1026, 1030, BOOT_MEM_LOADER),
        range(1030, 2999, BOOT_MEM_FREE),
    };

    (void)state;
    random_work(&plain, 1);
    random_work(odd, ARRAY_SIZE(odd));
}

static void test_exhaustion(void **state)
{
    uint64_t pfn[64];

    (void)state;
    start_one(64, 128);
    assert_int_equal(buddy.free_pages, 64);
    assert_int_equal(buddy_alloc(&buddy, 7), 0);
    for (unsigned i = 0; i < 64; i++)
        assert_int_not_equal(pfn[i] = buddy_alloc(&buddy, 0), 0);
    assert_int_equal(buddy_alloc(&buddy, 0), 0);
    assert_int_equal(buddy.free_pages, 0);
    for (unsigned i = 0; i < 64; i++)
        buddy_free(&buddy, pfn[i], 0);
    check_invariants();
    assert_int_equal(buddy_alloc(&buddy, 6), 64); /* merged into the one block again */
}

static void test_page_zero_is_kept(void **state)
{
    (void)state;
    start_one(0, 8);
    assert_int_equal(buddy.free_pages, 7);
    for (unsigned i = 0; i < 7; i++)
        assert_int_not_equal(buddy_alloc(&buddy, 0), 0);
    assert_int_equal(buddy_alloc(&buddy, 0), 0);
}

/* A 4 GiB guest: 2 GiB low, 2 GiB above 4 GiB. The hole has no metadata. */
static void test_hole(void **state)
{
    const uint64_t gib = (1ull << 30) / PAGE_SIZE;
    const struct boot_mem_range map[] = {
        range(1, 2 * gib - 300, BOOT_MEM_FREE),
        range(2 * gib - 300, 2 * gib, BOOT_MEM_ACPI),
        range(4 * gib - 1024, 4 * gib, BOOT_MEM_FIRMWARE),
        range(4 * gib, 6 * gib, BOOT_MEM_FREE),
    };
    uint64_t left_out, pfn;
    unsigned blocks = 0;

    (void)state;
    assert_int_equal(buddy_plan(&buddy, map, ARRAY_SIZE(map), &left_out),
                     (4 * gib - 301) * sizeof(struct buddy_page));
    assert_int_equal(buddy.zone_count, 2);
    start(map, ARRAY_SIZE(map));
    assert_int_equal(buddy.free_pages, 4 * gib - 301);
    /* Whole blocks: 512 above; below, all but the first and the last, which are cut into. */
    for (; (pfn = buddy_alloc(&buddy, PAGE_ORDER_MAX)) != 0; blocks++) {
        assert_int_equal(pfn % 1024, 0);
        assert_true((pfn >= 4 * gib && pfn + 1024 <= 6 * gib) || pfn + 1024 <= 2 * gib - 300);
    }
    assert_int_equal(blocks, 512 + 510);
    EXPECT_PANIC(buddy_free(&buddy, 3 * gib, 0)); /* in the hole */
}

static void test_more_zones_than_there_is_room_for(void **state)
{
    struct boot_mem_range map[BUDDY_ZONES_MAX + 3];

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(map); i++)
        map[i] = range((i + 1) * 100000ull, (i + 1) * 100000ull + 10, BOOT_MEM_FREE);
    assert_int_equal(start(map, ARRAY_SIZE(map)), 30);
    assert_int_equal(buddy.zone_count, BUDDY_ZONES_MAX);
    assert_int_equal(buddy.free_pages, BUDDY_ZONES_MAX * 10);
    check_invariants();
}

/* More pages than an index can name: left out, nothing wraps. The metadata is only planned. */
static void test_too_much_memory(void **state)
{
    const struct boot_mem_range map[] = { range(1, 1000, BOOT_MEM_FREE),
                                          range(1ull << 20, (1ull << 20) + (1ull << 29),
                                                BOOT_MEM_FREE),
                                          range(1ull << 40, (1ull << 40) + 8, BOOT_MEM_FREE) };
    uint64_t left_out;

    (void)state;
    assert_int_equal(buddy_plan(&buddy, map, 3, &left_out), 1007 * 8);
    assert_int_equal(left_out, 1ull << 29);
}

static void test_misuse_panics(void **state)
{
    uint64_t pfn, other;

    (void)state;
    start_one(1024, 2048);
    pfn = buddy_alloc(&buddy, 3);
    other = buddy_alloc(&buddy, 0);
    EXPECT_PANIC(buddy_free(&buddy, pfn, 2));
    assert_non_null(strstr(fake_panic_message, "order 3"));
    EXPECT_PANIC(buddy_free(&buddy, pfn, 4));
    EXPECT_PANIC(buddy_free(&buddy, pfn + 1, 3)); /* its middle */
    EXPECT_PANIC(buddy_free(&buddy, pfn + 1, 0));
    EXPECT_PANIC(buddy_order(&buddy, pfn + 1));
    EXPECT_PANIC(buddy_free(&buddy, 1023, 0)); /* outside */
    EXPECT_PANIC(buddy_free(&buddy, 2048, 0));
    EXPECT_PANIC(buddy_free(&buddy, 1ull << 50, 0));
    EXPECT_PANIC(buddy_alloc(&buddy, PAGE_ORDER_MAX + 1));
    buddy_free(&buddy, pfn, 3);
    EXPECT_PANIC(buddy_free(&buddy, pfn, 3)); /* twice; it has been merged meanwhile */
    EXPECT_PANIC(buddy_order(&buddy, pfn));
    buddy_free(&buddy, other, 0);
    EXPECT_PANIC(buddy_free(&buddy, other, 0));
    check_invariants();
    assert_int_equal(buddy.free_pages, 1024);
}

static int clean_up(void **state)
{
    (void)state;
    free(metadata);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_work),
        cmocka_unit_test(test_exhaustion),
        cmocka_unit_test(test_page_zero_is_kept),
        cmocka_unit_test(test_hole),
        cmocka_unit_test(test_more_zones_than_there_is_room_for),
        cmocka_unit_test(test_too_much_memory),
        cmocka_unit_test(test_misuse_panics),
    };
    return cmocka_run_group_tests(tests, NULL, clean_up);
}
