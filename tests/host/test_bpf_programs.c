/*
 * Compiled objects through all of it: loader, verifier, compiler, interpreter, maps and helpers.
 * Those of tests/bpf/objects are taken; those of apps/xdp do what their headers say, by frames made
 * here, each of which is run by interpreter and by compiled code, whichever is on.
 */
#include "../../apps/xdp/kv.h"
#include "../../net/bpf/events.h"
#include "../../net/bpf/object.h"
#include "fakes.h"
#include <net/bpf_text.h>
#include <kernel/softirq.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define HEADROOM 256
#define FRAME    2048

static char text[1 << 16];
static struct bpf_object object;
static uint8_t buffer[FRAME];
static struct xdp_buff xdp;

void softirq_disable(void) {}
void softirq_enable(void) {}

static const char *const compilers[] = { "14", "19", "v4" };

static void load(const char *name, const char *compiler)
{
    struct bpf_log log = { .text = text, .size = sizeof(text) };
    static uint8_t data[1 << 17];
    char path[256];
    size_t bytes;
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s-%s.o", BPF_OBJECTS, name, compiler);
    f = fopen(path, "rb");
    assert_non_null(f);
    bytes = fread(data, 1, sizeof(data), f);
    fclose(f);
    text[0] = '\0';
    if (!bpf_object_load(&object, data, bytes, "test.o", &log))
        fail_msg("%s: %s", path, text);
    for (unsigned i = 0; i < object.prog_count; i++)
        assert_non_null(object.progs[i]->entry); /* compiled too */
    fake_time_ns = 1000000000;
}

static void put(void)
{
    bpf_object_put(&object);
    assert_null(bpf_prog_at(0));
    assert_null(bpf_map_at(0));
}

static struct bpf_map *map_named(const char *name)
{
    struct bpf_map *map = bpf_map_by_name(name);

    assert_non_null(map);
    return map;
}

static void map_set(const char *name, const void *key, const void *value)
{
    assert_int_equal(bpf_map_write(map_named(name), key, value, BPF_ANY), 0);
}

/* A counter's packets. */
static uint64_t counted(const char *name, uint32_t index)
{
    uint64_t counter[2];

    assert_int_equal(bpf_map_read(map_named(name), &index, counter), 0);
    return counter[0];
}

/* ---------------------------------------------------------------- frames */

static const uint8_t macs[12] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 }; /* to, from */
static const uint8_t client6[16] = { 0xfd, [15] = 9 }, server6[16] = { 0xfd, [15] = 1 };

static uint8_t *put16(uint8_t *at, unsigned v)
{
    at[0] = (uint8_t)(v >> 8);
    at[1] = (uint8_t)v;
    return at + 2;
}

static unsigned get16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static uint8_t *begin(unsigned type)
{
    memset(buffer, 0xee, sizeof(buffer));
    memcpy(buffer + HEADROOM, macs, 12);
    return put16(buffer + HEADROOM + 12, type);
}

static void finish(uint8_t *end)
{
    xdp = (struct xdp_buff){ .data = buffer + HEADROOM,
                             .data_end = end,
                             .data_meta = buffer + HEADROOM,
                             .hard_start = buffer,
                             .hard_end = buffer + sizeof(buffer),
                             .ingress_ifindex = 1 };
}

static uint8_t *add_ipv4(uint8_t *at, uint32_t source, unsigned protocol, unsigned bytes)
{
    memset(at, 0, 20);
    at[0] = 0x45;
    put16(at + 2, 20 + bytes);
    at[8] = 61;
    at[9] = (uint8_t)protocol;
    put16(put16(at + 12, source >> 16), source & 0xffff);
    put16(put16(at + 16, 0x0a00), 0x0264); /* 10.0.2.100 */
    return at + 20;
}

static uint8_t *add_ipv6(uint8_t *at, unsigned protocol, unsigned bytes)
{
    memset(at, 0, 40);
    at[0] = 0x60;
    put16(at + 4, bytes);
    at[6] = (uint8_t)protocol;
    at[7] = 61;
    memcpy(at + 8, client6, 16);
    memcpy(at + 24, server6, 16);
    return at + 40;
}

static uint8_t *add_udp(uint8_t *at, unsigned from, unsigned to, const void *data, unsigned bytes)
{
    put16(put16(put16(put16(at, from), to), 8 + bytes), 0x1234);
    memcpy(at + 8, data, bytes);
    return at + 8 + bytes;
}

static uint8_t *add_tcp(uint8_t *at, unsigned from, unsigned to, uint32_t seq, unsigned flags)
{
    memset(at, 0, 20);
    put16(put16(put16(put16(at, from), to), seq >> 16), seq & 0xffff);
    at[12] = 0x50;
    at[13] = (uint8_t)flags;
    return at + 20;
}

static enum xdp_action run(void)
{
    return (enum xdp_action)bpf_prog_run(object.progs[0], &xdp);
}

static enum xdp_action run_ipv4(uint32_t source)
{
    finish(add_udp(add_ipv4(begin(0x0800), source, 17, 12), 5, 6, "data", 4));
    return run();
}

static enum xdp_action run_ipv6(void)
{
    finish(add_udp(add_ipv6(begin(0x86dd), 17, 12), 5, 6, "data", 4));
    return run();
}

static enum xdp_action run_tcp(uint32_t source, unsigned port, uint32_t seq, unsigned flags)
{
    finish(add_tcp(add_ipv4(begin(0x0800), source, 6, 20), port, 80, seq, flags));
    return run();
}

/* The one's complement sum of it, 0xffff where its checksum is right. */
static unsigned sum(const uint8_t *at, size_t bytes, unsigned seed)
{
    for (size_t i = 0; i < bytes; i++)
        seed += i % 2 == 0 ? (unsigned)at[i] << 8 : at[i];
    while (seed > 0xffff)
        seed = (seed & 0xffff) + (seed >> 16);
    return seed;
}

/* ---------------------------------------------------------------- what is taken */

static void test_taken(void **state)
{
    static const char *const names[] = { "globals",       "calls",   "maps",
                                         "tails",         "legacy",  "core",
                                         "apps/firewall", "apps/lb", "apps/synflood",
                                         "apps/sampler",  "apps/kv" };

    (void)state;
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        for (unsigned c = 0; c < 3; c++) {
            load(names[i], compilers[c]);
            put();
        }
}

/* ---------------------------------------------------------------- their headers */

static void parse(struct bpf_text_kind kind, char **words, unsigned count, uint8_t *out)
{
    char why[BPF_TEXT_WHY_MAX] = "";

    if (!bpf_text_parse(&kind, words, count, out, why))
        fail_msg("%s %s: %s", kind.what, words[0], why);
}

/* " *     map update NAME key ... value ..." or "... delete NAME key ...", as the console has it.
 */
static void obey(char *line)
{
    uint8_t key[BPF_KEY_MAX], value[BPF_KEY_MAX];
    unsigned count = 0, keys = 0;
    struct bpf_map *map;
    char *words[64];

    for (char *word = strtok(line, " *\n"); word != NULL; word = strtok(NULL, " *\n"))
        words[count++] = word;
    assert_true(count > 4);
    map = map_named(words[2]);
    while (4 + keys < count && strcmp(words[4 + keys], "value") != 0)
        keys++;
    parse(
        (struct bpf_text_kind){ "key", map->def.key_size, map->def.type == BPF_MAP_TYPE_LPM_TRIE },
        words + 4, keys, key);
    if (strcmp(words[1], "delete") == 0) {
        assert_int_equal(bpf_map_remove(map, key), 0);
        return;
    }
    assert_true(4 + keys + 1 < count);
    parse((struct bpf_text_kind){ "value", map->def.value_size, false }, words + 4 + keys + 1,
          count - 4 - keys - 1, value);
    assert_int_equal(bpf_map_write(map, key, value, BPF_ANY), 0);
}

/* What they tell the reader to type is understood. */
static void test_headers(void **state)
{
    static const char *const names[] = { "firewall", "lb", "synflood", "sampler" };
    static const unsigned wanted[] = { 5, 3, 2, 1 };
    char path[64], line[256];
    unsigned obeyed;
    FILE *f;

    (void)state;
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "apps/%s", names[i]);
        load(path, "14");
        snprintf(path, sizeof(path), "apps/xdp/%s.bpf.c", names[i]);
        f = fopen(path, "r");
        assert_non_null(f);
        for (obeyed = 0; fgets(line, sizeof(line), f) != NULL;) {
            if (strstr(line, " map update ") != NULL || strstr(line, " map delete ") != NULL) {
                obey(line);
                obeyed++;
            }
        }
        fclose(f);
        assert_int_equal(obeyed, wanted[i]);
        put();
    }
}

/* ---------------------------------------------------------------- firewall */

#define IPV4(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

static void rule4(uint32_t bits, uint32_t address, uint32_t verdict)
{
    uint8_t key[8];

    memcpy(key, &bits, 4);
    put16(put16(key + 4, address >> 16), address & 0xffff);
    map_set("rules4", key, &verdict);
}

static void check_firewall(void)
{
    const uint64_t limit[3] = { 1000000, 2000000, 0 }, drop[3] = { 0, 0, 1 };
    const uint32_t first = 0, deny = 1;
    uint8_t key6[20] = { 16, 0, 0, 0, 0xfd };
    unsigned passed = 0;

    assert_int_equal(run_ipv4(IPV4(10, 1, 2, 3)), XDP_PASS);
    rule4(24, IPV4(10, 1, 2, 0), XDP_DROP); /* from the next packet on */
    rule4(32, IPV4(10, 1, 2, 9), XDP_PASS);
    assert_int_equal(run_ipv4(IPV4(10, 1, 2, 3)), XDP_DROP);
    assert_int_equal(run_ipv4(IPV4(10, 1, 3, 3)), XDP_PASS);
    assert_int_equal(run_ipv4(IPV4(10, 1, 2, 9)), XDP_PASS);
    assert_int_equal(run_ipv6(), XDP_PASS);
    map_set("rules6", key6, &deny);
    assert_int_equal(run_ipv6(), XDP_DROP);

    map_set("settings", &first, limit); /* 1000 a second, two ahead */
    for (unsigned i = 0; i < 10; i++)
        passed += run_ipv4(IPV4(10, 9, 9, 9)) == XDP_PASS;
    assert_int_equal(passed, 3);
    assert_int_equal(run_ipv4(IPV4(10, 9, 9, 8)), XDP_PASS); /* each has its own */
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(run_ipv4(IPV4(10, 1, 2, 9)), XDP_PASS); /* allowed: unlimited */
    fake_time_ns += 5000000;
    assert_int_equal(run_ipv4(IPV4(10, 9, 9, 9)), XDP_PASS);
    assert_int_equal(counted("counters", 3), 7);

    map_set("settings", &first, drop);
    assert_int_equal(run_ipv4(IPV4(10, 9, 9, 7)), XDP_DROP);
    assert_int_equal(run_ipv4(IPV4(10, 1, 2, 9)), XDP_PASS);
    finish(begin(0x0806) + 28); /* ARP */
    assert_int_equal(run(), XDP_PASS);
    finish(begin(0x0800) + 19); /* cut */
    assert_int_equal(run(), XDP_DROP);
    assert_int_equal(counted("counters", 1), 12);
    assert_int_equal(counted("counters", 2), 2);
    assert_int_equal(counted("counters", 4), 1);
    assert_int_equal(counted("counters", 5), 1);
    assert_int_equal(counted("counters", 6), 1);
}

/* A rule is about what is behind VLAN tags, too. */
static void check_firewall_vlan(void)
{
    uint8_t *at = begin(0x88a8);

    at = put16(put16(put16(put16(at, 5), 0x8100), 7), 0x0800);
    finish(add_udp(add_ipv4(at, IPV4(10, 1, 2, 3), 17, 12), 5, 6, "data", 4));
    assert_int_equal(run(), XDP_DROP);
}

/* By interpreter and by compiled code, from each compiler. */
static void each(const char *name, void (*check)(void))
{
    for (unsigned c = 0; c < 3; c++)
        for (unsigned jit = 0; jit < 2; jit++) {
            bpf_jit_enabled = jit == 1;
            load(name, compilers[c]);
            check();
            put();
        }
    bpf_jit_enabled = true;
}

static void firewall(void)
{
    check_firewall();
    check_firewall_vlan();
}

static void test_firewall(void **state)
{
    (void)state;
    each("apps/firewall", firewall);
}

/* ---------------------------------------------------------------- load balancer */

static void service(const uint8_t address[16], unsigned port, uint8_t protocol, uint32_t number)
{
    uint8_t key[20] = { 0 };

    memcpy(key, address, 16);
    put16(key + 16, port);
    key[18] = protocol;
    map_set("services", key, &number);
}

static unsigned balanced_to(uint32_t source, unsigned port)
{
    assert_int_equal(run_tcp(source, port, 1, 2), XDP_TX);
    assert_memory_equal(xdp.data + 6, macs, 6); /* from whom it was to */
    assert_memory_equal(xdp.data, "\2\0\0\0\1", 5);
    assert_int_equal(xdp.data_end - xdp.data, 54);
    return xdp.data[5];
}

static void check_lb(void)
{
    static const uint8_t address[16] = { [10] = 0xff, 0xff, 10, 0, 2, 100 };
    unsigned to[200], share[4] = { 0 }, moved = 0;
    const uint32_t up = 1, down = 0;

    assert_int_equal(run_tcp(IPV4(10, 0, 2, 2), 1000, 1, 2), XDP_PASS);
    service(address, 80, 6, 2);
    assert_int_equal(run_tcp(IPV4(10, 0, 2, 2), 1000, 1, 2), XDP_DROP); /* no backend is up */
    assert_int_equal(counted("counters", 64), 1);
    for (uint32_t slot = 0; slot < 251; slot++) {
        uint32_t key = 2 * 251 + slot, backend = 1 + slot % 3;

        map_set("table", &key, &backend);
    }
    for (uint32_t backend = 1; backend <= 3; backend++) {
        uint8_t mac[8] = { 2, 0, 0, 0, 1, (uint8_t)backend };

        map_set("backends", &backend, mac);
        map_set("health", &backend, &up);
    }
    for (unsigned i = 0; i < 200; i++) {
        to[i] = balanced_to(IPV4(10, 0, 3, i), 1000 + i);
        share[to[i]]++;
        assert_int_equal(balanced_to(IPV4(10, 0, 3, i), 1000 + i), to[i]); /* it stays there */
    }
    for (unsigned i = 1; i <= 3; i++)
        assert_in_range(share[i], 40, 95);
    map_set("health", &(uint32_t){ 2 }, &down);
    for (unsigned i = 0; i < 200; i++) {
        unsigned now = balanced_to(IPV4(10, 0, 3, i), 1000 + i);

        assert_int_not_equal(now, 2);
        assert_true(to[i] == 2 || now == to[i]); /* only its own have moved */
        moved += now != to[i];
    }
    assert_int_equal(moved, share[2]);
    assert_true(counted("counters", 1) > 80 && counted("counters", 3) > 80);

    finish(add_udp(add_ipv4(begin(0x0800), IPV4(10, 0, 2, 2), 17, 12), 5, 80, "data", 4));
    assert_int_equal(run(), XDP_PASS); /* of another protocol */
    finish(add_tcp(add_ipv4(begin(0x0800), IPV4(10, 0, 2, 2), 6, 20), 5, 80, 1, 2));
    xdp.data[20] = 0x20; /* more fragments */
    assert_int_equal(run(), XDP_PASS);
    service(server6, 80, 6, 2);
    finish(add_tcp(add_ipv6(begin(0x86dd), 6, 20), 5, 80, 1, 2));
    assert_int_equal(run(), XDP_TX);
}

static void test_lb(void **state)
{
    (void)state;
    each("apps/lb", check_lb);
}

/* ---------------------------------------------------------------- SYN filter */

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

static void check_synflood(void)
{
    /* One source: a SYN a second, one ahead. All unknown: ten a second, four ahead. */
    const uint64_t settings[6] = { 1000000000, 1000000000, 100000000, 400000000, 0, 0 };
    const uint32_t first = 0;
    const uint32_t source = IPV4(10, 0, 2, 2);
    unsigned passed = 0;

    assert_int_equal(run_tcp(source, 1000, 5, SYN), XDP_PASS);
    fake_time_ns += 1000000000;
    map_set("settings", &first, settings);
    for (unsigned i = 0; i < 10; i++)
        passed += run_tcp(source, 1000, 77, SYN) == XDP_PASS;
    assert_int_equal(passed, 2);
    assert_int_equal(counted("counters", 3), 8);
    passed = 0;
    for (unsigned i = 0; i < 10; i++)
        passed += run_tcp(IPV4(10, 0, 9, i), 1000, 77, SYN) == XDP_PASS;
    assert_int_equal(passed, 3); /* two of five are gone */
    assert_int_equal(counted("counters", 4), 7);

    /* What does not follow from the SYN proves nothing; the ACK behind it does. */
    assert_int_equal(run_tcp(source, 1000, 77, ACK), XDP_PASS);
    assert_int_equal(run_tcp(source, 1001, 78, ACK), XDP_PASS);
    assert_int_equal(run_tcp(source, 1000, 78, RST | ACK), XDP_PASS);
    assert_int_equal(counted("counters", 6), 0);
    assert_int_equal(run_tcp(source, 1000, 78, ACK), XDP_PASS);
    assert_int_equal(counted("counters", 6), 1);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(run_tcp(source, 2000 + i, i, SYN), XDP_PASS);
    assert_int_equal(counted("counters", 1), 20);
    assert_int_equal(run_ipv4(source), XDP_PASS);
    fake_time_ns += 1000000000;
    assert_int_equal(run_tcp(IPV4(10, 0, 9, 8), 1000, 77, SYN), XDP_PASS);
}

static void test_synflood(void **state)
{
    (void)state;
    each("apps/synflood", check_synflood);
}

/* ---------------------------------------------------------------- sampler */

static void check_sampler(void)
{
    const uint32_t first = 0, settings[2] = { 4, 20 };
    struct bpf_event event;
    uint8_t sample[152];
    uint32_t words[4];
    unsigned got = 0;

    assert_int_equal(run_ipv4(IPV4(10, 0, 2, 2)), XDP_PASS);
    assert_false(bpf_events_read(map_named("samples"), sample, sizeof(sample), &event));
    map_set("settings", &first, settings);
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(run_ipv4(IPV4(10, 0, 2, 2)), XDP_PASS);
    while (bpf_events_read(map_named("samples"), sample, sizeof(sample), &event)) {
        got++;
        assert_int_equal(event.bytes, sizeof(sample));
        memcpy(words, sample + 8, sizeof(words));
        assert_int_equal(words[0], 46);
        assert_int_equal(words[1], 20);
        assert_int_equal(words[2], 1);
        assert_memory_equal(sample + 24, xdp.data, 20);
        assert_int_equal(sample[24 + 20], 0);
    }
    assert_int_equal(got, 10);
    assert_int_equal(counted("counters", 0), 41);
    assert_int_equal(counted("counters", 1), 10);
    for (unsigned i = 0; i < 4000; i++)
        run_ipv4(IPV4(10, 0, 2, 2));
    assert_true(counted("counters", 2) > 0); /* nobody reads: lost, and counted */
}

static void test_sampler(void **state)
{
    (void)state;
    each("apps/sampler", check_sampler);
}

/* ---------------------------------------------------------------- key-value store */

static void store(const char *key, uint64_t expires_ns, uint32_t flags, unsigned bytes)
{
    static struct kv_value value;
    struct kv_key k = { 0 };

    memset(&value, 0, sizeof(value));
    memcpy(k.bytes, key, strlen(key));
    value.expires_ns = expires_ns;
    value.flags = flags;
    value.len = bytes;
    for (unsigned i = 0; i < bytes; i++)
        value.data[i] = (uint8_t)(i * 7 + 1);
    map_set("kv_store", &k, &value);
}

static enum xdp_action ask(bool v6, const char *command, const char *header)
{
    unsigned bytes = 8 + (unsigned)strlen(command);
    uint8_t data[256];

    memcpy(data, header, 8);
    memcpy(data + 8, command, bytes - 8);
    finish(add_udp(v6 ? add_ipv6(begin(0x86dd), 17, bytes + 8)
                      : add_ipv4(begin(0x0800), IPV4(10, 0, 2, 2), 17, bytes + 8),
                   4321, KV_PORT, data, bytes));
    return run();
}

#define REQUEST "\x12\x34\0\0\0\1\0\0"

static void answered(bool v6, const char *key, uint32_t flags, unsigned bytes)
{
    char command[128], head[128];
    unsigned ip = v6 ? 40 : 20, udp_bytes, total;
    const uint8_t *at;

    snprintf(command, sizeof(command), "get %s\r\n", key);
    snprintf(head, sizeof(head), "VALUE %s %u %u\r\n", key, flags, bytes);
    assert_int_equal(ask(v6, command, REQUEST), XDP_TX);
    udp_bytes = 8 + 8 + (unsigned)strlen(head) + bytes + 7;
    total = 14 + ip + udp_bytes;
    assert_int_equal(xdp.data_end - xdp.data, total);
    assert_memory_equal(xdp.data, macs + 6, 6);
    assert_memory_equal(xdp.data + 6, macs, 6);
    at = xdp.data + 14;
    if (v6) {
        assert_int_equal(get16(at + 4), udp_bytes);
        assert_memory_equal(at + 8, server6, 16);
        assert_memory_equal(at + 24, client6, 16);
    } else {
        assert_int_equal(get16(at + 2), 20 + udp_bytes);
        assert_int_equal(sum(at, 20, 0), 0xffff);
        assert_memory_equal(at + 12, "\x0a\0\2\x64\x0a\0\2\2", 8);
    }
    at += ip;
    assert_int_equal(get16(at), KV_PORT);
    assert_int_equal(get16(at + 2), 4321);
    assert_int_equal(get16(at + 4), udp_bytes);
    assert_int_not_equal(get16(at + 6), 0);
    assert_int_equal(sum(at, udp_bytes, sum(v6 ? at - 32 : at - 8, v6 ? 32 : 8, 17 + udp_bytes)),
                     0xffff);
    assert_memory_equal(at + 8, REQUEST, 8);
    assert_memory_equal(at + 16, head, strlen(head));
    at += 16 + strlen(head);
    for (unsigned i = 0; i < bytes; i++)
        assert_int_equal(at[i], (uint8_t)(i * 7 + 1));
    assert_memory_equal(at + bytes, "\r\nEND\r\n", 7);
}

static void passed_up(const char *command, const char *header)
{
    uint8_t before[FRAME];
    size_t bytes;

    for (unsigned v6 = 0; v6 < 2; v6++) {
        assert_int_equal(ask(v6, command, header), XDP_PASS);
        bytes = (size_t)(xdp.data_end - xdp.data);
        assert_int_equal(bytes, 14 + (v6 ? 40 : 20) + 16 + strlen(command));
        memcpy(before, buffer, sizeof(before));
        run();
        assert_memory_equal(before, buffer, sizeof(before)); /* as it came */
    }
}

static void check_kv(void)
{
    static const char longest[] =
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    char command[128];

    for (unsigned v6 = 0; v6 < 2; v6++) {
        for (unsigned bytes = 0; bytes <= KV_VALUE_MAX; bytes += bytes < 12 ? 1 : 100) {
            store("key", 0, 0, bytes);
            answered(v6, "key", 0, bytes);
        }
        store("k", fake_time_ns + 1, 4294967295u, KV_VALUE_MAX);
        answered(v6, "k", 4294967295u, KV_VALUE_MAX);
        store(longest, 0, 1000000000, 512);
        answered(v6, longest, 1000000000, 512);
        store(longest, 0, 90, 9);
        answered(v6, longest, 90, 9);
    }
    passed_up("get nothing\r\n", REQUEST);
    passed_up("get key k\r\n", REQUEST);
    passed_up("get key\n", REQUEST);
    passed_up("get \r\n", REQUEST);
    passed_up("gets key\r\n", REQUEST);
    passed_up("set key 0 0 1\r\nx\r\n", REQUEST);
    passed_up("get key\r\n", "\x12\x34\0\1\0\1\0\0"); /* not the first */
    passed_up("get key\r\n", "\x12\x34\0\0\0\2\0\0"); /* not the only one */
    snprintf(command, sizeof(command), "get %s0\r\n", longest);
    passed_up(command, REQUEST);
    store("old", fake_time_ns, 0, 3);
    passed_up("get old\r\n", REQUEST);
    assert_true(counted("kv_counters", 0) > 30);
    assert_int_equal(counted("kv_counters", 1), 12);
    assert_true(counted("kv_counters", 2) > 10);
}

static void check_kv_cut(void)
{
    store("key", 0, 0, 5);
    assert_int_equal(ask(false, "get key\r\n", REQUEST), XDP_TX);
    for (unsigned cut = 1; cut < 14 + 20 + 16 + 9; cut++) { /* shorter than it says */
        ask(false, "get nothing\r\n", REQUEST);
        ask(false, "get key\r\n", REQUEST);
        finish(add_udp(add_ipv4(begin(0x0800), IPV4(10, 0, 2, 2), 17, 25), 4321, KV_PORT,
                       REQUEST "get key\r\n", 17) -
               cut);
        assert_int_equal(run(), XDP_PASS);
    }
    /* No room to grow: the app answers. */
    store("key", 0, 0, KV_VALUE_MAX);
    finish(add_udp(add_ipv4(begin(0x0800), IPV4(10, 0, 2, 2), 17, 25), 4321, KV_PORT,
                   REQUEST "get key\r\n", 17));
    xdp.hard_end = xdp.data_end + 100;
    assert_int_equal(run(), XDP_PASS);
    /* Padded, as short frames are on the wire. */
    finish(add_udp(add_ipv4(begin(0x0800), IPV4(10, 0, 2, 2), 17, 25), 4321, KV_PORT,
                   REQUEST "get key\r\n", 17) +
           30);
    assert_int_equal(run(), XDP_TX);
    assert_int_equal(xdp.data_end - xdp.data, 14 + 20 + 16 + 17 + KV_VALUE_MAX + 7);
}

static void kv(void)
{
    check_kv();
    check_kv_cut();
}

static void test_kv(void **state)
{
    (void)state;
    each("apps/kv", kv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken),    cmocka_unit_test(test_headers),
        cmocka_unit_test(test_firewall), cmocka_unit_test(test_lb),
        cmocka_unit_test(test_synflood), cmocka_unit_test(test_sampler),
        cmocka_unit_test(test_kv),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
