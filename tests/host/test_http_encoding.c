/* Accept-Encoding: what is sent of what there is. */
#include "request.h"
#include <httpd/http_encoding.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define I (1u << HTTP_IDENTITY)
#define G (1u << HTTP_GZIP)
#define B (1u << HTTP_BR)
#define Z (1u << HTTP_ZSTD)

static enum http_encoding choose(const char *accept, unsigned available)
{
    char fields[512];
    struct http_request request;

    snprintf(fields, sizeof(fields), "Accept-Encoding: %s\r\n", accept);
    request = request_with(accept != NULL ? fields : "");
    return http_encoding_choose(&request, available);
}

static void test_choices(void **state)
{
    static const struct {
        const char *accept;
        unsigned available;
        enum http_encoding chosen;
    } cases[] = {
        { NULL, I | G | B | Z, HTTP_IDENTITY },
        { "", I | G | B | Z, HTTP_IDENTITY },
        { "gzip", I | G, HTTP_GZIP },
        { "gzip", I | B, HTTP_IDENTITY },
        { "GZip", I | G, HTTP_GZIP },
        { "x-gzip", I | G, HTTP_GZIP },
        { "gzip, deflate, br, zstd", I | G | B | Z, HTTP_BR },
        { "gzip, deflate, br, zstd", I | G | Z, HTTP_ZSTD },
        { "gzip, deflate, br, zstd", I | G, HTTP_GZIP },
        { "gzip;q=1.0, br;q=0.5", I | G | B, HTTP_GZIP },
        { "gzip;q=0.001", I | G, HTTP_GZIP },
        { "gzip;q=0", I | G, HTTP_IDENTITY },
        { "gzip;q=0.000", I | G, HTTP_IDENTITY },
        { "gzip ; q=0.8 , br ; q=0.9", I | G | B, HTTP_BR },
        { "*", I | G | B | Z, HTTP_BR },
        { "*;q=0", I | G | B, HTTP_IDENTITY }, /* better than nothing */
        { "gzip, *;q=0", I | G | B, HTTP_GZIP },
        { "br;q=0, *", I | B | Z, HTTP_ZSTD },
        { "identity", I | G, HTTP_IDENTITY },
        { "identity;q=0, gzip", I | G, HTTP_GZIP },
        { "identity;q=1, gzip;q=0.5", I | G, HTTP_IDENTITY },
        { "identity;q=0.5, gzip;q=0.5", I | G, HTTP_GZIP },
        { "gzip;q=x", I | G, HTTP_IDENTITY }, /* not understood */
        { "gzip;q=2", I | G, HTTP_IDENTITY },
        { "gzip;q=1.001", I | G, HTTP_GZIP },
        { "gzip;q", I | G, HTTP_IDENTITY },
        { "gzip;level=9", I | G, HTTP_IDENTITY },
        { ",,gzip,,", I | G, HTTP_GZIP },
        { "gzipp, gzi, g", I | G, HTTP_IDENTITY },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        if (choose(cases[i].accept, cases[i].available) != cases[i].chosen)
            fail_msg("\"%s\": %d", cases[i].accept != NULL ? cases[i].accept : "(none)",
                     choose(cases[i].accept, cases[i].available));
}

static void test_several_fields(void **state)
{
    struct http_request request =
        request_with("Accept-Encoding: gzip;q=0.5\r\nX: y\r\nAccept-Encoding: br;q=0.4\r\n");

    (void)state;
    assert_int_equal(http_encoding_choose(&request, I | G | B), HTTP_GZIP);
    assert_int_equal(http_encoding_choose(&request, I | B), HTTP_BR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_several_fields),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
