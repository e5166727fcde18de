/* kernel/config.c with the real parser: values, their defaults, and what the log says of bad ones.
 */
#include "fakes.h"
#include <kernel/config.h>
#include <kernel/page.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* A heap copy of the text, where phys_to_virt() will look for it; kept, as the loader does. */
static void load(const char *text)
{
    static char *copy;
    struct boot_info info = { 0 };

    free(copy);
    copy = strdup(text);
    info.config.base = (uint64_t)copy - BOOT_PHYSMAP_BASE;
    info.config.bytes = strlen(text);
    config_init(&info);
    memset(copy, 'Z', strlen(text)); /* config.c has its own copy */
    fake_printk_lines = 0;
    fake_printk_last[0] = '\0';
}

#define ASSERT_SILENT() assert_int_equal(fake_printk_lines, 0)

static void assert_said(const char *line)
{
    assert_int_equal(fake_printk_lines, 1);
    assert_string_equal(fake_printk_last, line);
    fake_printk_lines = 0;
}

static void test_get(void **state)
{
    (void)state;
    load("# comment\nip = 10.0.0.1/24\n\nempty=\r\nlast=x y");
    assert_string_equal(config_get("ip", "none"), "10.0.0.1/24");
    assert_string_equal(config_get("last", "none"), "x y");
    assert_string_equal(config_get("missing", "none"), "none");
    assert_null(config_get("missing", NULL));
    assert_string_equal(config_get("i", "none"), "none");
    assert_string_equal(config_get("ipp", "none"), "none");
    ASSERT_SILENT();
}

static void test_no_file(void **state)
{
    struct boot_info info = { 0 };

    (void)state;
    load("ip=1");
    config_init(&info);
    assert_said("config: no tophalf.cfg, all defaults");
    assert_null(config_get("ip", NULL));
    config_report_unused();
    ASSERT_SILENT();
}

static void test_damaged_file(void **state)
{
    struct boot_info info = { 0 };
    char text[] = "ip=1\nnonsense\n";

    (void)state;
    info.config.base = (uint64_t)text - BOOT_PHYSMAP_BASE;
    info.config.bytes = strlen(text);
    config_init(&info);
    assert_int_equal(fake_printk_lines, 1);
    assert_non_null(strstr(fake_printk_last, "tophalf.cfg line 2: "));
    assert_non_null(strstr(fake_printk_last, "; all defaults"));
    assert_null(config_get("ip", NULL));
}

static void test_u64(void **state)
{
    (void)state;
    load("a=64\nb=0x1F\nc=0\nd=18446744073709551615\ne=0xffffffffffffffff\nf=0X10");
    assert_int_equal(config_u64("a", 1, 1, 256), 64);
    assert_int_equal(config_u64("a", 1, 64, 64), 64);
    assert_int_equal(config_u64("b", 1, 0, 256), 31);
    assert_int_equal(config_u64("c", 1, 0, 256), 0);
    assert_true(config_u64("d", 1, 0, UINT64_MAX) == UINT64_MAX);
    assert_true(config_u64("e", 1, 0, UINT64_MAX) == UINT64_MAX);
    assert_int_equal(config_u64("f", 1, 0, 256), 16);
    assert_int_equal(config_u64("missing", 7, 100, 200), 7);
    ASSERT_SILENT();

    assert_int_equal(config_u64("a", 32, 1, 63), 32);
    assert_said("config: a=64: must be a number from 1 to 63; using 32");
    assert_int_equal(config_u64("a", 99, 65, 256), 99);
    assert_said("config: a=64: must be a number from 65 to 256; using 99");
}

static void test_u64_garbage(void **state)
{
    static const char *const bad[] = { "abc",
                                       "12x",
                                       "0x",
                                       "0xg",
                                       "-1",
                                       "+1",
                                       "1 2",
                                       "1.5",
                                       "0b1",
                                       "1e3",
                                       "x",
                                       "18446744073709551616",
                                       "99999999999999999999999",
                                       "0x10000000000000000",
                                       "6a",
                                       "" };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        char text[64];

        snprintf(text, sizeof(text), "n=%s\n", bad[i]);
        load(text);
        assert_int_equal(config_u64("n", 5, 0, UINT64_MAX), 5);
        assert_int_equal(fake_printk_lines, 1);
        assert_non_null(strstr(fake_printk_last, "; using 5"));
    }
}

static void test_bool(void **state)
{
    (void)state;
    load("a=1\nb=on\nc=yes\nd=true\ne=0\nf=off\ng=no\nh=false\ni=ON\nj=2\n");
    for (const char *key = "a\0b\0c\0d"; key[0] != 'd'; key += 2)
        assert_true(config_bool(key, false));
    assert_true(config_bool("d", false));
    assert_false(config_bool("e", true));
    assert_false(config_bool("f", true));
    assert_false(config_bool("g", true));
    assert_false(config_bool("h", true));
    assert_true(config_bool("missing", true));
    assert_false(config_bool("missing", false));
    ASSERT_SILENT();
    assert_true(config_bool("i", true));
    assert_said("config: i=ON: must be on or off; using on");
    assert_false(config_bool("j", false));
    assert_said("config: j=2: must be on or off; using off");
}

static void test_choice(void **state)
{
    static const char *const modes[] = { "halt", "reboot", "poweroff", NULL };
    static const char *const one[] = { "only", NULL };

    (void)state;
    load("panic=reboot\nother=explode\n");
    assert_int_equal(config_choice("panic", modes, 0), 1);
    assert_int_equal(config_choice("missing", modes, 2), 2);
    ASSERT_SILENT();
    assert_int_equal(config_choice("other", modes, 0), 0);
    assert_said("config: other=explode: must be halt, reboot or poweroff; using halt");
    assert_int_equal(config_choice("other", one, 0), 0);
    assert_said("config: other=explode: must be only; using only");
}

/* More names than the message has room for: cut, not overflowed. */
static void test_choice_with_many_names(void **state)
{
    static const char *names[60];

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(names) - 1; i++)
        names[i] = "somewhat-long-name";
    load("x=y\n");
    assert_int_equal(config_choice("x", names, 3), 3);
    assert_int_equal(fake_printk_lines, 1);
}

static void test_unused(void **state)
{
    (void)state;
    load("used=1\nbugdet=64\n");
    config_u64("used", 0, 0, 9);
    config_get("budget", NULL);
    config_report_unused();
    assert_said("config: nothing knows the key \"bugdet\" (= 64): mistyped?");
    config_get("bugdet", NULL);
    config_report_unused();
    ASSERT_SILENT();
}

static void test_full(void **state)
{
    static char text[65536];
    size_t len = 0;
    char key[32];

    (void)state;
    for (unsigned i = 0; i < 128; i++) {
        len += (size_t)sprintf(text + len, "key%028u=", i);
        memset(text + len, 'v', 255);
        len += 255;
        text[len++] = '\n';
    }
    load(text);
    ASSERT_SILENT();
    for (unsigned i = 0; i < 128; i++) {
        sprintf(key, "key%028u", i);
        assert_non_null(config_get(key, NULL));
        assert_int_equal(strlen(config_get(key, NULL)), 255);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get),          cmocka_unit_test(test_no_file),
        cmocka_unit_test(test_damaged_file), cmocka_unit_test(test_u64),
        cmocka_unit_test(test_u64_garbage),  cmocka_unit_test(test_bool),
        cmocka_unit_test(test_choice),       cmocka_unit_test(test_choice_with_many_names),
        cmocka_unit_test(test_unused),       cmocka_unit_test(test_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
