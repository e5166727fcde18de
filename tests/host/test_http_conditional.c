/* Conditions, by the table of RFC 9110 §13.2.2. */
#include "request.h"
#include <httpd/http_conditional.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define THEN   784111777 /* Sun, 06 Nov 1994 08:49:37 GMT */
#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define AT     "Sun, 06 Nov 1994 08:49:37 GMT"
#define AFTER  "Sun, 06 Nov 1994 08:49:38 GMT"

static enum http_condition condition(const char *fields)
{
    struct http_request request = request_with(fields);

    return http_conditional(&request, text_of("\"abc\""), THEN);
}

#define GO(fields)     assert_int_equal(condition(fields), HTTP_GO_ON)
#define NOT(fields)    assert_int_equal(condition(fields), HTTP_NOT_MODIFIED)
#define FAILED(fields) assert_int_equal(condition(fields), HTTP_PRECONDITION_FAILED)

static void test_if_none_match(void **state)
{
    (void)state;
    GO("");
    NOT("If-None-Match: \"abc\"\r\n");
    NOT("If-None-Match: W/\"abc\"\r\n"); /* weak comparison */
    NOT("If-None-Match: *\r\n");
    NOT("If-None-Match: \"x\", W/\"y\" ,\"abc\"\r\n");
    NOT("If-None-Match: \"x\"\r\nIf-None-Match: \"abc\"\r\n");
    NOT("If-None-Match: \"a,b\",\"abc\"\r\n"); /* a comma inside */
    GO("If-None-Match: \"ABC\"\r\n");
    GO("If-None-Match: \"abcd\"\r\n");
    GO("If-None-Match: abc\r\n");
    GO("If-None-Match: \"abc\r\n");
    GO("If-None-Match: x\"abc\"\r\n");
    GO("If-None-Match: W/\r\n");
    GO("If-None-Match: \"\"\r\n");
}

static void test_if_modified_since(void **state)
{
    (void)state;
    NOT("If-Modified-Since: " AT "\r\n");
    NOT("If-Modified-Since: " AFTER "\r\n");
    GO("If-Modified-Since: " BEFORE "\r\n");
    GO("If-Modified-Since: yesterday\r\n");
    GO("If-Modified-Since: " AT "\r\nIf-Modified-Since: " AT "\r\n");
    /* If-None-Match goes before it. */
    GO("If-None-Match: \"x\"\r\nIf-Modified-Since: " AFTER "\r\n");
    NOT("If-None-Match: \"abc\"\r\nIf-Modified-Since: " BEFORE "\r\n");
}

static void test_preconditions(void **state)
{
    (void)state;
    GO("If-Match: \"abc\"\r\n");
    GO("If-Match: *\r\n");
    GO("If-Match: \"x\", \"abc\"\r\n");
    FAILED("If-Match: \"x\"\r\n");
    FAILED("If-Match: W/\"abc\"\r\n"); /* strong comparison */
    FAILED("If-Match: \"x\"\r\nIf-None-Match: \"abc\"\r\n");
    NOT("If-Match: \"abc\"\r\nIf-None-Match: \"abc\"\r\n");
    GO("If-Unmodified-Since: " AT "\r\n");
    GO("If-Unmodified-Since: " AFTER "\r\n");
    FAILED("If-Unmodified-Since: " BEFORE "\r\n");
    GO("If-Unmodified-Since: x\r\n");
    GO("If-Match: \"abc\"\r\nIf-Unmodified-Since: " BEFORE "\r\n"); /* goes before it */
}

static void test_no_time_known(void **state)
{
    struct http_request request = request_with("If-Modified-Since: " AFTER "\r\n");

    (void)state;
    assert_int_equal(http_conditional(&request, text_of("\"abc\""), 0), HTTP_GO_ON);
    request = request_with("If-Unmodified-Since: " BEFORE "\r\n");
    assert_int_equal(http_conditional(&request, text_of("\"abc\""), 0), HTTP_GO_ON);
    request = request_with("If-Range: " AT "\r\n");
    assert_false(http_if_range_holds(&request, text_of("\"abc\""), 0));
}

static bool holds(const char *fields)
{
    struct http_request request = request_with(fields);

    return http_if_range_holds(&request, text_of("\"abc\""), THEN);
}

static void test_if_range(void **state)
{
    (void)state;
    assert_true(holds(""));
    assert_true(holds("If-Range: \"abc\"\r\n"));
    assert_false(holds("If-Range: W/\"abc\"\r\n"));
    assert_false(holds("If-Range: \"abc\", \"x\"\r\n"));
    assert_false(holds("If-Range: \"x\"\r\n"));
    assert_false(holds("If-Range: *\r\n"));
    assert_false(holds("If-Range: \r\n"));
    assert_true(holds("If-Range: " AT "\r\n"));
    assert_false(holds("If-Range: " AFTER "\r\n"));
    assert_false(holds("If-Range: " BEFORE "\r\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_if_none_match), cmocka_unit_test(test_if_modified_since),
        cmocka_unit_test(test_preconditions), cmocka_unit_test(test_no_time_known),
        cmocka_unit_test(test_if_range),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
