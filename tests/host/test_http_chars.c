/* Classes of characters, one by one, and runs of them against a byte at a time. */
#include <httpd/http_chars.h>
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants those before itself */
#include "guard.h"
#include <cmocka.h>

#define LONGEST 27u /* three words and a part of one */

static bool is_one_of(int c, const char *set)
{
    return c != 0 && strchr(set, c) != NULL;
}

static bool is_alnum(int c)
{
    return c < 128 && isalnum(c);
}

static bool is_visible(int c)
{
    return c > ' ' && c < 0x7f;
}

static void test_classes(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        bool token = is_alnum(c) || is_one_of(c, "!#$%&'*+-.^_`|~");
        bool value = c == '\t' || (c >= ' ' && c != 0x7f);
        bool target = is_visible(c) && !is_one_of(c, "\"#<>\\");
        bool reg_name = is_alnum(c) || is_one_of(c, "-._~!$&'()*+,;=");

        assert_int_equal(http_is((char)c, HTTP_TOKEN), token);
        assert_int_equal(http_is((char)c, HTTP_VALUE), value);
        assert_int_equal(http_is((char)c, HTTP_TARGET), target);
        assert_int_equal(http_is((char)c, HTTP_REG_NAME), reg_name);
    }
}

/* The run ends at the first character that is not of the class, which stands anywhere, in text of
 * any length; at a guard page. */
static void test_skip(void **state)
{
    char text[LONGEST];

    (void)state;
    for (size_t len = 0; len <= LONGEST; len++) {
        memset(text, 'a', sizeof(text));
        for (size_t at = 0; at <= len; at++) {
            const char *s;

            if (at < len)
                text[at] = ' ';
            s = guarded(text, len);
            assert_ptr_equal(http_skip(s, s + len, HTTP_TOKEN), s + at);
            assert_ptr_equal(http_skip(s, s + len, HTTP_VALUE), s + len);
            if (at < len)
                text[at] = 'a';
        }
    }
}

static size_t value_bytes(const char *s, size_t len)
{
    size_t n = 0;

    while (n < len && http_is(s[n], HTTP_VALUE))
        n++;
    return n;
}

/* Any two characters side by side, for one may carry into the other; then all kinds mixed. */
static void test_skip_value(void **state)
{
    static const unsigned char kinds[] = { '\t', '\r', 0x1f, ' ', 'a', 0x7e, 0x7f, 0x80, 0xff };
    unsigned seed = 1;
    char text[LONGEST];

    (void)state;
    memset(text, 'a', sizeof(text));
    for (unsigned pair = 0; pair < 65536; pair++) {
        size_t at = pair % 11;
        const char *s;

        text[at] = (char)(pair >> 8);
        text[at + 1] = (char)pair;
        s = guarded(text, LONGEST);
        assert_ptr_equal(http_skip_value(s, s + LONGEST), s + value_bytes(text, LONGEST));
        text[at] = text[at + 1] = 'a';
    }
    for (unsigned i = 0; i < 300000; i++) {
        size_t len = i % (LONGEST + 1);
        const char *s;

        for (size_t k = 0; k < len; k++) {
            seed = seed * 1664525u + 1013904223u;
            text[k] = (char)kinds[(seed >> 16) % sizeof(kinds)];
            if ((seed >> 24) % 8 != 0 && !http_is(text[k], HTTP_VALUE))
                text[k] = (char)0xff;
        }
        s = guarded(text, len);
        assert_ptr_equal(http_skip_value(s, s + len), s + value_bytes(text, len));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_skip),
        cmocka_unit_test(test_skip_value),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
