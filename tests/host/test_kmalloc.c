/*
 * kmalloc over an arena with the real buddy allocator: contents, alignment and exact accounts
 * under random work; every page back when all is freed; and what a caller can do wrong.
 * test_kmalloc_debug.c runs the same with TOPHALF_DEBUG, and tests its poison.
 */
#include "buddy.h"
#include "fakes.h"
#include <kernel/kmalloc.h>
#include <kernel/page.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ARENA_PAGES 2048u
#define ARENA_BYTES (ARENA_PAGES * PAGE_SIZE)
#define SLAB        16384u

static struct buddy buddy;
static struct buddy_page metadata[ARENA_PAGES];
static uint8_t *arena; /* page frame 1024 is its first page */
static bool may_allocate;

void *page_alloc(unsigned order)
{
    uint64_t pfn = buddy_alloc(&buddy, order);

    return pfn != 0 ? arena + (pfn - 1024) * PAGE_SIZE : NULL;
}

static uint64_t pfn_of(const void *p)
{
    return (uint64_t)((const uint8_t *)p - arena) / PAGE_SIZE + 1024;
}

void page_free(void *block, unsigned order)
{
    buddy_free(&buddy, pfn_of(block), order);
}
unsigned page_order(const void *block)
{
    return buddy_order(&buddy, pfn_of(block));
}
bool context_may_allocate(void)
{
    return may_allocate;
}

static int set_up(void **state)
{
    struct boot_mem_range map = { 1024 * PAGE_SIZE, ARENA_BYTES, BOOT_MEM_FREE, 0 };
    uint64_t left_out;

    (void)state;
    if (arena == NULL)
        arena = aligned_alloc(PAGE_SIZE << PAGE_ORDER_MAX, ARENA_BYTES);
    buddy_plan(&buddy, &map, 1, &left_out);
    buddy_start(&buddy, metadata);
    buddy_add(&buddy, 1024, 1024 + ARENA_PAGES);
    may_allocate = true;
    kmalloc_init();
    return 0;
}

static uint64_t taken_bytes(void)
{
    return (ARENA_PAGES - buddy.free_pages) * PAGE_SIZE;
}

static struct kmalloc_stats stats(void)
{
    struct kmalloc_stats s;

    kmalloc_stats(&s);
    assert_int_equal(s.used_bytes + s.cached_bytes, taken_bytes()); /* always exact */
    return s;
}

static uint64_t class_bytes(size_t bytes)
{
    uint64_t class = 16;

    while (class < bytes)
        class *= 2;
    return class;
}

static void test_classes(void **state)
{
    static const size_t sizes[] = { 0,    1,    15,   16,   17,   32,   33,     64,      65,
                                    100,  128,  200,  256,  500,  512,  513,    1024,    1025,
                                    2047, 2048, 2049, 4096, 4097, 8192, 100000, 4u << 20 };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        uint8_t *p = kmalloc(sizes[i]);

        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        memset(p, 0x5a, sizes[i]);
        assert_int_equal(stats().used_bytes, sizes[i] <= 2048
                                                 ? class_bytes(sizes[i])
                                                 : MAX(class_bytes(sizes[i]), PAGE_SIZE));
        kfree(p);
        assert_int_equal(stats().used_bytes, 0);
    }
    assert_int_equal(stats().cached_bytes, 8 * SLAB); /* one spare a class, and no more */
    assert_int_equal(stats().allocs, ARRAY_SIZE(sizes));
    assert_int_equal(stats().frees, ARRAY_SIZE(sizes));
    assert_null(kmalloc((4u << 20) + 1));
    assert_null(kmalloc(SIZE_MAX));
    assert_int_equal(stats().failures, 2);
    kfree(NULL);
    assert_int_equal(stats().frees, ARRAY_SIZE(sizes));
}

static void test_last_freed_is_next(void **state)
{
    void *a, *b;

    (void)state;
    a = kmalloc(100);
    b = kmalloc(100);
    assert_ptr_not_equal(a, b);
    kfree(a);
    assert_ptr_equal(kmalloc(128), a);
    kfree(b);
    kfree(a);
    assert_ptr_equal(kmalloc(65), a);
    assert_ptr_equal(kmalloc(65), b);
}

static void test_kzalloc(void **state)
{
    (void)state;
    for (size_t bytes = 1; bytes < 10000; bytes = bytes * 3 + 1) {
        uint8_t *p = kmalloc(bytes);

        memset(p, 0xff, bytes);
        kfree(p);
        p = kzalloc(bytes);
        for (size_t i = 0; i < bytes; i++)
            assert_int_equal(p[i], 0);
        kfree(p);
    }
}

/* Fill a class over several slabs: no object on a page boundary, none twice; then all pages back
 * but one spare, whatever the order. */
static void test_whole_slabs(void **state)
{
    (void)state;
    for (size_t bytes = 16; bytes <= 2048; bytes *= 2) {
        static uint8_t *p[3 * SLAB / 16];
        unsigned capacity = (unsigned)((SLAB - 176) / bytes), count = capacity * 3;
        uint64_t before;

        set_up(NULL);
        before = buddy.free_pages;
        if (bytes == 16)
            count -= 9; /* three of each slab would start a page */
        for (unsigned i = 0; i < count; i++) {
            p[i] = kmalloc(bytes);
            assert_non_null(p[i]);
            assert_int_not_equal((uintptr_t)p[i] % PAGE_SIZE, 0);
            memset(p[i], (int)i, bytes);
        }
        assert_int_equal(taken_bytes(), 3 * SLAB); /* exactly full: not one object is wasted */
        for (unsigned i = 0; i < count; i++)
            for (size_t k = 0; k < bytes; k++)
                assert_int_equal(p[i][k], (uint8_t)i);
        for (unsigned i = count; i > 1; i--) { /* shuffle */
            unsigned k = (unsigned)rand() % i;
            uint8_t *swap = p[k];

            p[k] = p[i - 1];
            p[i - 1] = swap;
        }
        for (unsigned i = 0; i < count; i++)
            kfree(p[i]);
        assert_int_equal(stats().used_bytes, 0);
        assert_int_equal(stats().cached_bytes, SLAB);
        assert_int_equal(buddy.free_pages, before - 4);
    }
}

static void test_random_work(void **state)
{
    static struct {
        uint8_t *p;
        size_t bytes;
        uint8_t mark;
    } block[600];
    uint64_t used = 0;

    (void)state;
    for (unsigned step = 0; step < 60000; step++) {
        unsigned i = (unsigned)rand() % ARRAY_SIZE(block);

        if (block[i].p == NULL) {
            block[i].bytes = rand() % 20 == 0 ? (size_t)rand() % 40000 : (size_t)rand() % 2200;
            block[i].mark = (uint8_t)rand();
            block[i].p = kmalloc(block[i].bytes);
            if (block[i].p == NULL)
                continue;
            memset(block[i].p, block[i].mark, block[i].bytes);
        } else {
            for (size_t k = 0; k < block[i].bytes; k++)
                assert_int_equal(block[i].p[k], block[i].mark);
            kfree(block[i].p);
            block[i].p = NULL;
        }
        if (step % 100 != 0)
            continue;
        used = 0;
        for (i = 0; i < ARRAY_SIZE(block); i++)
            if (block[i].p != NULL)
                used += block[i].bytes <= 2048 ? class_bytes(block[i].bytes)
                                               : MAX(class_bytes(block[i].bytes), PAGE_SIZE);
        assert_int_equal(stats().used_bytes, used);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(block); i++) {
        kfree(block[i].p);
        block[i].p = NULL;
    }
    assert_int_equal(stats().used_bytes, 0);
    assert_true(stats().cached_bytes <= 8 * SLAB);
}

static void test_out_of_memory(void **state)
{
    static void *p[ARENA_BYTES / 2048];
    unsigned n = 0;

    (void)state;
    while ((p[n] = kmalloc(2048)) != NULL)
        n++;
    assert_int_equal(n, ARENA_BYTES / SLAB * 7);
    assert_int_equal(stats().failures, 1);
    assert_null(kmalloc(16)); /* no page for a new class */
    assert_null(kzalloc(5000));
    kfree(p[--n]);
    assert_ptr_equal(kmalloc(2000), p[n++]);
    while (n > 0)
        kfree(p[--n]);
    assert_non_null(kmalloc(4u << 20));
}

static void test_misuse_panics(void **state)
{
    uint8_t *p, *q, *large;

    (void)state;
    p = kmalloc(64);
    q = kmalloc(64);
    large = kmalloc(10000);
    EXPECT_PANIC(kfree(p + 16)); /* the middle of an object */
    EXPECT_PANIC(kfree(p + 8));
    EXPECT_PANIC(kfree(q + 64));                                         /* never handed out */
    EXPECT_PANIC(kfree((uint8_t *)ALIGN_DOWN((uintptr_t)p, SLAB) + 32)); /* the slab's header */
    EXPECT_PANIC(kfree(large + 16));
    EXPECT_PANIC(kfree(large + PAGE_SIZE));               /* the middle of a large block */
    EXPECT_PANIC(kfree(arena + ARENA_BYTES - PAGE_SIZE)); /* a page that is free */
    kfree(p);
    EXPECT_PANIC(kfree(p));
    assert_non_null(strstr(fake_panic_message, "free already"));
    kfree(q); /* the slab becomes the spare */
    EXPECT_PANIC(kfree(q));
    kfree(large);
    EXPECT_PANIC(kfree(large));
}

/* A slab that has gone back to the page allocator is no slab any more. */
static void test_stale_pointer_panics(void **state)
{
    void *p[14];

    (void)state;
    for (unsigned i = 0; i < 14; i++) /* two slabs of seven */
        p[i] = kmalloc(2048);
    for (unsigned i = 0; i < 14; i++)
        kfree(p[i]);
    EXPECT_PANIC(kfree(p[13]));
    assert_non_null(strstr(fake_panic_message, "not from kmalloc"));
}

/* A write through a stale pointer that damages the free list is noticed, not followed. */
static void test_damaged_list_panics(void **state)
{
    void *elsewhere = NULL;
    void **p, **q;

    (void)state;
    p = kmalloc(32);
    q = kmalloc(32);
    kfree(p);
    *p = &elsewhere;
    assert_ptr_equal(kmalloc(32), p);
    EXPECT_PANIC(kmalloc(32));
    set_up(NULL);
    p = kmalloc(32);
    q = kmalloc(32);
    kfree(p);
    *p = q; /* in use */
    assert_ptr_equal(kmalloc(32), p);
    EXPECT_PANIC(kmalloc(32));
    assert_non_null(strstr(fake_panic_message, "in use"));
}

static void test_context_is_asserted(void **state)
{
    void *p;

    (void)state;
    p = kmalloc(10);
    may_allocate = false;
    EXPECT_PANIC(kmalloc(10));
    EXPECT_PANIC(kfree(p));
    kfree(NULL);
}

#ifdef TOPHALF_DEBUG
static void write_after_free(size_t bytes, size_t at)
{
    uint8_t *p;

    set_up(NULL);
    p = kmalloc(bytes);
    kfree(p);
    p[at] ^= 1;
    EXPECT_PANIC(kmalloc(bytes));
    assert_non_null(strstr(fake_panic_message, "after it was freed"));
    p[at] ^= 1;
    assert_ptr_equal(kmalloc(bytes), p);
}

static void test_write_after_free_panics(void **state)
{
    (void)state;
    for (size_t bytes = 16; bytes <= 2048; bytes *= 2) {
        write_after_free(bytes, 8);
        write_after_free(bytes, bytes - 1);
    }
}
#endif

static int clean_up(void **state)
{
    (void)state;
    free(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_classes, set_up),
        cmocka_unit_test_setup(test_last_freed_is_next, set_up),
        cmocka_unit_test_setup(test_kzalloc, set_up),
        cmocka_unit_test_setup(test_whole_slabs, set_up),
        cmocka_unit_test_setup(test_random_work, set_up),
        cmocka_unit_test_setup(test_out_of_memory, set_up),
        cmocka_unit_test_setup(test_misuse_panics, set_up),
        cmocka_unit_test_setup(test_stale_pointer_panics, set_up),
        cmocka_unit_test_setup(test_damaged_list_panics, set_up),
        cmocka_unit_test_setup(test_context_is_asserted, set_up),
#ifdef TOPHALF_DEBUG
        cmocka_unit_test_setup(test_write_after_free_panics, set_up),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, clean_up);
}
