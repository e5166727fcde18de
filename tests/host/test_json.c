/* kernel/json.c: exact documents, escapes, hostile text, and the assertions on misuse. */
#include "fakes.h"
#include <kernel/json.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static char out[65536];
static size_t out_len;

static void collect(void *arg, const char *text, size_t len)
{
    assert_ptr_equal(arg, out);
    assert_true(out_len + len < sizeof(out));
    memcpy(out + out_len, text, len);
    out_len += len;
    out[out_len] = '\0';
}

static void begin(struct json *j)
{
    out_len = 0;
    json_begin(j, collect, out);
}

static void test_documents(void **state)
{
    struct json j;

    (void)state;
    begin(&j);
    json_end(&j);
    assert_string_equal(out, "{}");

    begin(&j);
    json_str(&j, "name", "eth0");
    json_u64(&j, "mtu", 1500);
    json_end(&j);
    assert_string_equal(out, "{\"name\":\"eth0\",\"mtu\":1500}");

    begin(&j);
    json_array(&j, "empty");
    json_array_end(&j);
    json_array(&j, "list");
    json_u64(&j, NULL, 1);
    json_object(&j, NULL);
    json_object_end(&j);
    json_array(&j, NULL);
    json_bool(&j, NULL, true);
    json_bool(&j, NULL, false);
    json_array_end(&j);
    json_null(&j, NULL);
    json_array_end(&j);
    json_object(&j, "o");
    json_i64(&j, "min", INT64_MIN);
    json_u64(&j, "max", UINT64_MAX);
    json_object_end(&j);
    json_str(&j, "none", NULL);
    json_end(&j);
    assert_string_equal(out, "{\"empty\":[],\"list\":[1,{},[true,false],null],"
                             "\"o\":{\"min\":-9223372036854775808,\"max\":18446744073709551615},"
                             "\"none\":null}");
}

static void expect_text(const char *value, const char *want)
{
    struct json j;
    char document[1024];

    begin(&j);
    json_str(&j, "s", value);
    json_end(&j);
    snprintf(document, sizeof(document), "{\"s\":\"%s\"}", want);
    assert_string_equal(out, document);
}

static void test_escapes(void **state)
{
    struct json j;

    (void)state;
    expect_text("", "");
    expect_text("a\"b\\c/d", "a\\\"b\\\\c/d");
    expect_text("\n\r\t", "\\n\\r\\t");
    expect_text("\x01\x1f\x7f\x1b[2J", "\\u0001\\u001f\\u007f\\u001b[2J");
    expect_text("end\n", "end\\n");

    begin(&j);
    json_u64(&j, "a\"key", 1);
    json_end(&j);
    assert_string_equal(out, "{\"a\\\"key\":1}");
}

static void test_utf8(void **state)
{
    (void)state;
    expect_text("gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f");
    expect_text("\xe2\x82\xac", "\xe2\x82\xac");
    expect_text("\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80");
    expect_text("\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf");
    /* not UTF-8: Latin-1, lone continuation, cut short, overlong, surrogate, above U+10FFFF */
    expect_text("gr\xfc\xdf", "gr\\ufffd\\ufffd");
    expect_text("\x80x", "\\ufffdx");
    expect_text("\xc3", "\\ufffd");
    expect_text("\xe2\x82", "\\ufffd\\ufffd");
    expect_text("\xf0\x9f\x98", "\\ufffd\\ufffd\\ufffd");
    expect_text("\xc0\xaf", "\\ufffd\\ufffd");
    expect_text("\xe0\x80\xaf", "\\ufffd\\ufffd\\ufffd");
    expect_text("\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd");
    expect_text("\xf0\x80\x80\xaf", "\\ufffd\\ufffd\\ufffd\\ufffd");
    expect_text("\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd");
    expect_text("\xff\xfe\"", "\\ufffd\\ufffd\\\"");
}

static void test_long_text(void **state)
{
    static char text[10000];
    struct json j;

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    begin(&j);
    json_str(&j, "s", text);
    json_end(&j);
    assert_int_equal(out_len, sizeof(text) - 1 + strlen("{\"s\":\"\"}"));
}

static void test_depth(void **state)
{
    struct json j;

    (void)state;
    begin(&j);
    json_array(&j, "a");
    for (unsigned i = 2; i < JSON_DEPTH_MAX; i++)
        json_array(&j, NULL);
    EXPECT_PANIC(json_array(&j, NULL));
    for (unsigned i = 1; i < JSON_DEPTH_MAX; i++)
        json_array_end(&j);
    json_end(&j);
    assert_string_equal(out, "{\"a\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}");
}

static void test_misuse_panics(void **state)
{
    struct json j;

    (void)state;
    begin(&j);
    EXPECT_PANIC(json_u64(&j, NULL, 1)); /* no key in an object */
    EXPECT_PANIC(json_array_end(&j));    /* none open */
    EXPECT_PANIC(json_object_end(&j));   /* the document is closed by json_end() */
    json_array(&j, "a");
    EXPECT_PANIC(json_u64(&j, "key", 1)); /* a key in an array */
    EXPECT_PANIC(json_object_end(&j));
    EXPECT_PANIC(json_end(&j)); /* something is open */
    json_array_end(&j);
    json_end(&j);
    EXPECT_PANIC(json_u64(&j, "late", 1));
    EXPECT_PANIC(json_end(&j));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_documents), cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_utf8),      cmocka_unit_test(test_long_text),
        cmocka_unit_test(test_depth),     cmocka_unit_test(test_misuse_panics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
