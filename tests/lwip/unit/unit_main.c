/*
 * lwIP's own unit tests with our options: the suites for what we build of lwIP. The others (DNS,
 * MDNS, MQTT, PPP and the socket layer) run with lwIP's options in a program of their own, see
 * tests/lwip.mk. This stands in for test/unit/lwip_unittests.c, which wants all of them.
 */
#include "lwip_check.h"
#include "core/test_def.h"
#include "core/test_netif.h"
#include "core/test_pbuf.h"
#include "core/test_timers.h"
#include "dhcp/test_dhcp.h"
#include "etharp/test_etharp.h"
#include "ip4/test_ip4.h"
#include "ip6/test_ip6.h"
#include "tcp/test_tcp.h"
#include "tcp/test_tcp_oos.h"
#include "tcp/test_tcp_state.h"
#include "udp/test_udp.h"
#include <lwip/init.h>
#include <lwip/netif.h>
#include <lwip/stats.h>
#include <kernel/kmalloc.h>
#include <kernel/rand.h>

u32_t lwip_sys_now; /* the tests' clock */

u32_t sys_now(void);
u32_t sys_now(void)
{
    return lwip_sys_now;
}

void *lwip_port_malloc(size_t bytes)
{
    return malloc(bytes);
}
void *lwip_port_calloc(size_t count, size_t bytes)
{
    return calloc(count, bytes);
}
void lwip_port_free(void *p)
{
    free(p);
}
void lwip_port_error(const char *message)
{
    (void)message; /* many tests provoke them */
}

/* The IP suites let the stack's thread look after the loopback queue; without threads we do. */
int tcpip_thread_poll_one(void);
int tcpip_thread_poll_one(void)
{
    netif_poll_all();
    return 0;
}

uint32_t rand_u32(void)
{
    return (uint32_t)rand();
}
void rand_bytes(void *buf, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        ((uint8_t *)buf)[i] = (uint8_t)rand();
}

/* What lwIP's own main file offers to the suites (test/unit/lwip_check.h). */
Suite *create_suite(const char *name, testfunc *tests, size_t num_tests, SFun setup, SFun teardown)
{
    Suite *suite = suite_create(name);

    for (size_t i = 0; i < num_tests; i++) {
        TCase *tcase = tcase_create(name);

        if (setup != NULL || teardown != NULL)
            tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_named_test(tcase, tests[i]);
        suite_add_tcase(suite, tcase);
    }
    return suite;
}

void lwip_check_ensure_no_alloc(unsigned int skip)
{
    if (!(skip & SKIP_HEAP))
        ck_assert_msg(lwip_stats.mem.used == 0, "heap: %u bytes left",
                      (unsigned)lwip_stats.mem.used);
    for (unsigned i = 0; i < MEMP_MAX; i++)
        if (!(skip & 1u << i))
            ck_assert_msg(lwip_stats.memp[i]->used == 0, "pool %u: %u left", i,
                          (unsigned)lwip_stats.memp[i]->used);
}

int main(void)
{
    suite_getter_fn *const suites[] = {
        ip4_suite, ip6_suite,   udp_suite,  tcp_suite,    tcp_oos_suite, tcp_state_suite,
        def_suite, netif_suite, pbuf_suite, timers_suite, etharp_suite,  dhcp_suite,
    };
    SRunner *runner;
    int failed;

    lwip_init();
    runner = srunner_create(suites[0]());
    for (size_t i = 1; i < sizeof(suites) / sizeof(suites[0]); i++)
        srunner_add_suite(runner, suites[i]());
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
