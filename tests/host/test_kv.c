/* The key-value store: memcached's protocol, on the real map. */
#include "fakes.h"
#include "kv/kv_proto.h"
#include "kv/kv_store.h"
#include <kernel/lib.h>
#include <kernel/rand.h>
#include <kernel/time.h>
#include <net/bpf_map.h>
#include <net/xsk.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct kv_counts counts;
static uint64_t unix_s;

void rand_bytes(void *out, size_t len)
{
    memset(out, 0x5a, len);
}

bool bpf_ifindex_known(uint32_t ifindex)
{
    (void)ifindex;
    return false;
}

bool xsk_is_open(uint32_t id)
{
    (void)id;
    return false;
}

uint64_t time_unix(void)
{
    return unix_s;
}

static int setup(void **state)
{
    const char *why = NULL;

    (void)state;
    fake_time_ns = 1000 * NS_PER_SEC;
    unix_s = 0;
    if (!kv_store_open(&why))
        return -1;
    kv_store_flush();
    counts = (struct kv_counts){ 0 };
    return 0;
}

/* The answer's text in a static buffer; NULL: no answer. The request is its own allocation's end,
 * so that ASan sees what is read beyond it. */
static const char *say_bytes(const char *text, size_t len)
{
    static uint8_t reply[KV_REPLY_MAX + 1];
    uint8_t *request = test_malloc(KV_HEADER_BYTES + len);
    size_t n;

    memcpy(request, "\x12\x34\0\0\0\1\0\0", KV_HEADER_BYTES);
    memcpy(request + KV_HEADER_BYTES, text, len);
    n = kv_answer(request, KV_HEADER_BYTES + len, reply, &counts);
    test_free(request);
    if (n == 0)
        return NULL;
    assert_in_range(n, KV_HEADER_BYTES, KV_REPLY_MAX);
    assert_memory_equal(reply, "\x12\x34\0\0\0\1\0\0", KV_HEADER_BYTES);
    reply[n] = '\0';
    return (const char *)reply + KV_HEADER_BYTES;
}

static const char *say(const char *text)
{
    return say_bytes(text, strlen(text));
}

static void test_set_and_get(void **state)
{
    (void)state;
    assert_string_equal(say("set a 7 0 5\r\nhello\r\n"), "STORED\r\n");
    assert_string_equal(say("get a\r\n"), "VALUE a 7 5\r\nhello\r\nEND\r\n");
    assert_string_equal(say("get a\n"), "VALUE a 7 5\r\nhello\r\nEND\r\n");
    assert_string_equal(say("get b\r\n"), "END\r\n");
    assert_string_equal(say("get b  a b\r\n"), "VALUE a 7 5\r\nhello\r\nEND\r\n");
    assert_string_equal(say("set a 0 0 0\r\n\r\n"), "STORED\r\n");
    assert_string_equal(say("get a\r\n"), "VALUE a 0 0\r\n\r\nEND\r\n");
    assert_int_equal(counts.gets, 7);
    assert_int_equal(counts.hits, 4);
    assert_int_equal(counts.misses, 3);
    assert_int_equal(kv_store_entries(), 1);
}

static void test_conditions(void **state)
{
    (void)state;
    assert_string_equal(say("replace a 0 0 1\r\n1\r\n"), "NOT_STORED\r\n");
    assert_string_equal(say("add a 0 0 1\r\n2\r\n"), "STORED\r\n");
    assert_string_equal(say("add a 0 0 1\r\n3\r\n"), "NOT_STORED\r\n");
    assert_string_equal(say("replace a 0 0 1\r\n4\r\n"), "STORED\r\n");
    assert_string_equal(say("get a\r\n"), "VALUE a 0 1\r\n4\r\nEND\r\n");
    assert_string_equal(say("delete a\r\n"), "DELETED\r\n");
    assert_string_equal(say("delete a\r\n"), "NOT_FOUND\r\n");
    assert_string_equal(say("version\r\n"), "VERSION Tophalf\r\n");
    say("set a 0 0 1\r\n1\r\n");
    assert_string_equal(say("flush_all\r\n"), "OK\r\n");
    assert_int_equal(kv_store_entries(), 0);
}

static void test_expiry(void **state)
{
    (void)state;
    say("set gone 0 -1 1\r\n1\r\n");
    say("set soon 0 10 1\r\n1\r\n");
    assert_string_equal(say("get gone\r\n"), "END\r\n");
    fake_time_ns += 10 * NS_PER_SEC - 1;
    assert_string_equal(say("get soon\r\n"), "VALUE soon 0 1\r\n1\r\nEND\r\n");
    fake_time_ns++;
    assert_string_equal(say("get soon\r\n"), "END\r\n");
    assert_string_equal(say("replace soon 0 0 1\r\n1\r\n"), "NOT_STORED\r\n");
    unix_s = 1700000000; /* beyond 30 days: since 1970 */
    say("set a 0 1700000005 1\r\n1\r\n");
    say("set b 0 1699999999 1\r\n1\r\n");
    assert_string_equal(say("get b\r\n"), "END\r\n");
    assert_string_equal(say("get a\r\n"), "VALUE a 0 1\r\n1\r\nEND\r\n");
    fake_time_ns += 5 * NS_PER_SEC;
    assert_string_equal(say("get a\r\n"), "END\r\n");
    /* 2^64 ns from now is as good as never, and not now */
    say("set a 0 20146744073 1\r\n1\r\n");
    fake_time_ns += 365 * 86400 * NS_PER_SEC;
    assert_string_equal(say("get a\r\n"), "VALUE a 0 1\r\n1\r\nEND\r\n");
    say("set a 0 9223372036854775807 1\r\n1\r\n");
    assert_string_equal(say("get a\r\n"), "VALUE a 0 1\r\n1\r\nEND\r\n");
}

/* The map is not only ours: the console, HTTP and programs write what they like. */
static void test_values_of_others(void **state)
{
    struct bpf_map *map = bpf_map_by_name("kv_store");
    struct kv_value value = { .len = KV_VALUE_MAX + 1 };
    struct kv_key key = { "a" };

    (void)state;
    assert_int_equal(bpf_map_write(map, &key, &value, BPF_ANY), 0);
    assert_string_equal(say("get a\r\n"), "END\r\n");
    value.len = UINT32_MAX;
    assert_int_equal(bpf_map_write(map, &key, &value, BPF_ANY), 0);
    assert_string_equal(say("get a\r\n"), "END\r\n");
    assert_string_equal(say("add a 0 0 1\r\n2\r\n"), "STORED\r\n");
    assert_string_equal(say("get a\r\n"), "VALUE a 0 1\r\n2\r\nEND\r\n");
}

static void test_noreply(void **state)
{
    (void)state;
    assert_null(say("set a 0 0 1 noreply\r\n1\r\n"));
    assert_null(say("delete a noreply\r\n"));
    assert_null(say("set noreply 0 0 1 noreply\r\n1\r\n"));
    assert_string_equal(say("get noreply\r\n"), "VALUE noreply 0 1\r\n1\r\nEND\r\n");
    assert_string_equal(say("delete noreply\r\n"), "DELETED\r\n"); /* the key of that name */
    assert_null(say("flush_all noreply\r\n"));
}

static void test_sizes(void **state)
{
    char line[1600], key[KV_KEY_MAX + 2];
    const char *answer;

    (void)state;
    memset(key, 'k', sizeof(key));
    key[KV_KEY_MAX] = '\0';
    snprintf(line, sizeof(line), "set %s 0 0 1\r\n1\r\n", key);
    assert_string_equal(say(line), "STORED\r\n");
    key[KV_KEY_MAX] = 'k';
    key[KV_KEY_MAX + 1] = '\0';
    for (unsigned i = 0; i < 3; i++) {
        snprintf(line, sizeof(line), i == 0 ? "set %s 0 0 1\r\n1\r\n" : "%s %s\r\n",
                 i == 0   ? key
                 : i == 1 ? "get"
                          : "delete",
                 key);
        assert_string_equal(say(line), "CLIENT_ERROR bad command line format\r\n");
    }
    snprintf(line, sizeof(line), "set big 1 0 %u\r\n%0*d\r\n", KV_VALUE_MAX, (int)KV_VALUE_MAX, 5);
    assert_string_equal(say(line), "STORED\r\n");
    answer = say("get big\r\n");
    assert_int_equal(strlen(answer), strlen("VALUE big 1 512\r\n\r\nEND\r\n") + KV_VALUE_MAX);
    assert_non_null(say("get big big\r\n"));
    assert_string_equal(say("get big big big\r\n"),
                        "SERVER_ERROR answer is larger than a datagram\r\n");
    snprintf(line, sizeof(line), "set big 1 0 %u\r\n%0*d\r\n", KV_VALUE_MAX + 1,
             (int)KV_VALUE_MAX + 1, 5);
    assert_string_equal(say(line), "SERVER_ERROR object too large for cache\r\n");
}

static void test_refused(void **state)
{
    static const char *const lines[][2] = {
        { "\r\n", "ERROR\r\n" },
        { "", "ERROR\r\n" },
        { "get", "ERROR\r\n" },
        { "get\r\n", "ERROR\r\n" },
        { "gets a\r\n", "ERROR\r\n" },
        { "set a 0 0\r\n", "ERROR\r\n" },
        { "delete\r\n", "ERROR\r\n" },
        { "set a x 0 1\r\n1\r\n", "CLIENT_ERROR bad command line format\r\n" },
        { "set a 0 - 1\r\n1\r\n", "CLIENT_ERROR bad command line format\r\n" },
        { "set a 0 0 18446744073709551616\r\n", "CLIENT_ERROR bad command line format\r\n" },
        { "set a 0 9223372036854775808 1\r\n1\r\n", "CLIENT_ERROR bad command line format\r\n" },
        { "set a 0 0 5\r\n1234\r\n", "CLIENT_ERROR bad data chunk\r\n" },
        { "set a 0 0 3\r\n1234\r\n", "CLIENT_ERROR bad data chunk\r\n" },
        { "set a 0 0 4294967295\r\n1", "SERVER_ERROR object too large for cache\r\n" },
        { "set a 0 0 1\r\n", "CLIENT_ERROR bad data chunk\r\n" },
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(lines); i++)
        if (lines[i][0][0] != '\0')
            assert_string_equal(say(lines[i][0]), lines[i][1]);
    assert_int_equal(counts.errors, ARRAY_SIZE(lines) - 1);
    assert_int_equal(kv_store_entries(), 0);
}

static void test_headers(void **state)
{
    static const uint8_t not_ours[][9] = {
        { 1, 2, 0, 1, 0, 1, 0, 0, '\n' }, /* its second datagram */
        { 1, 2, 0, 0, 0, 2, 0, 0, '\n' }, /* of two */
    };
    uint8_t reply[KV_REPLY_MAX];

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(not_ours); i++)
        assert_int_equal(kv_answer(not_ours[i], 9, reply, &counts), 0);
    for (size_t len = 0; len <= KV_HEADER_BYTES; len++)
        assert_int_equal(kv_answer((const uint8_t *)"\1\2\0\0\0\1\0\0", len, reply, &counts), 0);
    assert_int_equal(counts.bad_datagrams, 2 + 9);
}

static void test_full(void **state)
{
    char line[64];

    (void)state;
    for (unsigned i = 0; i < KV_ENTRIES_MAX + 100; i++) {
        snprintf(line, sizeof(line), "set key%u 0 0 1\r\n1\r\n", i);
        assert_string_equal(say(line), "STORED\r\n");
        assert_string_equal(say("set used 0 0 1\r\n2\r\n"), "STORED\r\n");
    }
    assert_true(kv_store_entries() <= KV_ENTRIES_MAX);
    assert_string_equal(say("get used\r\n"), "VALUE used 0 1\r\n2\r\nEND\r\n");
    snprintf(line, sizeof(line), "get key%u\r\n", KV_ENTRIES_MAX + 99);
    assert_int_equal(strncmp(say(line), "VALUE key", 9), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_set_and_get, setup),
        cmocka_unit_test_setup(test_conditions, setup),
        cmocka_unit_test_setup(test_expiry, setup),
        cmocka_unit_test_setup(test_values_of_others, setup),
        cmocka_unit_test_setup(test_noreply, setup),
        cmocka_unit_test_setup(test_sizes, setup),
        cmocka_unit_test_setup(test_refused, setup),
        cmocka_unit_test_setup(test_headers, setup),
        cmocka_unit_test_setup(test_full, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
