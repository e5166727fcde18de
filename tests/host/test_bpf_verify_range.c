/*
 * Ranges are sound: random registers, each made from a number that it holds, through random
 * operations, comparisons and widths; the number computed alongside must stay inside all five
 * descriptions. And some results that programs depend on are exact.
 */
#include "bpf_verify_rig.h"
#include "../../net/bpf/verify.h"

#define ROUNDS 400000u

static uint64_t seed = 0x9e3779b97f4a7c15;

static uint64_t next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* Numbers near where things happen */
static uint64_t number(void)
{
    static const uint64_t edges[] = { 0,
                                      0x7f,
                                      0x80,
                                      0xffff,
                                      0x7fffffff,
                                      0x80000000,
                                      0xffffffff,
                                      0x100000000,
                                      0x7fffffffffffffff,
                                      0x8000000000000000 };
    uint64_t n = next();

    switch (n % 4) {
    case 0:
        return edges[next() % 10] + next() % 5 - 2;
    case 1:
        return next() % 64;
    case 2:
        return -(next() % 64);
    default:
        return next() >> next() % 64;
    }
}

static bool holds(const struct verify_reg *r, uint64_t v)
{
    return (v & ~r->var.mask) == r->var.value && r->umin <= v && v <= r->umax &&
           r->smin <= (int64_t)v && (int64_t)v <= r->smax && r->u32_min <= (uint32_t)v &&
           (uint32_t)v <= r->u32_max && r->s32_min <= (int32_t)v && (int32_t)v <= r->s32_max;
}

/* Anything that holds v */
static struct verify_reg around(uint64_t v)
{
    struct verify_reg r;
    uint64_t w = number();

    verify_set_unknown(&r);
    if (next() % 4 == 0) {
        verify_set_const(&r, v);
        return r;
    }
    if (next() % 2) {
        r.umin = v < w ? v : w;
        r.umax = v < w ? w : v;
    }
    if (next() % 2) {
        int64_t s = (int64_t)number();
        r.smin = MIN((int64_t)v, s);
        r.smax = MAX((int64_t)v, s);
    }
    if (next() % 2) {
        r.u32_min = MIN((uint32_t)v, (uint32_t)w);
        r.u32_max = MAX((uint32_t)v, (uint32_t)w);
    }
    if (next() % 2) {
        int32_t s = (int32_t)number();
        r.s32_min = MIN((int32_t)v, s);
        r.s32_max = MAX((int32_t)v, s);
    }
    if (next() % 2) {
        r.var.mask = next() & next();
        r.var.value = v & ~r.var.mask;
    }
    verify_sync_bounds(&r);
    assert_true(holds(&r, v));
    return r;
}

static uint64_t compute(unsigned op, uint64_t a, uint64_t b, bool is64)
{
    uint32_t a32 = (uint32_t)a, b32 = (uint32_t)b;

    switch (op) {
    case BPF_ADD:
        return is64 ? a + b : a32 + b32;
    case BPF_SUB:
        return is64 ? a - b : a32 - b32;
    case BPF_MUL:
        return is64 ? a * b : a32 * b32;
    case BPF_AND:
        return is64 ? a & b : a32 & b32;
    case BPF_OR:
        return is64 ? a | b : a32 | b32;
    case BPF_XOR:
        return is64 ? a ^ b : a32 ^ b32;
    case BPF_LSH:
        return is64 ? a << (b & 63) : a32 << (b & 31);
    case BPF_RSH:
        return is64 ? a >> (b & 63) : a32 >> (b & 31);
    default:
        return is64 ? (uint64_t)((int64_t)a >> (b & 63)) : (uint32_t)((int32_t)a32 >> (b & 31));
    }
}

static void test_arithmetic(void **state)
{
    static const unsigned ops[] = { BPF_ADD, BPF_SUB, BPF_MUL, BPF_AND, BPF_OR,
                                    BPF_XOR, BPF_LSH, BPF_RSH, BPF_ARSH };

    (void)state;
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned op = ops[next() % 9];
        bool is64 = next() % 2;
        uint64_t a = number(), b = op >= BPF_LSH && op != BPF_XOR ? next() % 64 : number();
        struct verify_reg x = around(a), y = around(b);
        verify_scalar_op(&x, &y, op, is64);
        if (!holds(&x, compute(op, a, b, is64)))
            fail_msg("op %x, %u bits: %llx, %llx", op, is64 ? 64 : 32, (unsigned long long)a,
                     (unsigned long long)b);
    }
}

static bool compare(unsigned op, uint64_t a, uint64_t b, bool is32)
{
    int64_t x = is32 ? (int32_t)a : (int64_t)a, y = is32 ? (int32_t)b : (int64_t)b;

    a = is32 ? (uint32_t)a : a;
    b = is32 ? (uint32_t)b : b;
    switch (op) {
    case BPF_JEQ:
        return a == b;
    case BPF_JNE:
        return a != b;
    case BPF_JGT:
        return a > b;
    case BPF_JGE:
        return a >= b;
    case BPF_JLT:
        return a < b;
    case BPF_JLE:
        return a <= b;
    case BPF_JSGT:
        return x > y;
    case BPF_JSGE:
        return x >= y;
    case BPF_JSLT:
        return x < y;
    case BPF_JSLE:
        return x <= y;
    default:
        return (a & b) != 0;
    }
}

static void test_comparisons(void **state)
{
    static const unsigned ops[] = { BPF_JEQ,  BPF_JNE,  BPF_JGT,  BPF_JGE,  BPF_JLT, BPF_JLE,
                                    BPF_JSGT, BPF_JSGE, BPF_JSLT, BPF_JSLE, BPF_JSET };

    (void)state;
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned op = ops[next() % 11];
        bool is32 = next() % 2;
        uint64_t a = number(), b = next() % 3 ? number() : a;
        struct verify_reg x = around(a), y = around(b);
        bool is = compare(op, a, b, is32);
        int way = verify_scalars_decide(&x, &y, op, is32);
        assert_true(way < 0 || way == is);
        if (way >= 0)
            continue;
        verify_refine(&x, &y, is ? op : verify_reverse_op(op), is32);
        if (!holds(&x, a) || !holds(&y, b))
            fail_msg("op %x, %u bits: %llx, %llx", op, is32 ? 32 : 64, (unsigned long long)a,
                     (unsigned long long)b);
    }
}

static void test_widths(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t a = number();
        unsigned bytes = 1u << next() % 4, up = 64 - 8 * bytes;
        struct verify_reg x = around(a), y = x, z = x;
        verify_truncate(&x, bytes);
        assert_true(holds(&x, a << up >> up));
        verify_sign_extend(&y, bytes, false);
        assert_true(holds(&y, (uint64_t)((int64_t)(a << up) >> up)));
        verify_take_low32(&z);
        assert_true(holds(&z, (uint32_t)a));
        if (bytes <= 2) {
            struct verify_reg w = around(a);
            verify_sign_extend(&w, bytes, true);
            assert_true(holds(&w, (uint32_t)((int64_t)(a << up) >> up)));
        }
    }
}

static void test_what_programs_rely_on(void **state)
{
    struct verify_reg x, y;

    (void)state;
    verify_set_unknown(&x);
    verify_set_const(&y, 0x3c);
    verify_scalar_op(&x, &y, BPF_AND, true); /* a header's length */
    assert_int_equal(x.umax, 0x3c);
    assert_int_equal(x.smin, 0);
    verify_set_const(&y, 20);
    verify_scalar_op(&x, &y, BPF_ADD, true);
    assert_int_equal(x.umin, 20);
    assert_int_equal(x.umax, 0x3c + 20);
    verify_set_unknown(&x);
    verify_set_const(&y, 48);
    verify_scalar_op(&x, &y, BPF_RSH, true);
    assert_int_equal(x.umax, 0xffff);
    verify_set_unknown(&x);
    verify_set_const(&y, 10);
    verify_refine(&x, &y, BPF_JSLT, false);
    assert_int_equal(x.smax, 9);
    assert_int_equal(x.umax, UINT64_MAX); /* it may be negative */
    verify_set_const(&y, 0);
    verify_refine(&x, &y, BPF_JSGE, false);
    assert_int_equal(x.umax, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arithmetic),
        cmocka_unit_test(test_comparisons),
        cmocka_unit_test(test_widths),
        cmocka_unit_test(test_what_programs_rely_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
