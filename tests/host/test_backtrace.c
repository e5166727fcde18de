/* Backtraces: names of functions, chains of frames that are good, damaged or hostile. */
#include "backtrace.h"
#include "fakes.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* ---- names */

/* Two that begin with what the one before does; one at the address of the next; one far behind. */
#define LAST(c) (0x80 | (c))
static const uint8_t table[] = {
    0x10, 0,    LAST('a'),                                  /* 0x10 a */
    0x30, 0,    'b',       'b',       LAST('b'),            /* 0x40 bbb */
    0xc0, 0x01, 1,         LAST('c'),                       /* 0x100 bc */
    0,    2,    'd',       LAST('e'),                       /* 0x100 bcde */
    0x80, 0x01, 3,         LAST('z'),                       /* 0x180 bcdz */
    0x80, 0x80, 0x04,      0,         '_',       LAST('f'), /* 0x10180 _f */
};
static const struct ksyms syms = { table, 6, 0x10200 };

static void expect_name(uint64_t offset, const char *name, uint64_t within, uint64_t bytes)
{
    struct ksym found;

    assert_int_equal(ksyms_find(&syms, offset, &found), name != NULL);
    if (name == NULL)
        return;
    assert_string_equal(found.name, name);
    assert_int_equal(found.within, within);
    assert_int_equal(found.bytes, bytes);
}

static void test_names(void **state)
{
    const struct ksyms empty = { table, 0, 0x10200 };
    struct ksym found;

    (void)state;
    expect_name(0, NULL, 0, 0);
    expect_name(0xf, NULL, 0, 0);
    expect_name(0x10, "a", 0, 0x30);
    expect_name(0x3f, "a", 0x2f, 0x30);
    expect_name(0x40, "bbb", 0, 0xc0);
    expect_name(0x17f, "bcde", 0x7f, 0x80); /* of two at one address the last */
    expect_name(0x180, "bcdz", 0, 0x10000);
    expect_name(0x1017f, "bcdz", 0xffff, 0x10000);
    expect_name(0x10180, "_f", 0, 0x80);
    expect_name(0x101ff, "_f", 0x7f, 0x80);
    expect_name(0x10200, NULL, 0, 0); /* the end of .text */
    expect_name(UINT64_MAX, NULL, 0, 0);
    assert_false(ksyms_find(&empty, 0x40, &found));
}

/* ---- chains */

#define WORDS 64

static uint64_t memory[3][WORDS] __attribute__((aligned(16)));
static struct stack_range stacks[3];

static uint64_t at(unsigned stack, unsigned word)
{
    return (uint64_t)&memory[stack][word];
}

static int set_up(void **state)
{
    (void)state;
    memset(memory, 0, sizeof(memory));
    for (unsigned i = 0; i < 3; i++)
        stacks[i] = (struct stack_range){ "stack", at(i, 0), at(i, 0) + sizeof(memory[i]) };
    return 0;
}

static void frame(unsigned stack, unsigned word, uint64_t caller_fp, uint64_t pc)
{
    memory[stack][word] = caller_fp;
    memory[stack][word + 1] = pc;
}

/* Walk from fp on and compare the return addresses with a list that ends with 0. */
static void expect_walk(uint64_t fp, const uint64_t *pcs)
{
    struct backtrace bt;
    uint64_t pc;

    backtrace_begin(&bt, stacks, 3, fp);
    for (; *pcs != 0; pcs++) {
        assert_true(backtrace_next(&bt, &pc));
        assert_int_equal(pc, *pcs);
    }
    assert_false(backtrace_next(&bt, &pc));
}

#define EXPECT_WALK(fp, ...) expect_walk(fp, (const uint64_t[]){ __VA_ARGS__, 0 })
#define EXPECT_NO_WALK(fp)   expect_walk(fp, (const uint64_t[]){ 0 })

static void test_good_chain(void **state)
{
    (void)state;
    frame(0, 4, at(0, 10), 0x111);
    frame(0, 10, at(0, 62), 0x222);
    frame(0, 62, 0, 0x333); /* the topmost place that there is */
    EXPECT_WALK(at(0, 4), 0x111, 0x222, 0x333);
    frame(0, 62, 0, 0); /* as entry.S leaves it */
    EXPECT_WALK(at(0, 4), 0x111, 0x222);
}

static void test_exception_stacks(void **state)
{
    (void)state;
    frame(2, 4, at(1, 8), 0x111); /* an NMI during a double fault of the main stack */
    frame(1, 8, at(0, 2), 0x222);
    frame(0, 2, at(0, 4), 0x333);
    frame(0, 4, 0, 0x444);
    EXPECT_WALK(at(2, 4), 0x111, 0x222, 0x333, 0x444);
    frame(0, 4, at(1, 20), 0x444); /* back to a stack that it has left: no */
    frame(1, 20, 0, 0x555);
    EXPECT_WALK(at(2, 4), 0x111, 0x222, 0x333, 0x444);
}

static void test_not_a_frame(void **state)
{
    (void)state;
    EXPECT_NO_WALK(0);
    EXPECT_NO_WALK(8);
    EXPECT_NO_WALK(UINT64_MAX - 7);
    EXPECT_NO_WALK(0x8000000000000000);
    EXPECT_NO_WALK(at(0, 4) + 1);
    EXPECT_NO_WALK(at(0, 0) - 8);  /* the guard page */
    EXPECT_NO_WALK(at(2, 63));     /* half of it above the top */
    EXPECT_NO_WALK(at(2, 63) + 8); /* the top */
    EXPECT_NO_WALK((uint64_t)table & ~7ull);
}

static void test_loops_end(void **state)
{
    (void)state;
    frame(0, 4, at(0, 4), 0x111); /* to itself */
    EXPECT_WALK(at(0, 4), 0x111);
    frame(0, 4, at(0, 10), 0x111); /* back down */
    frame(0, 10, at(0, 4), 0x222);
    EXPECT_WALK(at(0, 4), 0x111, 0x222);
    frame(1, 30, at(0, 4), 0x333); /* round through another stack */
    frame(0, 4, at(1, 40), 0x111);
    frame(1, 40, at(0, 6), 0x444);
    EXPECT_WALK(at(1, 30), 0x333, 0x111);
}

/* Whatever the stacks hold, a walk ends, and reads nothing else (ASan sees it if it does). */
static void test_any_memory(void **state)
{
    uint64_t seed = 1;

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        struct backtrace bt;
        unsigned frames = 0;
        uint64_t pc;

        for (unsigned i = 0; i < 3 * WORDS; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            memory[i / WORDS][i % WORDS] =
                (uint64_t)memory + (seed >> 33) % (sizeof(memory) + 64) / 4 * 4 - 32;
        }
        backtrace_begin(&bt, stacks, 3, memory[round % 3][round % WORDS]);
        while (backtrace_next(&bt, &pc))
            assert_true(++frames <= 3 * WORDS);
    }
}

/* ---- a function without a frame */

static uint8_t text[64];

static uint64_t frameless(uint64_t sp)
{
    return backtrace_frameless(stacks, 3, sp, (uint64_t)text, (uint64_t)text + sizeof(text));
}

static void expect_call(const char *code, size_t bytes, bool is_call)
{
    uint64_t pc = (uint64_t)text + 20;

    memset(text, 0x90, sizeof(text));
    memcpy(text + 20 - bytes, code, bytes);
    memory[0][5] = pc;
    assert_int_equal(frameless(at(0, 5)), is_call ? pc : 0);
}

static void test_frameless(void **state)
{
    (void)state;
    expect_call("\xe8\x01\x02\x03\x04", 5, true);         /* call rel32 */
    expect_call("\xff\xd0", 2, true);                     /* call *%rax */
    expect_call("\x41\xff\xd3", 3, true);                 /* call *%r11 */
    expect_call("\xff\x50\x08", 3, true);                 /* call *8(%rax) */
    expect_call("\xff\x54\xd8\x08", 4, true);             /* call *8(%rax,%rbx,8) */
    expect_call("\xff\x93\x01\x02\x03\x04", 6, true);     /* call *disp32(%rbx) */
    expect_call("\xff\x14\xc5\x01\x02\x03\x04", 7, true); /* call *disp32(,%rax,8) */
    expect_call("\xff\xe0", 2, false);                    /* jmp *%rax */
    expect_call("\xe9\x01\x02\x03\x04", 5, false);        /* jmp rel32 */
    expect_call("\xe8\x01\x02\x03\x04\x90", 6, false);    /* one instruction further */
}

static void test_frameless_elsewhere(void **state)
{
    (void)state;
    expect_call("\xff\xd0", 2, true);
    assert_int_equal(frameless(0), 0);
    assert_int_equal(frameless(at(0, 5) + 4), 0);
    assert_int_equal(frameless(at(0, 0) - 8), 0);
    assert_int_equal(frameless(at(2, 63) + 8), 0);
    assert_int_equal(frameless(at(0, 6)), 0); /* a word that is no address of code */
    memory[2][63] = (uint64_t)text + 20;
    assert_int_equal(frameless(at(2, 63)), (uint64_t)text + 20); /* the last word of a stack */
    memory[2][63] = (uint64_t)text + sizeof(text);
    assert_int_equal(frameless(at(2, 63)), 0);
    memory[2][63] = (uint64_t)text + 6; /* a call of seven bytes would begin before the text */
    text[4] = 0xff;
    text[5] = 0xd0;
    assert_int_equal(frameless(at(2, 63)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test_setup(test_good_chain, set_up),
        cmocka_unit_test_setup(test_exception_stacks, set_up),
        cmocka_unit_test_setup(test_not_a_frame, set_up),
        cmocka_unit_test_setup(test_loops_end, set_up),
        cmocka_unit_test_setup(test_any_memory, set_up),
        cmocka_unit_test_setup(test_frameless, set_up),
        cmocka_unit_test_setup(test_frameless_elsewhere, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
