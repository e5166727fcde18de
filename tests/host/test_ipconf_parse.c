/* Addresses from tophalf.cfg: what is taken, and that nothing else is. */
#include "fakes.h"
#include "ipconf_parse.h"
#include <stdint.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void test_addresses(void **state)
{
    uint32_t a;

    (void)state;
    assert_null(ipconf_parse_address("10.0.2.2", &a));
    assert_int_equal(a, 0x0a000202);
    assert_null(ipconf_parse_address("255.255.255.255", &a));
    assert_int_equal(a, 0xffffffff);
    assert_null(ipconf_parse_address("0.0.0.0", &a));
    assert_int_equal(a, 0);
}

static void test_bad_addresses(void **state)
{
    static const char *const bad[] = {
        "",
        "1",
        "1.2.3",
        "1.2.3.",
        "1.2.3.4.",
        "1.2.3.4.5",
        "1.2.3.256",
        "1.2.3.-1",
        "1.2.3.+4",
        " 1.2.3.4",
        "1.2.3.4 ",
        "1..3.4",
        ".1.2.3.4",
        "01.2.3.4",
        "1.2.3.04",
        "0x1.2.3.4",
        "1.2.3.4/24",
        "a.b.c.d",
        "1,2,3,4",
        "1.2.3.4294967297",
        "1.2.3.99999999999999999999",
        "fe80::1",
        "dhcp",
    };
    uint32_t a;

    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (ipconf_parse_address(bad[i], &a) == NULL)
            fail_msg("taken: \"%s\"", bad[i]);
}

static void test_prefixes(void **state)
{
    struct ipconf_prefix p;

    (void)state;
    assert_null(ipconf_parse_prefix("192.168.1.10/24", &p));
    assert_int_equal(p.address, 0xc0a8010a);
    assert_int_equal(p.netmask, 0xffffff00);
    assert_int_equal(p.prefix, 24);
    assert_null(ipconf_parse_prefix("10.1.2.3/8", &p));
    assert_int_equal(p.netmask, 0xff000000);
    assert_null(ipconf_parse_prefix("10.0.0.0/31", &p)); /* RFC 3021: both ends are hosts */
    assert_null(ipconf_parse_prefix("10.0.0.1/31", &p));
    assert_null(ipconf_parse_prefix("10.0.0.0/32", &p));
    assert_int_equal(p.netmask, 0xffffffff);
    assert_null(ipconf_parse_prefix("10.0.0.1/1", &p));
    assert_int_equal(p.netmask, 0x80000000);
}

static void test_bad_prefixes(void **state)
{
    static const char *const bad[] = {
        "",
        "10.0.0.1",
        "10.0.0.1/",
        "10.0.0.1/0",
        "10.0.0.1/33",
        "10.0.0.1/024",
        "10.0.0.1/24/24",
        "10.0.0.1/24 ",
        "10.0.0.1/255.255.255.0",
        "10.0.0.0/24",   /* the network */
        "10.0.0.255/24", /* its broadcast */
        "0.0.0.1/8",     /* "this" network */
        "127.0.0.1/8",   /* loopback */
        "224.0.0.1/24",  /* multicast */
        "255.255.255.255/32",
        "240.0.0.1/8", /* reserved */
    };
    struct ipconf_prefix p;

    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (ipconf_parse_prefix(bad[i], &p) == NULL)
            fail_msg("taken: \"%s\"", bad[i]);
}

static void test_gateways(void **state)
{
    struct ipconf_prefix p;

    (void)state;
    assert_null(ipconf_parse_prefix("192.168.1.10/24", &p));
    assert_null(ipconf_check_gateway(&p, 0xc0a80101));
    assert_non_null(ipconf_check_gateway(&p, 0xc0a80201)); /* elsewhere */
    assert_non_null(ipconf_check_gateway(&p, 0xc0a8010a)); /* itself */
    assert_non_null(ipconf_check_gateway(&p, 0xc0a801ff)); /* broadcast */
    assert_non_null(ipconf_check_gateway(&p, 0xc0a80100)); /* network */
}

static void test_hostnames(void **state)
{
    char name[65];

    (void)state;
    assert_null(ipconf_check_hostname("tophalf"));
    assert_null(ipconf_check_hostname("T-1"));
    assert_null(ipconf_check_hostname("9"));
    assert_non_null(ipconf_check_hostname(""));
    assert_non_null(ipconf_check_hostname("-a"));
    assert_non_null(ipconf_check_hostname("a-"));
    assert_non_null(ipconf_check_hostname("-"));
    assert_non_null(ipconf_check_hostname("a.b"));
    assert_non_null(ipconf_check_hostname("a b"));
    assert_non_null(ipconf_check_hostname("a_b"));
    memset(name, 'a', 64);
    name[63] = '\0';
    assert_null(ipconf_check_hostname(name));
    name[63] = 'a';
    name[64] = '\0';
    assert_non_null(ipconf_check_hostname(name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses), cmocka_unit_test(test_bad_addresses),
        cmocka_unit_test(test_prefixes),  cmocka_unit_test(test_bad_prefixes),
        cmocka_unit_test(test_gateways),  cmocka_unit_test(test_hostnames),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
