/* Strings eight bytes at a time, against a byte at a time, at every length and at a guard page. */
#include <httpd/bytes.h>
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants those before itself */
#include "guard.h"
#include <cmocka.h>

#define LONGEST 40u

static void test_same_bytes(void **state)
{
    char a[LONGEST], b[LONGEST];

    (void)state;
    for (size_t len = 0; len <= LONGEST; len++) {
        for (size_t i = 0; i < len; i++)
            a[i] = (char)(i * 37 + len);
        memcpy(b, a, len);
        assert_true(same_bytes(guarded(a, len), b, len));
        for (size_t i = 0; i < len; i++) {
            b[i] ^= 0x10;
            assert_false(same_bytes(guarded(a, len), b, len));
            b[i] ^= 0x10;
        }
    }
}

static bool is_token_char(int c)
{
    return isalnum(c) || (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* Any token character in any place. */
static void test_same_name(void **state)
{
    static const char *const names[] = {
        "a",       "te",       "via",        "host",           "expect",
        "upgrade", "priority", "connection", "content-length", "transfer-encoding"
    };

    (void)state;
    for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
        size_t len = strlen(names[n]);
        char name[LONGEST];

        for (size_t i = 0; i < len; i++) {
            for (int c = 0; c < 128; c++) {
                if (!is_token_char(c))
                    continue;
                memcpy(name, names[n], len);
                name[i] = (char)c;
                assert_int_equal(same_name(guarded(name, len), names[n], len),
                                 tolower(c) == names[n][i]);
            }
        }
    }
}

static void test_hash(void **state)
{
    char text[LONGEST] = "";
    unsigned equal = 0;

    (void)state;
    for (size_t len = 1; len <= LONGEST; len++) { /* each byte counts, and so does the length */
        uint32_t hash = hash_bytes(guarded(text, len), len);

        equal += hash == hash_bytes(text, len - 1);
        for (size_t i = 0; i < len; i++) {
            text[i] ^= 1;
            equal += hash == hash_bytes(text, len);
            text[i] ^= 1;
        }
    }
    assert_int_equal(equal, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_same_name),
        cmocka_unit_test(test_hash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
