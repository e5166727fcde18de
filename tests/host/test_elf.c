/* boot/elf.c: a small kernel made here, then damaged in every way that the loader must refuse. */
#include "elf.h"
#include <boot/bootinfo.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define BASE BOOT_KERNEL_BASE

struct file {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
    struct {
        uint32_t type, flags;
        uint64_t offset, vaddr, paddr, filesz, memsz, align;
    } ph[3];
    uint8_t text[100];
    uint8_t data[50];
};

static struct file good(void)
{
    struct file f = {
        .ident = { 0x7f, 'E', 'L', 'F', 2, 1, 1 },
        .type = 2,
        .machine = 62,
        .version = 1,
        .entry = BASE + 16,
        .phoff = offsetof(struct file, ph),
        .ehsize = 64,
        .phentsize = 56,
        .phnum = 3,
        .ph = {
            { 1, 5, offsetof(struct file, text), BASE, 0, 100, 100, 4096 },
            { 1, 6, offsetof(struct file, data), BASE + 0x2000, 0, 50, 5000, 4096 },
            { 0x6474e551, 6, 0, 0, 0, 0, 0, 16 }, /* GNU_STACK */
        },
    };

    memset(f.text, 0xcc, sizeof(f.text));
    memset(f.data, 0xdd, sizeof(f.data));
    return f;
}

static const char *check(const struct file *f, size_t bytes, struct elf_image *image)
{
    static uint8_t *copy;

    free(copy);
    copy = malloc(bytes ? bytes : 1);
    memcpy(copy, f, bytes);
    return elf_check(copy, bytes, image);
}

static void test_good(void **state)
{
    struct file f = good();
    struct elf_image image;
    uint8_t *block;

    (void)state;
    assert_null(check(&f, sizeof(f), &image));
    assert_int_equal(image.virt, BASE);
    assert_int_equal(image.bytes, 0x4000);
    assert_int_equal(image.entry, BASE + 16);

    block = malloc(image.bytes);
    memset(block, 0xff, image.bytes);
    elf_place(&image, block);
    for (size_t i = 0; i < image.bytes; i++) {
        uint8_t want = i < 100 ? 0xcc : i >= 0x2000 && i < 0x2000 + 50 ? 0xdd : 0;

        assert_int_equal(block[i], want);
    }
    free(block);
}

static void test_truncated(void **state)
{
    struct file f = good();
    struct elf_image image;

    (void)state;
    for (size_t bytes = 0; bytes < offsetof(struct file, data) + 50; bytes++)
        assert_non_null(check(&f, bytes, &image));
}

#define REFUSED(part, change)                                                                      \
    do {                                                                                           \
        struct file f = good();                                                                    \
        struct elf_image image;                                                                    \
        const char *error;                                                                         \
        change;                                                                                    \
        error = check(&f, sizeof(f), &image);                                                      \
        assert_non_null(error);                                                                    \
        assert_non_null(strstr(error, part));                                                      \
    } while (0)

static void test_refused(void **state)
{
    (void)state;
    REFUSED("ELF64", f.ident[0] = 0);
    REFUSED("ELF64", f.ident[4] = 1);
    REFUSED("ELF64", f.ident[5] = 2);
    REFUSED("executable", f.type = 3);
    REFUSED("executable", f.machine = 183);
    REFUSED("program headers", f.phentsize = 32);
    REFUSED("program headers", f.phnum = 0);
    REFUSED("program headers", f.phnum = 0xffff);
    REFUSED("cut off", f.phoff = sizeof(f));
    REFUSED("cut off", f.phoff = UINT64_MAX - 10);
    REFUSED("larger in the file", f.ph[0].filesz = 101);
    REFUSED("cut off", f.ph[1].offset = sizeof(f));
    REFUSED("cut off", f.ph[1].offset = UINT64_MAX - 20);
    REFUSED("address range", f.ph[0].vaddr = 0x100000);
    REFUSED("address range", f.ph[1].memsz = ELF_KERNEL_MAX);
    REFUSED("address range", f.ph[1].memsz = UINT64_MAX);
    REFUSED("address range", f.ph[1].vaddr = UINT64_MAX - 4095);
    REFUSED("page", f.ph[1].vaddr = BASE + 0x2010);
    REFUSED("overlap", f.ph[1].vaddr = BASE);
    REFUSED("writable and executable", f.ph[0].flags = 7);
    REFUSED("entry", f.entry = BASE + 0x2000);
    REFUSED("entry", f.entry = BASE + 100);
    REFUSED("entry", f.entry = 0);
    REFUSED("dynamic", f.ph[2].type = 2);
    REFUSED("dynamic", f.ph[2].type = 3);
    REFUSED("nothing to load", f.ph[0].type = f.ph[1].type = 0);
}

/* What is accepted after random damage can be placed within its own bounds. */
static void test_mutations(void **state)
{
    uint32_t x = 3;

    (void)state;
    for (unsigned round = 0; round < 100000; round++) {
        struct file f = good();
        struct elf_image image;

        for (unsigned i = 0; i < 2; i++) {
            x = x * 1664525 + 1013904223;
            ((uint8_t *)&f)[(x >> 8) % offsetof(struct file, text)] ^= (uint8_t)(x >> 3);
        }
        if (check(&f, sizeof(f), &image) == NULL) {
            uint8_t *block = malloc(image.bytes);

            assert_in_range(image.bytes, 4096, ELF_KERNEL_MAX);
            elf_place(&image, block);
            free(block);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
