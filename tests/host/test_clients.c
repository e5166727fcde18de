/* Connections by client: limits, what a client is, and that nothing is left of one who has gone. */
#include "fake_kmalloc.h"
#include <httpd/clients.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

uint32_t rand_u32(void)
{
    return 0x12345678;
}

static ip_addr_t v4(uint32_t n)
{
    ip_addr_t address = IPADDR4_INIT(n);

    return address;
}

static ip_addr_t v6(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    ip_addr_t address = IPADDR6_INIT(a, b, c, d);

    return address;
}

static void test_each_has_its_own(void **state)
{
    ip_addr_t a = v4(1), b = v4(2);
    struct client *first, *second;

    (void)state;
    first = client_enter(&a, 2);
    assert_non_null(first);
    assert_ptr_equal(client_enter(&a, 2), first);
    assert_null(client_enter(&a, 2));
    second = client_enter(&b, 2);
    assert_non_null(second);
    assert_ptr_not_equal(first, second);
    client_leave(first);
    assert_ptr_equal(client_enter(&a, 2), first);
    client_leave(first);
    client_leave(first);
    client_leave(second);
    client_leave(NULL);
    assert_int_equal(fake_kmalloc_live, 0);
}

static void test_an_ipv6_client_is_its_64(void **state)
{
    ip_addr_t a = v6(1, 2, 3, 4), same = v6(1, 2, 5, 6), other = v6(1, 3, 3, 4), short_one = v4(1);
    struct client *first = client_enter(&a, 2), *second, *third;

    (void)state;
    assert_ptr_equal(client_enter(&same, 2), first);
    assert_null(client_enter(&a, 2));
    second = client_enter(&other, 2);
    third = client_enter(&short_one, 2); /* not the IPv6 address that has the same bits */
    assert_true(second != NULL && third != NULL && second != first && third != first);
    client_leave(first);
    client_leave(first);
    client_leave(second);
    client_leave(third);
    assert_int_equal(fake_kmalloc_live, 0);
}

/* An IPv4 address, and the IPv6 one whose first half is the same number. */
static void test_families_are_apart(void **state)
{
    ip_addr_t four = v4(7), six = v6(7, 0, 0, 0);
    struct client *a = client_enter(&four, 1), *b = client_enter(&six, 1);

    (void)state;
    assert_true(a != NULL && b != NULL && a != b);
    client_leave(b);
    client_leave(a);
    assert_int_equal(fake_kmalloc_live, 0);
}

#define MANY 20000u

static void test_many(void **state)
{
    static struct client *clients[MANY];

    (void)state;
    for (uint32_t i = 0; i < MANY; i++) {
        ip_addr_t address = v4(i);

        clients[i] = client_enter(&address, 1);
        assert_non_null(clients[i]);
        assert_null(client_enter(&address, 1));
    }
    for (uint32_t i = 0; i < MANY; i++)
        client_leave(clients[i * 7919 % MANY]); /* in another order than they came */
    assert_int_equal(fake_kmalloc_live, 0);
}

static void test_without_memory(void **state)
{
    ip_addr_t a = v4(1);

    (void)state;
    fake_kmalloc_fail_in = 1;
    assert_null(client_enter(&a, 1));
    assert_int_equal(fake_kmalloc_live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_has_its_own),   cmocka_unit_test(test_an_ipv6_client_is_its_64),
        cmocka_unit_test(test_families_are_apart), cmocka_unit_test(test_many),
        cmocka_unit_test(test_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
