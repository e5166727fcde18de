/*
 * Helpers beside Linux's: csum_diff, the adjusting of head, tail and metadata, loads and stores of
 * packet bytes. The same calls are made as a program that this machine's kernel runs
 * (BPF_PROG_TEST_RUN), and directly; results and frames are the same. Where bpf(2) is not
 * permitted, ours are compared with a digest recorded from Linux 6.18.
 */
#include "bpf_linux.h"
#include "fake_bpf.h"
#include "fakes.h"
#include "bpf/helper_impl.h"
#include "bpf/xdp_buff.h"
#include "../bpf/bpf_asm.h"
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define HEADROOM   216u  /* Linux's 256, less its struct xdp_frame */
#define FRAME_ROOM 3520u /* of a page, less the headroom and struct skb_shared_info */

static bool beside_linux;
static uint64_t sequence, digest;

static uint32_t draw(uint32_t below)
{
    sequence = sequence * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(sequence >> 33) % below;
}

static void digest_bytes(const void *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        digest = (digest ^ ((const uint8_t *)data)[i]) * 0x100000001b3ull;
}

static void start(uint64_t seed)
{
    sequence = seed;
    digest = 0xcbf29ce484222325ull;
}

static void end(uint64_t recorded)
{
    if (digest != recorded)
        fprintf(stderr, "digest %#llx\n", (unsigned long long)digest);
    assert_true(digest == recorded);
}

static uint64_t call(enum bpf_func_id id, uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4,
                     uint64_t r5)
{
    return bpf_helper_function(id)(r1, r2, r3, r4, r5);
}

static uint64_t reg(const void *p)
{
    return (uintptr_t)p;
}

/* ---- csum_diff: both buffers in the stack, 64 bytes each ---- */

#define WORDS 16u

static void check_csum(const uint32_t from[WORDS], uint32_t from_bytes, const uint32_t to[WORDS],
                       uint32_t to_bytes, uint32_t seed)
{
    struct bpf_insn insns[2 * WORDS + 16];
    uint32_t result =
        (uint32_t)call(BPF_FUNC_csum_diff, reg(from), from_bytes, reg(to), to_bytes, seed);
    size_t n = 0, bytes = 64;
    uint8_t frame[64] = { 0 };
    int fd, error;

    digest_bytes(&result, sizeof(result));
    if (!beside_linux)
        return;
    for (unsigned i = 0; i < WORDS; i++) {
        insns[n++] = (struct bpf_insn)STI(W, R10, -64 + 4 * (int)i, (int32_t)from[i]);
        insns[n++] = (struct bpf_insn)STI(W, R10, -128 + 4 * (int)i, (int32_t)to[i]);
    }
    const struct bpf_insn tail[] = {
        MOV(R1, R10),
        ADDI(R1, -64),
        MOVI(R2, (int32_t)from_bytes),
        MOV(R3, R10),
        ADDI(R3, -128),
        MOVI(R4, (int32_t)to_bytes),
        MOV32I(R5, (int32_t)seed),
        CALL(csum_diff),
        EXIT(),
    };
    memcpy(&insns[n], tail, sizeof(tail));
    n += sizeof(tail) / sizeof(tail[0]);
    fd = linux_prog_load(insns, n);
    assert_true(fd >= 0);
    assert_int_equal(linux_prog_run(fd, frame, &bytes, sizeof(frame), &error), result);
    assert_int_equal(error, 0);
    linux_close(fd);
}

static void test_csum_diff(void **state)
{
    static const uint32_t edges[] = { 0, 1, 0xffff, 0x10000, 0xffff0000, 0xffffffff, 0x7fffffff };

    (void)state;
    start(1);
    for (unsigned i = 0; i < 400; i++) {
        uint32_t from[WORDS], to[WORDS], seed = draw(2) ? draw(1u << 31) * 2 : edges[draw(7)];
        uint32_t kind = draw(4);

        for (unsigned w = 0; w < WORDS; w++) {
            from[w] = kind == 0 ? edges[draw(7)] : kind == 1 ? 0 : draw(1u << 31) * 2 + draw(2);
            to[w] = kind == 0 ? edges[draw(7)] : kind == 2 ? 0xffffffff : draw(1u << 31) * 2;
        }
        /* multiples of 4 and others: since 6.13 any length will do */
        check_csum(from, draw(3) ? draw(17) * 4 : draw(65), to, draw(3) ? draw(17) * 4 : draw(65),
                   seed);
    }
    end(0x2f498b19fa409068ull);
}

/* ---- The frame ---- */

static const enum bpf_func_id adjusts[] = { BPF_FUNC_xdp_adjust_head, BPF_FUNC_xdp_adjust_meta,
                                            BPF_FUNC_xdp_adjust_tail };

struct step {
    enum bpf_func_id id;
    int32_t offset;
    uint32_t bytes; /* of loads and stores */
};

static struct step random_step(void)
{
    struct step s = { .id = adjusts[draw(3)] };

    switch (draw(5)) {
    case 0:
        s.id = BPF_FUNC_xdp_load_bytes;
        break;
    case 1:
        s.id = BPF_FUNC_xdp_store_bytes;
        break;
    case 2:
        s.id = BPF_FUNC_xdp_get_buff_len;
        break;
    default:
        break;
    }
    s.bytes = 1 + draw(64);
    s.offset =
        draw(8) == 0 ? (int32_t)(draw(2) ? draw(4000) : 0u - draw(4000)) : (int32_t)draw(120) - 60;
    if (s.id == BPF_FUNC_xdp_load_bytes || s.id == BPF_FUNC_xdp_store_bytes)
        s.offset = draw(20) == 0 ? (int32_t)draw(1u << 31) : (int32_t)draw(150);
    else if (draw(3))
        s.offset &= ~3;
    return s;
}

/* r6: ctx; r7: the results so far; the stack's 64 bytes are stored from and loaded to. */
static size_t put_step(struct bpf_insn *out, const struct step *s)
{
    const struct bpf_insn insns[] = {
        MOV(R1, R6),
        MOV32I(R2, s->offset),
        MOV(R3, R10),
        ADDI(R3, -64),
        MOVI(R4, (int32_t)s->bytes),
        CALL_NR((int32_t)s->id),
        MULI(R7, 31),
        ADD(R7, R0),
        LDX(W, R1, R10, -64),
        XOR(R7, R1),
    };

    memcpy(out, insns, sizeof(insns));
    return sizeof(insns) / sizeof(insns[0]);
}

static uint32_t run_linux(const struct step *steps, unsigned count, uint8_t *frame, size_t *bytes)
{
    struct bpf_insn insns[200];
    size_t n = 0;
    uint32_t result;
    int fd, error;

    insns[n++] = (struct bpf_insn)MOV(R6, R1);
    insns[n++] = (struct bpf_insn)MOVI(R7, 0);
    for (int i = 0; i < 16; i++)
        insns[n++] = (struct bpf_insn)STI(W, R10, -64 + 4 * i, 0x01020304 * i);
    for (unsigned i = 0; i < count; i++)
        n += put_step(&insns[n], &steps[i]);
    insns[n++] = (struct bpf_insn)MOV(R0, R7);
    insns[n++] = (struct bpf_insn)EXIT();
    fd = linux_prog_load(insns, n);
    assert_true(fd >= 0);
    result = linux_prog_run(fd, frame, bytes, FRAME_ROOM + HEADROOM, &error);
    assert_int_equal(error, 0);
    linux_close(fd);
    return result;
}

static uint32_t run_ours(const struct step *steps, unsigned count, struct xdp_buff *xdp)
{
    uint32_t stack[16];
    uint64_t result = 0;

    for (unsigned i = 0; i < 16; i++)
        stack[i] = 0x01020304 * i;
    for (unsigned i = 0; i < count; i++) {
        uint64_t r0 =
            call(steps[i].id, reg(xdp), (uint32_t)steps[i].offset, reg(stack), steps[i].bytes, 0);

        result = (result * 31 + r0) ^ stack[0];
    }
    return (uint32_t)result;
}

static void check_steps(const struct step *steps, unsigned count, size_t bytes)
{
    static uint8_t page[HEADROOM + FRAME_ROOM], theirs[HEADROOM + FRAME_ROOM];
    struct xdp_buff xdp = { .hard_start = page, .hard_end = page + sizeof(page) };
    uint32_t result;
    size_t length;

    memset(page, 0, sizeof(page));
    xdp.data = xdp.data_meta = page + HEADROOM;
    xdp.data_end = xdp.data + bytes;
    for (size_t i = 0; i < bytes; i++)
        theirs[i] = xdp.data[i] = (uint8_t)(i + 1);

    result = run_ours(steps, count, &xdp);
    length = (size_t)(xdp.data_end - xdp.data_meta); /* Linux gives the metadata back, too */
    digest_bytes(&result, sizeof(result));
    digest_bytes(xdp.data_meta, length);
    if (!beside_linux)
        return;
    assert_int_equal(run_linux(steps, count, theirs, &bytes), result);
    assert_int_equal(bytes, length);
    assert_memory_equal(theirs, xdp.data_meta, length);
}

static void test_frame(void **state)
{
    (void)state;
    start(2);
    for (unsigned i = 0; i < 600; i++) {
        struct step steps[12];
        unsigned count = 1 + draw(12);

        for (unsigned s = 0; s < count; s++)
            steps[s] = random_step();
        check_steps(steps, count, 14 + draw(100));
    }
    end(0x315da07c68613743ull);
}

/* Every offset around the bounds, and far behind them. */
static void test_bounds(void **state)
{
    static const int32_t bounds[] = { -216, -220, -252, -14,           0,
                                      86,   100,  3420, INT32_MIN + 5, INT32_MAX - 5 };

    (void)state;
    start(3);
    for (unsigned a = 0; a < 3; a++) {
        for (unsigned b = 0; b < sizeof(bounds) / sizeof(bounds[0]); b++) {
            for (int32_t d = -5; d <= 5; d++) {
                struct step step = { adjusts[a], bounds[b] + d, 4 };

                check_steps(&step, 1, 100);
            }
        }
    }
    for (int32_t d = -5; d <= 5; d++) { /* metadata moves along, and takes room */
        const struct step steps[2] = { { BPF_FUNC_xdp_adjust_meta, -64, 4 },
                                       { BPF_FUNC_xdp_adjust_head, -152 + d, 4 } };

        check_steps(steps, 2, 100);
    }
    end(0xc2d64b2cf7e3ea5aull);
}

/* ---- Formats of trace_printk: which are taken, and how long the message is ---- */

static int64_t format_linux(const char format[64], uint32_t bytes)
{
    struct bpf_insn insns[16 + 12];
    uint8_t frame[64] = { 0 };
    size_t n = 0, length = sizeof(frame);
    uint32_t result;
    int fd, error;

    for (unsigned i = 0; i < 16; i++) {
        int32_t word;

        memcpy(&word, format + 4 * i, sizeof(word));
        insns[n++] = (struct bpf_insn)STI(W, R10, -64 + 4 * (int)i, word);
    }
    const struct bpf_insn tail[] = {
        MOV(R1, R10), ADDI(R1, -64), MOVI(R2, (int32_t)bytes), LD64(R3, 0x11fffffff9ull),
        MOVI(R4, 65), MOVI(R5, 0),   CALL(trace_printk),       EXIT()
    };
    memcpy(&insns[n], tail, sizeof(tail));
    n += sizeof(tail) / sizeof(tail[0]);
    fd = linux_prog_load(insns, n);
    assert_true(fd >= 0);
    result = linux_prog_run(fd, frame, &length, sizeof(frame), &error);
    assert_int_equal(error, 0);
    linux_close(fd);
    return (int32_t)result;
}

static void check_format(const char *text, uint32_t bytes)
{
    const uint64_t args[3] = { 0x11fffffff9ull, 65, 0 };
    char format[64] = { 0 }, out[64];
    int64_t ours;

    memcpy(format, text, bytes);
    ours = bpf_format(out, sizeof(out), format, bytes, args, 3);
    digest_bytes(&ours, sizeof(ours));
    if (!beside_linux)
        return;
    if (format_linux(format, bytes) != ours)
        fail_msg("\"%s\": Linux %d, ours %d", text, (int)format_linux(format, bytes), (int)ours);
}

static void test_formats(void **state)
{
    static const char *const formats[] = {
        "a",      "abc\n",  "tab\t",    "\x01",     "\x7f",   "\xc3\xa4", "\r\v\f",   "%d",
        "%5d|",   "%-5d|",  "%+d",      "%05d",     "% d",    "%-+ 05d",  "%#x",      "%.3d",
        "%*d",    "%ld",    "%lld",     "%llld",    "%hd",    "%hhu",     "%zu",      "%i",
        "%u",     "%x",     "%X",       "%o",       "%c",     "%5c|",     "%-5c|",    "%cx",
        "%p",     "%px",    "%pK",      "%ps",      "%pS",    "%pB",      "%pI4",     "%pi4",
        "%pI6",   "%pi6",   "%pI",      "%pI5",     "%pI4h",  "%pks",     "%pus",     "%pkx",
        "%pa",    "%pd",    "%p ",      "%p,",      "%s",     "%sx",      "%s.",      "%10s|",
        "%-10s|", "%d%d%d", "%d%d%d%d", "%",        "%%",     "%%%d",     "%5%",      "%l",
        "%ll",    "%n",     "%q",       "%e",       "%pI6c",  "%pI4.",    "%1000d",   "%lx",
        "%llx",   "%lu",    "%lX",      "%lp",      "%ls",    "%lc",      "%-08x|",   "%08llx|",
        "%c%c%c", "%px%px", "%pxyz",    "%px y",    "%psx",   "%20px|",   "%-20px|",  "%d.%u,%x!",
        "100%",   "%d%",    "%\xc3",    "%\n",      "%00d",   "%0",       "%9",       "%-",
        "%%%%%%", "%%d",    "%pI4%pI6", "%pi4%d%d", "%s%s%s", "%s%s%s%s", "%c%c%c%c", "%p%p%p%p",
    };

    (void)state;
    start(4);
    for (unsigned i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
        check_format(formats[i], (uint32_t)strlen(formats[i]) + 1);
    check_format("abcd", 4);             /* not terminated */
    check_format("ab\0%q", 6);           /* terminated before its end */
    for (unsigned i = 0; i < 300; i++) { /* pieces of formats in a row */
        static const char pieces[] = "%%%%%%dduxsscpIiKB46ll 0-+5. ax";
        char text[16];
        uint32_t bytes = 1 + draw(8);

        for (uint32_t c = 0; c < bytes; c++)
            text[c] = pieces[draw(sizeof(pieces) - 1)];
        text[bytes] = '\0';
        check_format(text, bytes + 1);
    }
    end(0xefd24acbe379e334ull);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csum_diff),
        cmocka_unit_test(test_frame),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_formats),
    };

    beside_linux = linux_bpf_permitted();
    printf("%s\n", beside_linux ? "compared with this machine's Linux, through bpf(2)"
                                : "bpf(2) is not permitted here: compared with what was recorded "
                                  "from Linux 6.18");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
