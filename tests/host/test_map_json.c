/* Entries of eBPF maps in JSON: what is read, and what is refused in which words. */
#include <httpd/map_json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct map_json *json;
static struct map_json_entry entry;
static const char *why;
static char *text;

static int setup(void **state)
{
    (void)state;
    json = malloc(map_json_bytes());
    text = NULL;
    return json == NULL;
}

static int teardown(void **state)
{
    (void)state;
    free(json);
    free(text);
    return 0;
}

/* In memory that ends where the text does. */
static bool open_text(const char *what)
{
    size_t len = strlen(what);

    free(text);
    text = malloc(len > 0 ? len : 1);
    assert_non_null(text);
    memcpy(text, what, len);
    return map_json_open(json, text, len, &why);
}

static void expect(const char *key, const char *value, const char *flags)
{
    assert_int_equal(map_json_next(json, &entry, &why), 1);
    assert_string_equal(entry.key, key);
    assert_string_equal(entry.value, value);
    assert_string_equal(entry.flags, flags);
}

static void test_one_entry(void **state)
{
    (void)state;
    assert_true(open_text("{\"key\": \"10.0.0.0/8\", \"value\": 1}"));
    expect("10.0.0.0/8", "1", "any");
    assert_int_equal(map_json_next(json, &entry, &why), 0);
    assert_int_equal(map_json_next(json, &entry, &why), 0);
    assert_true(open_text("{\"value\":[1,0, 0,255],\"flags\":\"noexist\",\"key\":\"u32 5\"}"));
    expect("u32 5", "1 0 0 255", "noexist");
}

static void test_many_entries(void **state)
{
    (void)state;
    assert_true(open_text("[{\"key\":1,\"value\":2},{\"key\":[3],\"value\":\"hex 0a\",\"flags\":"
                          "\"exist\"}, {\"key\":5,\"value\":6}]"));
    expect("1", "2", "any");
    expect("3", "hex 0a", "exist");
    expect("5", "6", "any");
    assert_int_equal(map_json_next(json, &entry, &why), 0);
    assert_true(open_text("[]"));
    assert_int_equal(map_json_next(json, &entry, &why), 0);
}

static void test_no_json(void **state)
{
    static const char *const texts[] = {
        "",    " ",           "{",        "}",    "[1,2",          "{\"key\":1",
        "nul", "{\"key\" 1}", "\"text\"", "5",    "{key:1}",       "{\"key\":1}{}",
        "[}",  "[1]]",        "{} {}",    "\x01", "{\"key\":\"a}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        why = NULL;
        if (open_text(texts[i])) /* what jsmn lets through is no entry */
            assert_int_equal(map_json_next(json, &entry, &why), -1);
        assert_non_null(why);
    }
}

static void test_no_entries(void **state)
{
    static const char *const texts[][2] = {
        { "{}", "key and value" },
        { "{\"key\":1}", "key and value" },
        { "{\"value\":1}", "key and value" },
        { "[1]", "an object" },
        { "[[]]", "an object" },
        { "{\"key\":1,\"value\":2,\"other\":3}", "key, value and flags" },
        { "{\"key\":1,\"value\":2,\"flags\":\"some\"}", "any, exist or noexist" },
        { "{\"key\":1,\"value\":2,\"flags\":3}", "any, exist or noexist" },
        { "{\"key\":-1,\"value\":2}", "0 or more" },
        { "{\"key\":true,\"value\":2}", "0 or more" },
        { "{\"key\":null,\"value\":2}", "0 or more" },
        { "{\"key\":{\"a\":1},\"value\":2}", "array of bytes" },
        { "{\"key\":[[1]],\"value\":2}", "array of bytes" },
        { "{\"key\":[\"1\"],\"value\":2}", "array of bytes" },
        { "{\"key\":\"a\\n\",\"value\":2}", "escapes" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_true(open_text(texts[i][0]));
        assert_int_equal(map_json_next(json, &entry, &why), -1);
        assert_non_null(strstr(why, texts[i][1]));
    }
}

static void test_too_much(void **state)
{
    size_t len = 40000, at;
    char *big = malloc(len);

    (void)state;
    assert_non_null(big);
    at = (size_t)sprintf(big, "{\"key\":\"");
    memset(big + at, 'a', MAP_JSON_LINE_MAX);
    strcpy(big + at + MAP_JSON_LINE_MAX, "\",\"value\":1}");
    assert_true(open_text(big));
    assert_int_equal(map_json_next(json, &entry, &why), -1);
    assert_non_null(strstr(why, "longer"));
    at = (size_t)sprintf(big, "{\"key\":[1");
    while (at < 2 * MAP_JSON_TOKENS_MAX)
        at += (size_t)sprintf(big + at, ",1");
    strcpy(big + at, "],\"value\":1}");
    assert_false(open_text(big));
    assert_non_null(strstr(why, "too much"));
    free(big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_entry, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_entries, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_json, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_entries, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_much, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
