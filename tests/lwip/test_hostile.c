/*
 * Frames that lie: cut at every length, and damaged at random with and without right checksums.
 * The bytes behind each frame are poisoned, so ASan sees whoever believes a length.
 */
#include "stack_test.h"
#include <stdlib.h>

static struct packet hostile[32];
static unsigned hostile_count;

static struct packet *add_hostile(void)
{
    return &hostile[hostile_count++];
}

static void add_ip6(const uint8_t dst[16], unsigned next, const char *bytes, size_t len)
{
    make_ip6(add_hostile(), dst, next, (const uint8_t *)bytes, len);
}

/* One right frame of each kind that lwIP parses. */
static void make_hostile(const struct client *c)
{
    static const uint8_t all_nodes[16] = { 0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 };
    static const uint8_t options[] = { 2, 4,  5, 0xb4, 1, 3, 3, 7, 1, 1, 4, 2, 1, 1,
                                       8, 10, 0, 0,    0, 1, 0, 0, 0, 0, 0, 0, 0, 0 };
    struct tcp_fields syn = { .sport = 999,
                              .dport = 80,
                              .flags = SYN,
                              .window = 65000,
                              .seq = 5,
                              .options = options,
                              .options_len = sizeof(options) };
    struct tcp_fields data = { .sport = c->port,
                               .dport = 80,
                               .flags = PSH | ACK,
                               .window = 65000,
                               .seq = c->seq,
                               .ack = c->ack };
    uint8_t body[600] = { 0 };
    static char ra[16 + 32 + 8 + 8] = { (char)134, 0, 0, 0, 64, 0, 7, 8 };

    hostile_count = 0;
    make_arp_request(add_hostile(), OUR_IP);
    make_echo(add_hostile(), 1, 56);
    make_udp(add_hostile(), 67, 68, "a reply to a question that was never asked");
    make_udp(add_hostile(), 53, 4444, "nobody");
    make_tcp(add_hostile(), &syn, NULL, 0);
    make_tcp(add_hostile(), &data, "GET / HTTP/1.1\r\n\r\n", 18);
    data.flags = FIN | ACK;
    make_tcp(add_hostile(), &data, NULL, 0);
    data.flags = RST;
    make_tcp(add_hostile(), &data, NULL, 0);
    make_ip(add_hostile(), 1, body, 600, 5, 0x2000);
    make_ip(add_hostile(), 1, body, 600, 5, 0x2000 | 30);
    make_ip(add_hostile(), 1, body, 600, 5, 75);
    body[0] = 3; /* destination unreachable, with a header inside */
    memcpy(body + 8, hostile[4].data + 14, 60);
    make_ip(add_hostile(), 1, body, 68, 6, 0);
    make_ip(add_hostile(), 2, body, 8, 6, 0);  /* IGMP */
    make_ip(add_hostile(), 99, body, 8, 6, 0); /* unknown */
    make_echo6(add_hostile(), 1, 56);
    make_solicitation(add_hostile());
    memcpy(ra + 16, "\x03\x04\x40\xc0\0\1\0\0\0\1\0\0\0\0\0\0\x20\x01\x0d\xb8", 20); /* prefix */
    memcpy(ra + 48, "\x05\x01\0\0\0\0\5\0", 8);                                      /* MTU */
    memcpy(ra + 56, "\x01\x01\x02\0\0\0\0\1", 8);
    add_ip6(all_nodes, 58, ra, sizeof(ra));
    add_ip6(our_ip6, 58,
            "\x88\0\0\0\x60\0\0\0\xfe\x80\0\0\0\0\0\0\0\0\0\xff\xfe\0\0\1\2\1\2\0\0\0\0\1",
            32);                                                          /* advertisement */
    add_ip6(our_ip6, 58, "\x02\0\0\0\0\0\5\0\x60\0\0\0\0\0\x3a\xff", 16); /* packet too big */
    add_ip6(all_nodes, 0, "\x3a\0\5\2\0\0\1\0\x82\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            32);                                                      /* hop-by-hop, MLD query */
    add_ip6(our_ip6, 44, "\x3a\0\0\1\0\0\0\7\x80\0\0\0\0\0\0\0", 16); /* first fragment */
    add_ip6(our_ip6, 44, "\x3a\0\0\x08\0\0\0\7\x80\0\0\0\0\0\0\0", 16);
    add_ip6(our_ip6, 43, "\x3a\0\0\0\0\0\0\0\x80\0\0\0\0\0\0\0", 16); /* routing */
    add_ip6(our_ip6, 60, "\x3a\0\1\4\0\0\0\0\x80\0\0\0\0\0\0\0", 16); /* destination options */
    add_ip6(our_ip6, 6, "\x03\xe7\0\x50\0\0\0\5\0\0\0\0\x50\2\xff\xff\0\0\0\0", 20);
    add_ip6(our_ip6, 17, "\0\x35\x11\x5c\0\x0c\0\0abcd", 12);
    for (unsigned i = 0; i < hostile_count; i++)
        assert_true(hostile[i].len > 14);
}

static void test_frames_of_every_length(void **state)
{
    struct client c;
    struct packet k;

    (void)state;
    client_connect(&c, 40100);
    make_hostile(&c);
    for (unsigned i = 0; i < hostile_count; i++) {
        for (size_t len = 0; len <= hostile[i].len; len++) {
            k = hostile[i];
            k.len = len;
            input(&k); /* cut, but saying that it is whole */
            if (len > 18 && get16(k.data + 12) == ETH_IP4)
                put16(k.data + 16, (unsigned)(len - 14)); /* saying that it is short */
            if (len > 54 && get16(k.data + 12) == ETH_IP6)
                put16(k.data + 18, (unsigned)(len - 54));
            repair(&k);
            input(&k);
            fake_nic_clear();
        }
    }
}

/* Frames with a few bytes changed at random, half of them with right checksums again. */
static void test_damaged_frames(void **state)
{
    const char *rounds_text = getenv("STACK_FUZZ_ROUNDS");
    unsigned rounds = rounds_text != NULL && *rounds_text ? (unsigned)atoi(rounds_text) : 60000;
    struct client c;
    struct packet k;

    (void)state;
    srand(rounds_text != NULL ? (unsigned)rounds : 7);
    client_connect(&c, 40200);
    make_hostile(&c);
    for (unsigned i = 0; i < rounds; i++) {
        k = hostile[(unsigned)rand() % hostile_count];
        for (int n = 1 + rand() % 4; n > 0; n--)
            k.data[12 + (unsigned)rand() % (k.len - 12)] ^= (uint8_t)(1 << rand() % 8);
        if (rand() % 8 == 0)
            k.data[12 + (unsigned)rand() % (k.len - 12)] = (uint8_t)rand();
        if (rand() % 16 == 0)
            k.len -= (unsigned)rand() % k.len;
        if (rand() % 2 == 0)
            repair(&k);
        input(&k);
        fake_nic_clear();
        if (i % 64 == 0)
            fake_time_advance(100);
        if (app.pcb == NULL && i % 512 == 0) { /* a damaged RST or FIN got it */
            introduce_peer();
            fake_nic_clear();
            client_connect(&c, 42000 + (i / 512) % 20000);
            make_hostile(&c);
        }
    }
    fake_time_advance(2000);
    introduce_peer(); /* and it still works */
    fake_nic_clear();
    make_echo(&k, 9, 100);
    input(&k);
    assert_int_equal(last_sent()->data[34], 0);
}

int run_hostile_tests(void)
{
    const struct CMUnitTest tests[] = {
        STACK_TEST(test_frames_of_every_length),
        STACK_TEST(test_damaged_frames),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
