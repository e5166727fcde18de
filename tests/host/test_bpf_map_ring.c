/* ringbuf and perf_event_array: room as Linux counts it, wrapping, losses, what a reader gets. */
#include "fake_bpf.h"
#include "fakes.h"
#include "bpf/events.h"
#include "bpf/helper.h"
#include "bpf/xdp_buff.h"
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static uint64_t call(enum bpf_func_id id, uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4,
                     uint64_t r5)
{
    return bpf_helper_function(id)(r1, r2, r3, r4, r5);
}

static uint64_t reg(const void *p)
{
    return (uintptr_t)p;
}

static struct bpf_map *ringbuf(uint32_t bytes)
{
    return fake_bpf_map(BPF_MAP_TYPE_RINGBUF, 0, 0, bytes, 0);
}

static uint64_t query(struct bpf_map *map, uint64_t what)
{
    return call(BPF_FUNC_ringbuf_query, reg(map), what, 0, 0, 0);
}

static void test_refusals(void **state)
{
    (void)state;
    fake_bpf_map_refused(BPF_MAP_TYPE_RINGBUF, 4, 0, 4096, 0);
    fake_bpf_map_refused(BPF_MAP_TYPE_RINGBUF, 0, 4, 4096, 0);
    fake_bpf_map_refused(BPF_MAP_TYPE_RINGBUF, 0, 0, 2048, 0);
    fake_bpf_map_refused(BPF_MAP_TYPE_RINGBUF, 0, 0, 3 * 4096, 0);
    fake_bpf_map_refused(BPF_MAP_TYPE_RINGBUF, 0, 0, 4096, BPF_F_RDONLY);
    assert_string_equal(fake_bpf_map_refused(BPF_MAP_TYPE_RINGBUF, 0, 0, 4u << 20, 0),
                        "a ringbuf has at most 2 MiB");
    fake_bpf_map_refused(BPF_MAP_TYPE_RINGBUF, 0, 0, 1u << 31, 0);
    fake_bpf_map_refused(BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 8, 1, 0);
    fake_bpf_map_refused(BPF_MAP_TYPE_PERF_EVENT_ARRAY, 8, 4, 1, 0);
    assert_null(bpf_map_at(0));
}

static void test_control(void **state)
{
    struct bpf_map *map = ringbuf(4096);
    uint32_t x = 0;

    (void)state;
    assert_true(bpf_events_has(map));
    assert_int_equal(bpf_map_read(map, &x, &x), -BPF_ENOTSUPP);
    assert_int_equal(bpf_map_write(map, &x, &x, 0), -BPF_ENOTSUPP);
    assert_int_equal(bpf_map_remove(map, &x), -BPF_ENOTSUPP);
    assert_int_equal(bpf_map_next_key(map, NULL, &x), -BPF_ENOTSUPP);
    bpf_map_put(map);
    map = fake_bpf_map(BPF_MAP_TYPE_ARRAY, 4, 4, 1, 0);
    assert_false(bpf_events_has(map));
    bpf_map_put(map);
}

static void test_room(void **state)
{
    struct bpf_map *map = ringbuf(4096);
    struct bpf_event event;
    uint8_t buf[4096];
    void *p;

    (void)state;
    assert_false(bpf_events_read(map, buf, sizeof(buf), &event));
    /* 8 bytes of header, and one byte of the ring stays free: 4080 are the most */
    assert_int_equal(call(BPF_FUNC_ringbuf_reserve, reg(map), 4088, 0, 0, 0), 0);
    assert_int_equal(call(BPF_FUNC_ringbuf_reserve, reg(map), 16, 1, 0, 0), 0); /* flags */
    assert_int_equal(call(BPF_FUNC_ringbuf_reserve, reg(map), 1u << 30, 0, 0, 0), 0);
    p = (void *)call(BPF_FUNC_ringbuf_reserve, reg(map), 4080, 0, 0, 0);
    assert_non_null(p);
    memset(p, 0x5a, 4080);
    assert_int_equal(query(map, BPF_RB_AVAIL_DATA), 4088);
    assert_int_equal(query(map, BPF_RB_RING_SIZE), 4096);
    assert_int_equal(query(map, 9), 0);
    assert_false(bpf_events_read(map, buf, sizeof(buf), &event)); /* not submitted yet */
    call(BPF_FUNC_ringbuf_submit, reg(p), 0, 0, 0, 0);
    assert_int_equal(call(BPF_FUNC_ringbuf_output, reg(map), reg(buf), 1, 0, 0),
                     (uint64_t)-BPF_EAGAIN);
    assert_int_equal(call(BPF_FUNC_ringbuf_output, reg(map), reg(buf), 1, 4, 0),
                     (uint64_t)-BPF_EINVAL);

    memset(buf, 0, sizeof(buf));
    assert_true(bpf_events_read(map, buf, 100, &event)); /* cut for a small reader */
    assert_int_equal(event.bytes, 4080);
    assert_int_equal(event.lost, 3);
    assert_true(buf[99] == 0x5a && buf[100] == 0);
    assert_int_equal(query(map, BPF_RB_CONS_POS), 4088);
    assert_int_equal(query(map, BPF_RB_PROD_POS), 4088);
    assert_false(bpf_events_read(map, buf, sizeof(buf), &event));
    bpf_map_put(map);
}

/* Events of random lengths, some discarded, several reserved at once, read in bursts: what is read
 * is what was submitted, in order, and what did not fit is counted. The model is a list. */
static void test_wrap(void **state)
{
    enum { LIST = 4096 };
    static struct {
        uint32_t bytes;
        uint8_t fill;
    } list[LIST];
    struct bpf_map *map = ringbuf(4096);
    uint64_t put = 0, taken = 0, used = 0, lost = 0;
    struct bpf_event event;
    uint8_t buf[4096];

    (void)state;
    for (unsigned i = 0; i < 30000; i++) {
        uint64_t r = fake_bpf_random();
        uint32_t bytes = (uint32_t)(r >> 16) % (r % 16 == 0 ? 2000 : 300);
        uint64_t room = (bytes + 8 + 7) / 8 * 8;
        uint8_t *p = bpf_ring_reserve(map, bytes);

        assert_int_equal(p != NULL, used + room <= 4095);
        lost += p == NULL;
        if (p != NULL) {
            memset(p, (int)i, bytes);
            used += room;
            list[put % LIST].fill = (uint8_t)i;
            if (r >> 40 & 1) {
                bpf_ring_submit(p);
                list[put++ % LIST].bytes = bytes;
            } else {
                bpf_ring_discard(p);
            }
        }
        if (p != NULL && r >> 41 & 31)
            continue;
        while (bpf_events_read(map, buf, sizeof(buf), &event)) {
            assert_int_equal(event.bytes, list[taken % LIST].bytes);
            for (uint32_t b = 0; b < event.bytes; b++)
                assert_int_equal(buf[b], list[taken % LIST].fill);
            taken++;
        }
        assert_int_equal(event.lost, lost);
        assert_int_equal(taken, put);
        used = 0;
    }
    assert_true(put > 5000 && lost > 100);
    bpf_map_put(map);
}

static void test_perf(void **state)
{
    struct bpf_map *map = fake_bpf_map(BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 4, 4, 0);
    uint8_t frame[64], buf[128], data[6] = "hello";
    struct xdp_buff xdp = { .data = frame, .data_end = frame + 60, .data_meta = frame };
    const enum bpf_func_id out = BPF_FUNC_perf_event_output;
    struct bpf_event event;
    unsigned count = 0;

    (void)state;
    for (unsigned i = 0; i < sizeof(frame); i++)
        frame[i] = (uint8_t)i;
    assert_int_equal(call(out, reg(&xdp), reg(map), BPF_F_CURRENT_CPU, reg(data), 5), 0);
    assert_int_equal(call(out, reg(&xdp), reg(map), 60ull << 32, reg(data), 3), 0);
    assert_int_equal(call(out, reg(&xdp), reg(map), 0, reg(data), 0), 0);
    assert_int_equal(call(out, reg(&xdp), reg(map), 1, reg(data), 5), (uint64_t)-BPF_ENOENT);
    assert_int_equal(call(out, reg(&xdp), reg(map), 4, reg(data), 5), (uint64_t)-BPF_E2BIG);
    assert_int_equal(call(out, reg(&xdp), reg(map), 61ull << 32, reg(data), 5),
                     (uint64_t)-BPF_EFAULT);
    assert_int_equal(call(out, reg(&xdp), reg(map), 1ull << 52, reg(data), 5),
                     (uint64_t)-BPF_EINVAL);

    assert_true(bpf_events_read(map, buf, sizeof(buf), &event));
    assert_int_equal(event.bytes, 5);
    assert_memory_equal(buf, "hello", 5);
    assert_true(bpf_events_read(map, buf, sizeof(buf), &event));
    assert_int_equal(event.bytes, 63);
    assert_memory_equal(buf, "hel", 3);
    assert_memory_equal(buf + 3, frame, 60);
    assert_true(bpf_events_read(map, buf, sizeof(buf), &event));
    assert_int_equal(event.bytes, 0);
    assert_false(bpf_events_read(map, buf, sizeof(buf), &event));
    assert_int_equal(event.lost, 0);

    while (call(out, reg(&xdp), reg(map), 60ull << 32, reg(data), 4) == 0)
        assert_true(++count < 10000);
    assert_int_equal(call(out, reg(&xdp), reg(map), 60ull << 32, reg(data), 4),
                     (uint64_t)-BPF_ENOSPC);
    assert_int_equal(count, (BPF_PERF_RING_BYTES - 1) / 72);
    for (; bpf_events_read(map, buf, sizeof(buf), &event); count--)
        assert_int_equal(event.bytes, 64);
    assert_int_equal(count, 0);
    assert_int_equal(event.lost, 2);
    bpf_map_put(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_control),
        cmocka_unit_test(test_room),     cmocka_unit_test(test_wrap),
        cmocka_unit_test(test_perf),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
