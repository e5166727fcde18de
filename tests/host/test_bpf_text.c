/* Keys and values of maps as text: what each form becomes, what is refused and how, and back. */
#include "bpf/insn.h"
#include <net/bpf_text.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WORDS_MAX 64

/* Both ways to give words must say the same. */
static bool parse(size_t bytes, bool prefix, const char *line, uint8_t *out,
                  char why[BPF_TEXT_WHY_MAX])
{
    const struct bpf_text_kind kind = { "key", bytes, prefix };
    char copy[512], *words[WORDS_MAX], *rest = copy, line_why[BPF_TEXT_WHY_MAX] = "";
    uint8_t *exact = malloc(bytes); /* ASan sees what goes beyond */
    unsigned count = 0;
    bool right, line_right;

    strcpy(copy, line);
    while ((words[count] = strtok_r(rest, " ", &rest)) != NULL)
        assert_true(++count < WORDS_MAX);
    why[0] = '\0';
    right = bpf_text_parse(&kind, words, count, exact, why);
    memcpy(out, exact, bytes);
    line_right = bpf_text_parse_line(&kind, line, exact, line_why);
    assert_int_equal(right, line_right);
    if (right)
        assert_memory_equal(out, exact, bytes);
    else
        assert_string_equal(why, line_why);
    assert_int_equal(why[0] != '\0', !right);
    free(exact);
    return right;
}

static void gives(size_t bytes, bool prefix, const char *line, const char *hex)
{
    uint8_t out[64];
    char why[BPF_TEXT_WHY_MAX], text[200];

    if (!parse(bytes, prefix, line, out, why))
        fail_msg("'%s': %s", line, why);
    assert_string_equal(bpf_text_bytes(out, bytes, text, sizeof(text)), hex);
}

static void refused(size_t bytes, bool prefix, const char *line, const char *reason)
{
    uint8_t out[64];
    char why[BPF_TEXT_WHY_MAX];

    if (parse(bytes, prefix, line, out, why))
        fail_msg("'%s' was taken", line);
    if (strstr(why, reason) == NULL)
        fail_msg("'%s': %s", line, why);
}

static void test_bytes_as_bpftool_has_them(void **state)
{
    (void)state;
    gives(4, false, "0 1 2 255", "00 01 02 ff");
    gives(4, false, "0x0a 0x00 0X1F 7", "0a 00 1f 07");
    gives(4, false, "hex 0a 00 ff 7", "0a 00 ff 07");
    gives(4, false, "hex 0a00 ff07", "0a 00 ff 07");
    gives(4, false, "hex 0A00FF07", "0a 00 ff 07");
    gives(1, false, "9", "09");
    gives(1, false, "hex a", "0a");
    gives(3, false, "  1   2 3  ", "01 02 03");
    gives(2, false, "10 hex 10", "0a 10"); /* from there on */
    refused(4, false, "1 2 3", "has 4 bytes, 3 are given");
    refused(4, false, "1 2 3 4 5", "has 4 bytes, 5 are given");
    refused(4, false, "", "has 4 bytes, 0 are given");
    refused(4, false, "hex", "has 4 bytes, 0 are given");
    refused(2, false, "256 0", "'256' is no byte");
    refused(2, false, "0x100 0", "'0x100' is no byte");
    refused(2, false, "-1 0", "'-1' is no byte");
    refused(2, false, "0x 0", "'0x' is no byte");
    refused(2, false, "1a 0", "'1a' is no byte");
    refused(2, false, "hex 1 0x2", "'0x2' is no hexadecimal byte");
    refused(2, false, "hex 123 1", "'123' is no hexadecimal byte");
    refused(2, false, "hex hex 1", "'hex' is no hexadecimal byte");
}

static void test_numbers(void **state)
{
    (void)state;
    gives(4, false, "5", "05 00 00 00");
    gives(4, false, "0xffffffff", "ff ff ff ff");
    gives(8, false, "18446744073709551615", "ff ff ff ff ff ff ff ff");
    gives(2, false, "258", "02 01");
    gives(4, false, "u32 258", "02 01 00 00");
    gives(7, false, "u8 1 u16 2 u32 3", "01 02 00 03 00 00 00");
    gives(8, false, "u64 0x0102030405060708", "08 07 06 05 04 03 02 01");
    gives(2, false, "be16 80", "00 50");
    gives(4, false, "be32 0x01020304", "01 02 03 04");
    gives(8, false, "be64 1", "00 00 00 00 00 00 00 01");
    gives(4, false, "prog id 7", "07 00 00 00");
    gives(4, false, "id 7", "07 00 00 00");
    gives(6, false, "10.0.0.1 be16 80", "0a 00 00 01 00 50");
    gives(6, false, "1 u32 2 3", "01 02 00 00 00 03");
    refused(4, false, "4294967296", "is no byte"); /* too large for all of it */
    refused(8, false, "18446744073709551616", "is no byte");
    refused(4, false, "u32 4294967296", "'u32' wants a number of its size");
    refused(1, false, "u8 256", "'u8' wants a number");
    refused(2, false, "be16 65536", "'be16' wants a number");
    refused(4, false, "u32", "'u32' wants a number");
    refused(4, false, "u32 x", "'u32' wants a number");
    refused(4, false, "prog 7", "'prog' is no byte");
    refused(3, false, "5", "has 3 bytes, 1 are given");
}

static void test_addresses(void **state)
{
    (void)state;
    gives(4, false, "10.0.2.255", "0a 00 02 ff");
    gives(6, false, "52:54:00:12:34:aF", "52 54 00 12 34 af");
    gives(16, false, "2001:db8::1", "20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01");
    gives(16, false, "::", "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00");
    gives(16, false, "::1", "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01");
    gives(16, false, "fe80::", "fe 80 00 00 00 00 00 00 00 00 00 00 00 00 00 00");
    gives(16, false, "1:2:3:4:5:6:7:8", "00 01 00 02 00 03 00 04 00 05 00 06 00 07 00 08");
    gives(16, false, "1:2:3:4:5:6:7::", "00 01 00 02 00 03 00 04 00 05 00 06 00 07 00 00");
    gives(16, false, "::2:3:4:5:6:7:8", "00 00 00 02 00 03 00 04 00 05 00 06 00 07 00 08");
    gives(16, false, "::ffff:10.0.2.9", "00 00 00 00 00 00 00 00 00 00 ff ff 0a 00 02 09");
    gives(16, false, "::10.0.2.9", "00 00 00 00 00 00 00 00 00 00 00 00 0a 00 02 09");
    gives(16, false, "1:2:3:4:5:6:7.8.9.10", "00 01 00 02 00 03 00 04 00 05 00 06 07 08 09 0a");
    gives(16, false, "64:ff9b::192.0.2.33", "00 64 ff 9b 00 00 00 00 00 00 00 00 c0 00 02 21");
    gives(8, false, "10.0.0.1 10.0.0.2", "0a 00 00 01 0a 00 00 02");
    for (unsigned i = 0; i < 21; i++) {
        static const char *const wrong[] = {
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.256",
            "1..3.4",
            "1.2.3.4.",
            ".1.2.3",
            "1.2.3.0004",
            ":1",
            "1:",
            "1:::2",
            "1::2::3",
            "12345::",
            "1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7:8:9",
            "g::",
            "52:54:00:12:34",
            "::1.2.3.4:5",
            "::1.2.3",
            "::1.2.3.256",
            "1:2:3:4:5:1.2.3.4",
            "1:2:3:4:5:6:7:1.2.3.4",
        };

        refused(16, false, wrong[i], "is no address");
    }
    refused(16, false, "1:2:3:4::5:6:7:8", "is no address"); /* :: for nothing */
    refused(4, false, "10.0.0.0/8", "has a length, which keys of an lpm_trie have");
    refused(4, false, "::1", "has 4 bytes, 16 are given");
    refused(16, false, "10.0.0.1", "has 16 bytes, 4 are given");
}

static void test_prefixes(void **state)
{
    (void)state;
    gives(8, true, "10.0.0.0/8", "08 00 00 00 0a 00 00 00");
    gives(8, true, "0.0.0.0/0", "00 00 00 00 00 00 00 00");
    gives(8, true, "10.0.0.1/32", "20 00 00 00 0a 00 00 01");
    gives(8, true, "10.0.0.1", "20 00 00 00 0a 00 00 01");
    gives(20, true, "2001:db8::/32", "20 00 00 00 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 00");
    gives(8, true, "u32 8 10 0 0 0", "08 00 00 00 0a 00 00 00"); /* as it is, too */
    gives(8, true, "u32 8 10.0.0.0", "08 00 00 00 0a 00 00 00");
    gives(8, true, "24 0 0 0 10 1 2 0", "18 00 00 00 0a 01 02 00");
    refused(8, true, "10.0.0.0/33", "has a length that its address does not have");
    refused(8, true, "10.0.0.0/", "has a length that");
    refused(8, true, "10.0.0.0/-1", "has a length that");
    refused(8, true, "10.0.0.0/8/8", "has a length that");
    refused(8, true, "/8", "is no address");
    refused(20, true, "::/129", "has a length that");
    refused(8, true, "::/8", "has 8 bytes, 20 are given");
    refused(12, true, "u32 8 10.0.0.0/8", "has a length, which");
}

static void test_long_words(void **state)
{
    const struct bpf_text_kind kind = { "value", 4, false };
    char word[400], why[BPF_TEXT_WHY_MAX], *words[] = { word };
    uint8_t out[4];

    (void)state;
    memset(word, '1', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    assert_false(bpf_text_parse(&kind, words, 1, out, why));
    assert_true(strlen(why) < BPF_TEXT_WHY_MAX);
    assert_false(bpf_text_parse_line(&kind, word, out, why));
    assert_non_null(strstr(why, "value: '1111"));
    assert_non_null(strstr(why, "is too long"));
}

static const char *key_text(size_t bytes, bool prefix, bool index, const char *line)
{
    static char text[64];
    const struct bpf_text_kind kind = { "key", bytes, prefix };
    char why[BPF_TEXT_WHY_MAX];
    uint8_t out[64];

    if (!parse(bytes, prefix, line, out, why))
        fail_msg("%s", why);
    return bpf_text_key(&kind, index, out, text, sizeof(text));
}

static void test_back(void **state)
{
    static const char *const prefixes6[] = {
        "2001:db8::/32",     "::/0",
        "::1/128",           "1:2:3:4:5:6:7:8/128",
        "1:0:3:4:5:6:7:8/1", "1:2:3:4:5:6::/96",
        "::3:4:5:6:7:8/128", "1::4:0:0:7:8/64",
    };
    char text[12];

    (void)state;
    assert_string_equal(key_text(8, true, false, "10.0.0.0/8"), "10.0.0.0/8");
    for (unsigned i = 0; i < sizeof(prefixes6) / sizeof(prefixes6[0]); i++)
        assert_string_equal(key_text(20, true, false, prefixes6[i]), prefixes6[i]);
    assert_string_equal(key_text(4, false, true, "70000"), "70000");
    assert_string_equal(key_text(4, false, false, "10.0.0.1"), "0a 00 00 01");
    assert_string_equal(key_text(6, true, false, "1 2 3 4 5 6"), "01 02 03 04 05 06");

    memset(text, 'x', sizeof(text)); /* as many as there is room for, whole ones */
    assert_string_equal(bpf_text_bytes((const uint8_t *)"\1\2\3", 3, text, 9), "01 02 03");
    assert_string_equal(bpf_text_bytes((const uint8_t *)"\1\2\3", 3, text, 8), "01 02");
    assert_string_equal(bpf_text_bytes((const uint8_t *)"\1\2\3", 3, text, 3), "01");
    assert_string_equal(bpf_text_bytes((const uint8_t *)"\1\2\3", 3, text, 2), "");
    assert_string_equal(bpf_text_bytes(NULL, 0, text, 1), "");
}

static void test_errors_have_words(void **state)
{
    static const int errors[] = { BPF_ENOENT, BPF_EEXIST, BPF_E2BIG,    BPF_EPERM, BPF_ENOMEM,
                                  BPF_EBUSY,  BPF_EINVAL, BPF_ENOTSUPP, BPF_EBADF };

    (void)state;
    for (unsigned i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(bpf_text_error(-errors[i]), bpf_text_error(-errors[j]));
    assert_non_null(bpf_text_error(-12345));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_as_bpftool_has_them),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_long_words),
        cmocka_unit_test(test_back),
        cmocka_unit_test(test_errors_have_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
