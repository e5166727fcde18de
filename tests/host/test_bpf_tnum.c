/* Tristate numbers: every operation on every pair of small ones contains every result, and no
 * operation on known numbers makes anything unknown. */
#include "../../net/bpf/tnum.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define BITS  4u
#define COUNT (1u << BITS)

static bool has(struct tnum t, uint64_t v)
{
    return (v & ~t.mask) == t.value;
}

static uint64_t apply(unsigned op, uint64_t a, uint64_t b)
{
    switch (op) {
    case 0:
        return a + b;
    case 1:
        return a - b;
    case 2:
        return a * b;
    case 3:
        return a & b;
    case 4:
        return a | b;
    default:
        return a ^ b;
    }
}

static struct tnum apply_tnum(unsigned op, struct tnum a, struct tnum b)
{
    static struct tnum (*const ops[])(struct tnum, struct tnum) = { tnum_add, tnum_sub, tnum_mul,
                                                                    tnum_and, tnum_or,  tnum_xor };
    return ops[op](a, b);
}

/* All of them of BITS bits, moved up by `up` so that the top bits are met too */
#define ALL 81u /* each bit is one of three */
static struct tnum nth(unsigned n, unsigned up)
{
    struct tnum t = { 0, 0 };

    for (unsigned i = 0; i < BITS; i++, n /= 3) {
        t.value |= (uint64_t)(n % 3 == 1) << (up + i);
        t.mask |= (uint64_t)(n % 3 == 2) << (up + i);
    }
    return t;
}

static void check_members(unsigned op, struct tnum a, struct tnum b, unsigned up)
{
    struct tnum r = apply_tnum(op, a, b);

    assert_true((r.value & r.mask) == 0);
    if (a.mask == 0 && b.mask == 0)
        assert_true(r.mask == 0);
    for (uint64_t x = 0; x < COUNT; x++)
        for (uint64_t y = 0; y < COUNT; y++)
            if (has(a, x << up) && has(b, y << up))
                assert_true(has(r, apply(op, x << up, y << up)));
}

static void test_every_result_is_in(void **state)
{
    (void)state;
    for (unsigned op = 0; op < 6; op++)
        for (unsigned up = 0; up <= 60; up += 60)
            for (unsigned i = 0; i < ALL; i++)
                for (unsigned j = 0; j < ALL; j++)
                    check_members(op, nth(i, up), nth(j, up), up);
}

static void check_shifts(struct tnum t, struct tnum low, uint64_t x)
{
    uint64_t v = x << 60;
    int32_t v32 = (int32_t)(uint32_t)(x << 28);

    if (!has(t, v))
        return;
    for (unsigned n = 0; n < 64; n++) {
        assert_true(has(tnum_lshift(t, n), v << n));
        assert_true(has(tnum_rshift(t, n), v >> n));
        assert_true(has(tnum_arshift(t, n, 64), (uint64_t)((int64_t)v >> n)));
    }
    for (unsigned n = 0; n < 32; n++)
        assert_true(has(tnum_arshift(low, n, 32), (uint32_t)(v32 >> n)));
}

static void test_shifts(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ALL; i++)
        for (uint64_t x = 0; x < COUNT; x++)
            check_shifts(nth(i, 60), nth(i, 28), x);
}

static void test_range_holds_all_between(void **state)
{
    (void)state;
    for (uint64_t min = 0; min < 64; min++)
        for (uint64_t max = min; max < 64; max++) {
            struct tnum t = tnum_range(min, max);
            for (uint64_t v = min; v <= max; v++)
                assert_true(has(t, v));
            /* no more than the power of two that is needed */
            assert_true(t.mask < 64 && (t.mask >> 1) <= (min ^ max));
        }
    assert_true(tnum_range(0, ~0ull).mask == ~0ull);
    assert_true(tnum_range(7, 7).mask == 0);
}

static void check_pair(struct tnum a, struct tnum b)
{
    bool inside = true, common = false;

    for (uint64_t v = 0; v < COUNT; v++) {
        inside &= !has(b, v) || has(a, v);
        common |= has(a, v) && has(b, v);
    }
    assert_true(tnum_contains(a, b) == inside);
    for (uint64_t v = 0; common && v < COUNT; v++)
        assert_true(has(tnum_intersect(a, b), v) == (has(a, v) && has(b, v)));
}

static void test_intersection_and_containment(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ALL; i++)
        for (unsigned j = 0; j < ALL; j++)
            check_pair(nth(i, 0), nth(j, 0));
}

static void test_widths_and_order(void **state)
{
    struct tnum t = { 0x8180, 0x0f };

    (void)state;
    assert_true(tnum_cast(t, 1).value == 0x80 && tnum_cast(t, 1).mask == 0x0f);
    assert_true(tnum_cast(t, 8).value == 0x8180);
    assert_true(tnum_sign_extend(t, 1).value == 0xffffffffffffff80 &&
                tnum_sign_extend(t, 1).mask == 0x0f);
    assert_true(tnum_sign_extend((struct tnum){ 0, 0x80 }, 1).mask == 0xffffffffffffff80);
    assert_true(tnum_swap(t, 2).value == 0x8081 && tnum_swap(t, 2).mask == 0x0f00);
    assert_true(tnum_swap((struct tnum){ 1, 0 }, 8).value == 1ull << 56);
    assert_true(tnum_with_low32(tnum_unknown(), t).value == 0x8180 &&
                tnum_with_low32(tnum_unknown(), t).mask == 0xffffffff0000000f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_result_is_in),
        cmocka_unit_test(test_shifts),
        cmocka_unit_test(test_range_holds_all_between),
        cmocka_unit_test(test_intersection_and_containment),
        cmocka_unit_test(test_widths_and_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
