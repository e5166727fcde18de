/* boot/ustar.c: archives made here byte by byte, good and damaged. */
#include <boot/ustar.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 512

static uint8_t archive[64 * BLOCK];
static size_t used;

static void start(void)
{
    memset(archive, 0, sizeof(archive));
    used = 0;
}

static void seal(uint8_t *h)
{
    unsigned sum = 0;

    memset(h + 148, ' ', 8);
    for (unsigned i = 0; i < BLOCK; i++)
        sum += h[i];
    snprintf((char *)h + 148, 8, "%06o", sum);
}

/* Returns the header, for tests that damage it (and seal it again, or not). */
static uint8_t *add(const char *name, const char *prefix, char type, const char *data, size_t len)
{
    uint8_t *h = archive + used;

    memcpy(h, name, strlen(name) < 100 ? strlen(name) : 100);
    memcpy(h + 100, "0000644", 8);
    snprintf((char *)h + 124, 12, "%011zo", len);
    snprintf((char *)h + 136, 12, "%011o", 1700000000u);
    h[156] = (uint8_t)type;
    memcpy(h + 257, "ustar\00000", 8);
    memcpy(h + 345, prefix, strlen(prefix));
    seal(h);
    memcpy(h + BLOCK, data, len);
    used += BLOCK + (len + BLOCK - 1) / BLOCK * BLOCK;
    return h;
}

static struct ustar_reader reader;
static struct ustar_entry entry;
static uint8_t *exact; /* a copy of just these bytes: reads beyond them are caught */

static void open_bytes(size_t bytes)
{
    free(exact);
    exact = malloc(bytes ? bytes : 1);
    memcpy(exact, archive, bytes);
    ustar_open(&reader, exact, bytes);
}

static void open_all(void)
{
    open_bytes(used + 2 * BLOCK);
}

static void assert_entry(const char *path, char type, const char *data)
{
    assert_int_equal(ustar_next(&reader, &entry), 1);
    assert_string_equal(entry.path, path);
    assert_int_equal(entry.type, type);
    assert_int_equal(entry.bytes, strlen(data));
    assert_memory_equal(entry.data, data, strlen(data));
    assert_int_equal(entry.mtime, 1700000000);
}

static void assert_error(const char *part)
{
    int r;

    while ((r = ustar_next(&reader, &entry)) > 0)
        ;
    assert_int_equal(r, -1);
    assert_non_null(strstr(reader.error, part));
}

static void test_entries(void **state)
{
    (void)state;
    start();
    add("./", "", '5', "", 0);
    add("./index.html", "", '0', "<h1>hello</h1>", 14);
    add("a/b.txt", "deep/er", '0', "", 0);
    add("link", "", '2', "", 0); /* skipped */
    add("/abs/", "", '5', "", 0);
    add("old", "", '\0', "x", 1);
    open_all();
    assert_entry("", '5', "");
    assert_entry("index.html", '0', "<h1>hello</h1>");
    assert_entry("deep/er/a/b.txt", '0', "");
    assert_entry("abs", '5', "");
    assert_entry("old", '0', "x");
    assert_int_equal(ustar_next(&reader, &entry), 0);
    assert_int_equal(ustar_next(&reader, &entry), 0); /* and stays there */
}

static void test_full_fields(void **state)
{
    char name[101], prefix[156], want[300];

    (void)state;
    start();
    memset(name, 'n', 100);
    name[100] = '\0';
    memset(prefix, 'p', 150);
    prefix[150] = '\0';
    add(name, prefix, '0', "y", 1);
    open_all();
    snprintf(want, sizeof(want), "%s/%s", prefix, name);
    assert_entry(want, '0', "y");

    memset(prefix, 'p', 155); /* 155 + 1 + 100 = 256: one too many */
    prefix[155] = '\0';
    start();
    add(name, prefix, '0', "y", 1);
    open_all();
    assert_error("255");
}

static void test_long_names(void **state)
{
    char name[251], pax[300];
    int n;

    (void)state;
    memset(name, 'l', 250);
    name[250] = '\0';
    start();
    add("././@LongLink", "", 'L', name, 251);
    add("short", "", '0', "1", 1);
    n = snprintf(pax, sizeof(pax), "11 mtime=1\n260 path=%s\n", name);
    add("pax", "", 'x', pax, (size_t)n);
    add("short", "", '0', "2", 1);
    add("after", "", '0', "3", 1);
    open_all();
    assert_entry(name, '0', "1");
    assert_entry(name, '0', "2");
    assert_entry("after", '0', "3");
}

/* 255 bytes are a name; what is taken off its ends does not count. */
static void test_longest_name(void **state)
{
    char name[300] = "./";

    (void)state;
    memset(name + 2, 'n', USTAR_PATH_MAX);
    start();
    add("././@LongLink", "", 'L', name, strlen(name) + 1);
    add("short", "", '0', "1", 1);
    strcat(name, "/");
    add("././@LongLink", "", 'L', name, strlen(name) + 1);
    add("short", "", '5', "", 0);
    open_all();
    name[2 + USTAR_PATH_MAX] = '\0';
    assert_entry(name + 2, '0', "1");
    assert_entry(name + 2, '5', "");

    strcat(name, "n");
    start();
    add("././@LongLink", "", 'L', name, strlen(name) + 1);
    add("short", "", '0', "1", 1);
    open_all();
    assert_error("255");
}

/* A record that claims one byte more than its header has, at the very end of the archive. */
static void test_pax_record_beyond_its_header(void **state)
{
    char pax[BLOCK + 1];

    (void)state;
    memset(pax, 'n', sizeof(pax));
    memcpy(pax, "513 path=", 9);
    start();
    add("pax", "", 'x', pax, BLOCK);
    open_bytes(used);
    assert_error("without the end");
    archive[used] = '\n'; /* what it claims to own; the rest of the archive is not looked at */
    open_bytes(used + BLOCK);
    assert_error("not a ustar");
}

static void test_damage(void **state)
{
    uint8_t *h;

    (void)state;
    start();
    open_bytes(0);
    assert_error("without the end");
    h = add("a", "", '0', "data", 4);
    open_bytes(used);
    assert_error("without the end");
    open_bytes(BLOCK + 3);
    assert_error("cut off");
    open_bytes(BLOCK + 4);
    assert_error("cut off");
    h[0] ^= 1;
    open_all();
    assert_error("checksum");
    h[0] ^= 1;
    memcpy(h + 124, "77777777777", 12);
    seal(h);
    open_all();
    assert_error("cut off");
    memcpy(h + 124, "0000000000x", 12);
    seal(h);
    open_all();
    assert_error("malformed");
    memset(h + 124, 0xff, 12);
    h[124] = 0x80;
    seal(h);
    open_all();
    assert_error("malformed");
    h[257] = 'U';
    open_all();
    assert_error("not a ustar");
}

/* Any truncation and any flipped bit ends in an entry or an error, never beyond the bytes. */
static void test_mutations(void **state)
{
    uint32_t x = 7;

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        char pax[] = "13 path=a/b/\n17 path=/./c/d/e\n";

        start();
        add("dir/", "", '5', "", 0);
        add("pax", "", 'x', pax, sizeof(pax) - 1);
        uint8_t *h = add("dir/file", "pre", '0', "some data", 9);
        for (unsigned i = 0; i < 3; i++) {
            x = x * 1664525 + 1013904223;
            archive[(x >> 8) % used] ^= (uint8_t)(1u << (x >> 5 & 7));
        }
        seal(h);
        seal(archive + BLOCK);
        x = x * 1664525 + 1013904223;
        open_bytes((x >> 8) % (used + 2 * BLOCK));
        while (ustar_next(&reader, &entry) > 0) {
            assert_true(entry.data >= exact && entry.bytes <= reader.bytes);
            assert_true(entry.data + entry.bytes <= exact + reader.bytes);
            assert_true(memchr(entry.path, '\0', sizeof(entry.path)) != NULL);
        }
    }
}

static int release(void **state)
{
    (void)state;
    free(exact);
    exact = NULL;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries),
        cmocka_unit_test(test_full_fields),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_longest_name),
        cmocka_unit_test(test_pax_record_beyond_its_header),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, release);
}
