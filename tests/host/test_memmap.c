/* boot/memmap.c and boot/leave.c: the firmware's map, and a firmware that changes it. */
#include "loader.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#define PAGE 4096ull

EFI_SYSTEM_TABLE *st;
EFI_BOOT_SERVICES *bs;

static EFI_MEMORY_DESCRIPTOR map[16];
static size_t map_count;
static struct boot_mem_range ranges[16];

static void add(uint32_t type, uint64_t first_page, uint64_t pages)
{
    map[map_count++] = (EFI_MEMORY_DESCRIPTOR){ .Type = type,
                                                .PhysicalStart = first_page * PAGE,
                                                .NumberOfPages = pages };
}

static size_t convert(uint64_t kernel_page, uint64_t kernel_pages, size_t max)
{
    return memmap_convert(map, map_count * sizeof(map[0]), sizeof(map[0]),
                          (struct memmap_block){ kernel_page * PAGE, kernel_pages * PAGE }, ranges,
                          max);
}

static void assert_range(size_t i, uint64_t first_page, uint64_t pages, uint32_t type)
{
    assert_int_equal(ranges[i].base, first_page * PAGE);
    assert_int_equal(ranges[i].bytes, pages * PAGE);
    assert_int_equal(ranges[i].type, type);
}

static void test_sorted_and_merged(void **state)
{
    (void)state;
    map_count = 0;
    add(EfiConventionalMemory, 256, 100);
    add(EfiBootServicesData, 0, 160);
    add(EfiBootServicesCode, 356, 10);
    add(EfiACPIReclaimMemory, 400, 4);
    add(EfiRuntimeServicesData, 404, 4);
    add(EfiMemoryMappedIO, 0x80000, 16);
    add(EfiLoaderData, 366, 2);
    assert_int_equal(convert(0, 0, 16), 6);
    assert_range(0, 0, 160, BOOT_MEM_FREE);
    assert_range(1, 256, 100, BOOT_MEM_FREE);
    assert_range(2, 356, 10, BOOT_MEM_FREE_CODE); /* never one with its neighbour */
    assert_range(3, 366, 2, BOOT_MEM_LOADER);
    assert_range(4, 400, 4, BOOT_MEM_ACPI);
    assert_range(5, 404, 4, BOOT_MEM_FIRMWARE);
}

static void test_kernel_is_cut_out(void **state)
{
    (void)state;
    map_count = 0;
    add(EfiLoaderData, 100, 50); /* the loader's other pages lie on both sides */
    add(EfiConventionalMemory, 150, 50);
    assert_int_equal(convert(110, 20, 16), 4);
    assert_range(0, 100, 10, BOOT_MEM_LOADER);
    assert_range(1, 110, 20, BOOT_MEM_KERNEL);
    assert_range(2, 130, 20, BOOT_MEM_LOADER);
    assert_range(3, 150, 50, BOOT_MEM_FREE);
    assert_int_equal(convert(100, 50, 16), 2); /* all of it */
    assert_range(0, 100, 50, BOOT_MEM_KERNEL);
}

static void test_bad_maps(void **state)
{
    (void)state;
    map_count = 0;
    add(EfiConventionalMemory, 0, 10);
    add(EfiRuntimeServicesData, 8, 4); /* overlaps: the less free type wins */
    add(EfiConventionalMemory, 20, 0);
    add(EfiConventionalMemory, 30, UINT64_MAX / PAGE);
    map[map_count++] = (EFI_MEMORY_DESCRIPTOR){ .Type = EfiConventionalMemory,
                                                .PhysicalStart = 40 * PAGE + 1,
                                                .NumberOfPages = 1 };
    assert_int_equal(convert(0, 0, 16), 1);
    assert_range(0, 0, 12, BOOT_MEM_FIRMWARE);
    assert_int_equal(memmap_convert(map, sizeof(map), 8, (struct memmap_block){ 0, 0 }, ranges, 16),
                     0);
    map_count = 0;
    for (unsigned i = 0; i < 8; i++)
        add(EfiConventionalMemory, i * 10, 5);
    assert_int_equal(convert(0, 0, 8), 8);
    assert_int_equal(convert(0, 0, 7), 0);
}

/* What the direct map must reach: RAM, and not what the firmware keeps at the end of the world. */
static void test_ram_top(void **state)
{
    (void)state;
    map_count = 0;
    add(EfiConventionalMemory, 0, 100);
    add(EfiACPIReclaimMemory, 100, 10);
    add(EfiReservedMemoryType, 200, 10);
    add(EfiRuntimeServicesData, 1u << 28, 10);
    add(EfiMemoryMappedIO, 1u << 29, 10);
    assert_int_equal(memmap_ram_top(ranges, convert(0, 0, 16)), 110 * PAGE);
    assert_int_equal(memmap_ram_top(ranges, convert(105, 5, 16)), 110 * PAGE);
    assert_int_equal(memmap_ram_top(ranges, convert(300, 5, 16)), 305 * PAGE);
    assert_int_equal(memmap_ram_top(ranges, 0), 0);
    map_count = 0;
    add(EfiRuntimeServicesData, 0, 10);
    assert_int_equal(memmap_ram_top(ranges, convert(0, 0, 16)), 0);
}

/* A longer descriptor than we know, as firmware uses (48 bytes under OVMF). */
static void test_stride(void **state)
{
    uint8_t wide[3 * 48] = { 0 };

    (void)state;
    map_count = 0;
    for (unsigned i = 0; i < 3; i++) {
        add(EfiConventionalMemory, i * 10, 1);
        memcpy(wide + i * 48, &map[i], sizeof(map[i]));
    }
    assert_int_equal(
        memmap_convert(wide, sizeof(wide), 48, (struct memmap_block){ 0, 0 }, ranges, 16), 3);
    assert_range(2, 20, 1, BOOT_MEM_FREE);
}

/* ---- leave.c, against a firmware whose map changes `stale` times after it was read */

static unsigned stale, exits, allocations, frees;
static UINTN key_now, map_bytes_now;

static EFI_STATUS EFIAPI fake_get_map(UINTN *bytes, EFI_MEMORY_DESCRIPTOR *to, UINTN *key,
                                      UINTN *descriptor_bytes, UINT32 *version)
{
    *descriptor_bytes = sizeof(EFI_MEMORY_DESCRIPTOR);
    *version = 1;
    if (*bytes < map_bytes_now) {
        *bytes = map_bytes_now;
        return EFI_BUFFER_TOO_SMALL;
    }
    *bytes = map_bytes_now;
    memset(to, 0, map_bytes_now);
    *key = key_now;
    return EFI_SUCCESS;
}

static uint8_t pool[65536];
static EFI_STATUS EFIAPI fake_allocate(EFI_MEMORY_TYPE type, UINTN bytes, void **out)
{
    (void)type;
    allocations++;
    assert_in_range(bytes, 1, sizeof(pool));
    *out = pool;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI fake_free(void *buffer)
{
    assert_ptr_equal(buffer, pool);
    frees++;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI fake_no_memory(EFI_MEMORY_TYPE type, UINTN bytes, void **out)
{
    (void)type, (void)bytes;
    *out = pool; /* nothing may be made of this */
    return EFI_OUT_OF_RESOURCES;
}

static EFI_STATUS EFIAPI fake_exit(EFI_HANDLE image, UINTN key)
{
    (void)image;
    exits++;
    if (stale > 0) { /* an event handler allocated in between */
        stale--;
        key_now++;
        map_bytes_now += sizeof(EFI_MEMORY_DESCRIPTOR);
    }
    return key == key_now ? EFI_SUCCESS : EFI_INVALID_PARAMETER;
}

static EFI_STATUS leave_with(unsigned stale_times, struct leave_map *m)
{
    static EFI_BOOT_SERVICES services;

    services.GetMemoryMap = fake_get_map;
    services.AllocatePool = (void *)fake_allocate;
    services.FreePool = fake_free;
    services.ExitBootServices = fake_exit;
    bs = &services;
    stale = stale_times;
    exits = allocations = frees = 0;
    key_now = 100;
    map_bytes_now = 20 * sizeof(EFI_MEMORY_DESCRIPTOR);
    assert_int_equal(leave_prepare(m), EFI_SUCCESS);
    return leave_boot_services(NULL, m);
}

static void test_stale_key(void **state)
{
    struct leave_map m;

    (void)state;
    assert_int_equal(leave_with(0, &m), EFI_SUCCESS);
    assert_int_equal(exits, 1);
    assert_int_equal(leave_with(3, &m), EFI_SUCCESS);
    assert_int_equal(exits, 4);
    assert_int_equal(allocations, 1); /* nothing is allocated after the first try */
    assert_int_equal(m.bytes, 23 * sizeof(EFI_MEMORY_DESCRIPTOR)); /* the map that holds */
    assert_int_equal(leave_with(1000, &m), EFI_INVALID_PARAMETER); /* gives up, does not hang */
    assert_int_equal(frees, 0);
    leave_cancel(&m);
    leave_cancel(&m); /* once is enough */
    assert_int_equal(frees, 1);
}

static void test_no_memory(void **state)
{
    struct leave_map m;

    (void)state;
    leave_with(0, &m); /* sets the services up */
    bs->AllocatePool = (void *)fake_no_memory;
    assert_int_equal(leave_prepare(&m), EFI_OUT_OF_RESOURCES);
    leave_cancel(&m);
    assert_int_equal(frees, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sorted_and_merged),
        cmocka_unit_test(test_kernel_is_cut_out),
        cmocka_unit_test(test_bad_maps),
        cmocka_unit_test(test_ram_top),
        cmocka_unit_test(test_stride),
        cmocka_unit_test(test_stale_key),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
