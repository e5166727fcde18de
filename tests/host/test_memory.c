/* boot/memory.c, against a firmware that hands out pages of one arena from its end downwards. */
#include "loader.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define PAGE        4096ull
#define SIZE_2M     (2ull << 20)
#define ARENA_PAGES 2048u /* 8 MiB */

EFI_SYSTEM_TABLE *st;
EFI_BOOT_SERVICES *bs;

static uint8_t *arena;
static uint8_t taken[ARENA_PAGES];

static EFI_STATUS EFIAPI fake_allocate(EFI_ALLOCATE_TYPE how, EFI_MEMORY_TYPE type, UINTN pages,
                                       EFI_PHYSICAL_ADDRESS *out)
{
    assert_int_equal(how, AllocateAnyPages);
    assert_int_equal(type, EfiLoaderData);
    for (size_t first = ARENA_PAGES; first-- > 0;) {
        size_t n = 0;

        while (n < pages && first + n < ARENA_PAGES && !taken[first + n])
            n++;
        if (n == pages) {
            memset(taken + first, 1, pages);
            *out = (uint64_t)arena + first * PAGE;
            return EFI_SUCCESS;
        }
    }
    return EFI_OUT_OF_RESOURCES;
}

static EFI_STATUS EFIAPI fake_free(EFI_PHYSICAL_ADDRESS base, UINTN pages)
{
    size_t first = (base - (uint64_t)arena) / PAGE;

    assert_int_equal(base % PAGE, 0);
    assert_true(pages > 0 && first < ARENA_PAGES && pages <= ARENA_PAGES - first);
    for (size_t i = 0; i < pages; i++) {
        assert_int_equal(taken[first + i], 1);
        taken[first + i] = 0;
    }
    return EFI_SUCCESS;
}

static size_t pages_taken(void)
{
    size_t n = 0;

    for (size_t i = 0; i < ARENA_PAGES; i++)
        n += taken[i];
    return n;
}

static int start(void **state)
{
    static EFI_BOOT_SERVICES services;

    (void)state;
    services.AllocatePages = fake_allocate;
    services.FreePages = fake_free;
    bs = &services;
    if (arena == NULL)
        arena = aligned_alloc(SIZE_2M, ARENA_PAGES * PAGE);
    memset(arena, 0xff, ARENA_PAGES * PAGE);
    memset(taken, 0, sizeof(taken));
    return arena == NULL;
}

static void test_pages(void **state)
{
    uint64_t one, two, zeroed;

    (void)state;
    one = alloc_pages(1);
    two = alloc_pages(PAGE + 1);
    assert_int_equal(pages_taken(), 3);
    zeroed = alloc_zeroed(100);
    for (size_t i = 0; i < PAGE; i++) /* all of the page: the jump's stack is at its end */
        assert_int_equal(((uint8_t *)zeroed)[i], 0);
    assert_int_equal(*(uint8_t *)one, 0xff);
    free_pages(one, 1);
    free_pages(two, PAGE + 1);
    free_pages(zeroed, 100);
    free_pages(0, 100); /* what was never had */
    free_pages((uint64_t)arena, 0);
    assert_int_equal(pages_taken(), 0);
    assert_int_equal(alloc_pages((ARENA_PAGES + 1) * PAGE), 0);
    assert_int_equal(alloc_zeroed((ARENA_PAGES + 1) * PAGE), 0);
}

/* Wherever the firmware's pages begin, the block is aligned, and only the block is kept. */
static void test_large(void **state)
{
    static const uint64_t sizes[] = { 1, PAGE, SIZE_2M - PAGE, SIZE_2M, SIZE_2M + 1 };

    for (unsigned before = 0; before < 1024; before += before < 4 ? 1 : 127) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            uint64_t block, other;

            start(state);
            other = before != 0 ? alloc_pages(before * PAGE) : 0;
            block = alloc_large(sizes[i]);
            assert_true(block != 0);
            assert_int_equal(block % SIZE_2M, 0);
            assert_int_equal(pages_taken(), before + (sizes[i] + PAGE - 1) / PAGE);
            free_pages(block, sizes[i]);
            free_pages(other, before * PAGE);
            assert_int_equal(pages_taken(), 0);
        }
    }
}

static void test_large_in_a_small_machine(void **state)
{
    uint64_t block;

    (void)state;
    taken[ARENA_PAGES - 1] = 1; /* so that nothing that fits is aligned */
    block = alloc_large((ARENA_PAGES - 1) * PAGE);
    assert_int_equal(block, (uint64_t)arena);
    assert_int_equal(alloc_large(PAGE), 0);
    free_pages(block, (ARENA_PAGES - 1) * PAGE);
    taken[0] = 1;
    block = alloc_large((ARENA_PAGES - 2) * PAGE);
    assert_int_equal(block, (uint64_t)arena + PAGE); /* not aligned, but there */
    free_pages(block, (ARENA_PAGES - 2) * PAGE);
    assert_int_equal(pages_taken(), 2);
}

static int release(void **state)
{
    (void)state;
    free(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_pages, start),
        cmocka_unit_test_setup(test_large, start),
        cmocka_unit_test_setup(test_large_in_a_small_machine, start),
    };
    return cmocka_run_group_tests(tests, NULL, release);
}
