/* The echo app on a fake of lwIP's raw API: every byte comes back, from the buffer it came in. */
#include <apps/app.h>
#include <kernel/config.h>
#include <kernel/lib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "fake_kmalloc.h"
#include "fake_tcp.h"
#include <cmocka.h>

static char text[100000];

uint64_t config_u64(const char *key, uint64_t fallback, uint64_t min, uint64_t max)
{
    assert_string_equal(key, "echo_port");
    assert_true(min <= fallback && fallback <= max);
    return fallback;
}

static int start(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(text); i++)
        text[i] = (char)(i * 31 + i / 509);
    assert_true(app.start());
    assert_int_equal(fake_listen_port, 7);
    return 0;
}

static int end(void **state)
{
    (void)state;
    assert_int_equal(fake_pcbs_live, 0);
    assert_int_equal(fake_pbufs_live, 0);
    assert_int_equal(fake_kmalloc_live, 0);
    fake_write_fail_all = false;
    return 0;
}

static void assert_echoed(struct peer *peer, size_t bytes)
{
    size_t len;
    const char *got = peer_received(peer, &len);

    assert_int_equal(len, bytes);
    assert_memory_equal(got, text, bytes);
    assert_int_equal(peer_window_closed_by(peer), 0);
}

static void leave(struct peer *peer)
{
    peer_fin(peer);
    peer_ack_all(peer);
    assert_true(peer_app_done(peer));
    assert_true(peer_got_fin(peer));
    assert_false(peer_got_reset(peer));
    peer_free(peer);
}

static void test_echo(void **state)
{
    struct peer *peer = peer_connect(65536);

    (void)state;
    fake_copied = 0;
    peer_send(peer, text, 5, 1);
    peer_ack_all(peer);
    peer_send(peer, text + 5, 3000, 3);
    peer_ack_all(peer);
    assert_echoed(peer, 3005);
    assert_int_equal(fake_copied, 0);
    leave(peer);
}

/* Not acknowledged: the buffers are kept, the window stays closed, and that is bounded. */
static void test_backpressure(void **state)
{
    struct peer *peer = peer_connect(1000);
    size_t sent = 0;

    (void)state;
    for (; sent < 20 * 100; sent += 100)
        peer_send(peer, text + sent, 100, 1);
    assert_int_equal(peer_window_closed_by(peer), 2000);
    assert_int_equal(fake_pbufs_live, 20);
    for (; sent < sizeof(text); sent += 100) {
        peer_send(peer, text + sent, 100, 1); /* acknowledges when it must */
        assert_true(fake_pbufs_live <= 258);  /* 256, one refused, one on its way */
    }
    peer_ack_all(peer);
    assert_echoed(peer, sent);
    leave(peer);
}

/* All connections together leave the NIC enough to receive acknowledgements with. */
static void test_bound_of_all(void **state)
{
    struct peer *peers[5];

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(peers); i++) {
        peers[i] = peer_connect(100);
        for (unsigned n = 0; n < 200 && fake_pbufs_live < 768; n++)
            peer_send(peers[i], text, 1, 1);
    }
    assert_int_equal(fake_pbufs_live, 768);
    peer_send(peers[4], text, 1, 1);
    assert_int_equal(peer_in_flight(peers[4]), 0); /* refused: lwIP holds it, nothing is echoed */
    for (unsigned i = 0; i < ARRAY_SIZE(peers); i++) {
        peer_reset(peers[i]);
        peer_free(peers[i]);
    }
}

static void test_half_close(void **state)
{
    struct peer *peer = peer_connect(1500);

    (void)state;
    peer_send(peer, text, 4000, 3);
    peer_fin(peer);
    assert_false(peer_app_done(peer));
    peer_ack_all(peer);
    assert_echoed(peer, 4000);
    assert_true(peer_app_done(peer));
    leave(peer);
}

static void test_memory_short(void **state)
{
    struct peer *peer = peer_connect(65536);

    (void)state;
    fake_write_fail_all = true;
    peer_send(peer, text, 1460, 1);
    assert_int_equal(peer_in_flight(peer), 0);
    fake_write_fail_all = false;
    peer_poll(peer);
    peer_ack_all(peer);
    assert_echoed(peer, 1460);
    leave(peer);

    fake_kmalloc_fail_in = 1;
    peer = peer_connect(65536);
    assert_true(peer_got_reset(peer));
    peer_free(peer);
}

static void test_reset(void **state)
{
    struct peer *peer = peer_connect(100);

    (void)state;
    peer_send(peer, text, 1460, 2);
    peer_reset(peer);
    peer_free(peer);
}

static void test_random(void **state)
{
    unsigned seed = 7;

    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        struct peer *peer = peer_connect(1460 + (unsigned)rand_r(&seed) % 3000);
        size_t sent = 0;

        while (sent < 20000) {
            size_t n = 1 + (size_t)rand_r(&seed) % 1460;

            fake_write_fail_all = rand_r(&seed) % 4 == 0;
            peer_send(peer, text + sent, n, (unsigned)rand_r(&seed) % 4);
            fake_write_fail_all = false;
            peer_ack(peer, (size_t)rand_r(&seed) % 2000);
            peer_poll(peer);
            sent += n;
        }
        peer_ack_all(peer);
        assert_echoed(peer, sent);
        leave(peer);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_teardown(f, end)
    const struct CMUnitTest tests[] = {
        TEST(test_echo),       TEST(test_backpressure), TEST(test_bound_of_all),
        TEST(test_half_close), TEST(test_memory_short), TEST(test_reset),
        TEST(test_random),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
