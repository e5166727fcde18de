/* Who may use the admin area: addresses, the token, other sites' pages. */
#include "fakes.h"
#include "request.h"
#include <httpd/admin_access.h>
#include <kernel/config.h>
#include <kernel/rand.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

static const char *admin, *given_token, *hostname;

const char *config_get(const char *key, const char *fallback)
{
    const char *value = strcmp(key, "admin") == 0         ? admin
                        : strcmp(key, "admin_token") == 0 ? given_token
                                                          : hostname;

    return value != NULL ? value : fallback;
}

static uint8_t drawn;

void rand_bytes(void *to, size_t len)
{
    memset(to, drawn++, len);
}

static void configure(const char *nets, const char *token)
{
    admin = nets;
    given_token = token;
    hostname = NULL;
    fake_printk_lines = 0;
    admin_access_init();
}

/* lwIP's ipaddr_aton() stands in one file with what hands packets on. */
struct pbuf;
struct netif;

int8_t ip4_input(struct pbuf *p, struct netif *netif)
{
    (void)p;
    (void)netif;
    return 0;
}

int8_t ip6_input(struct pbuf *p, struct netif *netif)
{
    return ip4_input(p, netif);
}

static bool allows(const char *text)
{
    ip_addr_t address;

    assert_true(ipaddr_aton(text, &address));
    return admin_allows(&address);
}

/* ---------------------------------------------------------------- addresses */

static void test_the_default(void **state)
{
    (void)state;
    configure(NULL, NULL);
    assert_true(allows("10.0.2.2"));
    assert_true(allows("fec0::2"));
    assert_true(allows("127.0.0.1"));
    assert_true(allows("127.255.255.255"));
    assert_true(allows("::1"));
    assert_false(allows("10.0.2.3"));
    assert_false(allows("10.0.2.15"));
    assert_false(allows("128.0.0.1"));
    assert_false(allows("fec0::3"));
    assert_false(allows("::2"));
    assert_false(allows("0.0.0.0"));
    assert_int_equal(fake_printk_lines, 0);
}

static void test_nets(void **state)
{
    (void)state;
    configure("192.0.2.128/25,198.51.100.7\t2001:db8::/33  ::ffff:0:0/96", NULL);
    assert_int_equal(fake_printk_lines, 0);
    assert_true(allows("192.0.2.128"));
    assert_true(allows("192.0.2.255"));
    assert_false(allows("192.0.2.127"));
    assert_true(allows("198.51.100.7"));
    assert_false(allows("198.51.100.6"));
    assert_true(allows("2001:db8::1"));
    assert_true(allows("2001:db8:7fff:ffff::1"));
    assert_false(allows("2001:db8:8000::1"));
    assert_false(allows("10.0.2.2"));
    configure("0.0.0.0/0", NULL);
    assert_true(allows("255.255.255.255"));
    assert_false(allows("::1")); /* every IPv4 address is not every address */
    configure("::/0", NULL);
    assert_true(allows("2001:db8::1"));
    assert_false(allows("1.2.3.4"));
}

static void test_nobody(void **state)
{
    (void)state;
    configure("none", NULL);
    assert_false(allows("10.0.2.2"));
    assert_false(allows("::1"));
    configure("", NULL);
    assert_false(allows("10.0.2.2"));
    assert_int_equal(fake_printk_lines, 0);
}

/* What is no address is said, and lets nobody in; the others count. */
static void test_bad_entries(void **state)
{
    static const char *const bad[] = { "x",           "10.0.2.2/33", "10.0.2.2/", "10.0.2.2/-1",
                                       "10.0.2.2/1x", "10.0.2.2/ 8", "::/129",    "10.0.2.2.2",
                                       "/8",          "10.0.2.2/8/8" };
    char list[64];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(list, sizeof(list), "%s, 192.0.2.1", bad[i]);
        configure(list, NULL);
        assert_true(fake_printk_lines >= 1);
        if (strchr(bad[i], ' ') == NULL) { /* told as it stands there */
            char said[64];

            snprintf(said, sizeof(said), "\"%s\" is no address", bad[i]);
            assert_non_null(strstr(fake_printk_last, said));
        }
        assert_true(allows("192.0.2.1"));
        assert_false(allows("10.0.2.3"));
    }
    configure("1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4 1.1.1.5 1.1.1.6 1.1.1.7 1.1.1.8 1.1.1.9 1.1.1.10 "
              "1.1.1.11 1.1.1.12 1.1.1.13 1.1.1.14 1.1.1.15 1.1.1.16 1.1.1.17",
              NULL);
    assert_non_null(strstr(fake_printk_last, "more than 16"));
    assert_true(allows("1.1.1.16"));
    assert_false(allows("1.1.1.17"));
}

/* ---------------------------------------------------------------- the token */

static bool has_token(const char *authorization)
{
    char fields[256];
    struct http_request request;

    snprintf(fields, sizeof(fields), "Authorization: %s\r\n", authorization);
    request = request_with(fields);
    return admin_has_token(&request);
}

static void test_the_token(void **state)
{
    struct http_request none = request_with("");

    (void)state;
    configure(NULL, "0123456789abcdef");
    assert_string_equal(admin_token(), "0123456789abcdef");
    assert_true(has_token("Bearer 0123456789abcdef"));
    assert_true(has_token("bEARER 0123456789abcdef"));
    assert_false(has_token("Bearer 0123456789abcdeg"));
    assert_false(has_token("Bearer 1123456789abcdef"));
    assert_false(has_token("Bearer 0123456789abcde"));
    assert_false(has_token("Bearer 0123456789abcdef0"));
    assert_false(has_token("Bearer 0123456789ABCDEF"));
    assert_false(has_token("Bearer"));
    assert_false(has_token(""));
    assert_false(has_token("0123456789abcdef"));
    assert_false(has_token("Basic 0123456789abcdef"));
    assert_false(admin_has_token(&none));
}

static void test_a_token_is_drawn(void **state)
{
    char first[ADMIN_TOKEN_MAX + 1];

    (void)state;
    configure(NULL, NULL);
    assert_int_equal(strlen(admin_token()), 32);
    assert_int_equal(fake_printk_lines, 0);
    strcpy(first, admin_token());
    configure(NULL, "too short: 15 ch");
    assert_string_equal(admin_token(), "too short: 15 ch"); /* 16, after all */
    configure(NULL, "123456789012345");
    assert_non_null(strstr(fake_printk_last, "must have 16 to 64"));
    assert_int_equal(strlen(admin_token()), 32);
    assert_string_not_equal(admin_token(), first);
    configure(NULL, "12345678901234567890123456789012345678901234567890123456789012345");
    assert_int_equal(fake_printk_lines, 1);
    assert_int_equal(strlen(admin_token()), 32);
}

/* ---------------------------------------------------------------- other sites */

/* GET / with this Host and these fields. */
static bool cross(const char *host, const char *fields)
{
    static char text[1024];
    struct http_request request;
    int n = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: %s\r\n%s\r\n", host, fields);

    assert_int_equal(http_request_parse(text, (size_t)n, &test_limits, &request), n);
    return admin_is_cross_site(&request);
}

static void test_hosts(void **state)
{
    static const char old[] = "GET / HTTP/1.0\r\n\r\n";
    struct http_request request;

    (void)state;
    configure(NULL, NULL);
    assert_false(cross("localhost", ""));
    assert_false(cross("localhost:8080", ""));
    assert_false(cross("127.0.0.1:8080", ""));
    assert_false(cross("192.0.2.7", ""));
    assert_false(cross("[::1]:8080", ""));
    assert_false(cross("tophalf", ""));
    assert_false(cross("", ""));
    assert_true(cross("example.com", ""));
    assert_true(cross("localhost.example.com", ""));
    assert_true(cross("127.0.0.1.example.com", ""));
    assert_true(cross("tophalf.example.com", ""));
    assert_true(cross("atophalf", ""));
    hostname = "web1";
    assert_false(cross("web1", ""));
    assert_true(cross("tophalf", ""));
    assert_int_equal(http_request_parse(old, sizeof(old) - 1, &test_limits, &request),
                     sizeof(old) - 1);
    assert_false(admin_is_cross_site(&request));
}

static void test_origins(void **state)
{
    (void)state;
    configure(NULL, NULL);
    assert_false(cross("localhost", "Origin: http://localhost\r\n"));
    assert_false(cross("localhost:8080", "Origin: http://localhost:8080\r\n"));
    assert_false(cross("localhost", "Origin: https://localhost\r\n"));
    assert_true(cross("localhost:8080", "Origin: http://localhost\r\n"));
    assert_true(cross("localhost", "Origin: http://localhost:8080\r\n"));
    assert_true(cross("localhost", "Origin: http://example.com\r\n"));
    assert_true(cross("localhost", "Origin: null\r\n"));
    assert_true(cross("localhost", "Origin: \r\n"));
    assert_true(cross("localhost", "Origin: localhost\r\n"));
    assert_true(cross("localhost", "Origin: ftp://localhost\r\n"));
    assert_true(cross("localhost", "Origin: http://\r\n"));
}

static void test_fetch_metadata(void **state)
{
    (void)state;
    configure(NULL, NULL);
    assert_false(cross("localhost", "Sec-Fetch-Site: same-origin\r\n"));
    assert_false(cross("localhost", "Sec-Fetch-Site: none\r\n"));
    assert_true(cross("localhost", "Sec-Fetch-Site: same-site\r\n"));
    assert_true(cross("localhost", "Sec-Fetch-Site: cross-site\r\n"));
    assert_true(cross("localhost", "Sec-Fetch-Site: whatever\r\n"));
    assert_true(
        cross("localhost", "Sec-Fetch-Site: same-origin\r\nOrigin: http://example.com\r\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_default),    cmocka_unit_test(test_nets),
        cmocka_unit_test(test_nobody),         cmocka_unit_test(test_bad_entries),
        cmocka_unit_test(test_the_token),      cmocka_unit_test(test_a_token_is_drawn),
        cmocka_unit_test(test_hosts),          cmocka_unit_test(test_origins),
        cmocka_unit_test(test_fetch_metadata),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
