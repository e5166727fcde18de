/*
 * kernel/lineedit.c and kernel/keys.c on a small terminal: after every byte the screen must show
 * the prompt, the text and the cursor where the editor believes them to be, nothing may reach the
 * last column, and no escape sequence that a VT100 lacks may be sent.
 */
#include "fakes.h"
#include "lineedit.h"
#include <kernel/lib.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ROWS   24
#define PROMPT "tophalf> "

/* ---- the terminal */

static struct {
    char screen[ROWS][LINEEDIT_COLUMNS + 1];
    unsigned row, column, bells;
    char escape[16]; /* the sequence so far */
    unsigned escape_len;
    char sent[4096]; /* the raw bytes since term_mark() */
    size_t sent_len;
} term;

static void term_blank(unsigned row, unsigned column)
{
    memset(term.screen[row] + column, ' ', LINEEDIT_COLUMNS - column);
}

static void term_reset(void)
{
    memset(&term, 0, sizeof(term));
    for (unsigned i = 0; i < ROWS; i++)
        term_blank(i, 0);
}

static void term_escape_done(char final)
{
    unsigned n = (unsigned)atoi(term.escape + 1);

    switch (final) {
    case 'C':
        term.column += MAX(n, 1u);
        break;
    case 'D':
        assert_true(term.column >= MAX(n, 1u));
        term.column -= MAX(n, 1u);
        break;
    case 'K':
        assert_int_equal(n, 0);
        term_blank(term.row, term.column);
        break;
    case 'H':
        assert_int_equal(n, 0);
        term.row = term.column = 0;
        break;
    case 'J':
        assert_int_equal(n, 2);
        for (unsigned i = 0; i < ROWS; i++)
            term_blank(i, 0);
        break;
    default:
        fail_msg("escape sequence %s%c", term.escape, final);
    }
    term.escape_len = 0;
    memset(term.escape, 0, sizeof(term.escape));
}

static void term_newline(void)
{
    term.column = 0;
    if (term.row < ROWS - 1) {
        term.row++;
        return;
    }
    memmove(term.screen[0], term.screen[1], sizeof(term.screen[0]) * (ROWS - 1));
    term_blank(ROWS - 1, 0);
}

static void term_put(char c)
{
    if (term.escape_len > 0 || c == 0x1b) {
        assert_true(term.escape_len < sizeof(term.escape) - 1);
        if (term.escape_len == 1)
            assert_int_equal(c, '[');
        if (term.escape_len > 1 && c >= 0x40)
            term_escape_done(c);
        else
            term.escape[term.escape_len++] = c == 0x1b ? 'E' : c == '[' ? ' ' : c;
        return;
    }
    switch (c) {
    case '\a':
        term.bells++;
        break;
    case '\b':
        assert_true(term.column > 0);
        term.column--;
        break;
    case '\r':
        term.column = 0;
        break;
    case '\n':
        term_newline();
        break;
    default:
        assert_in_range(c, ' ', '~');
        assert_true(term.column < LINEEDIT_COLUMNS - 1); /* the last column stays empty */
        term.screen[term.row][term.column++] = c;
    }
}

static void term_write(void *arg, const char *text, size_t len)
{
    assert_null(arg);
    for (size_t i = 0; i < len; i++)
        term_put(text[i]);
    if (term.sent_len + len < sizeof(term.sent)) {
        memcpy(term.sent + term.sent_len, text, len);
        term.sent_len += len;
        term.sent[term.sent_len] = '\0';
    }
}

static void term_mark(void)
{
    term.sent_len = 0;
    term.sent[0] = '\0';
}

/* A row without its trailing blanks. */
static const char *row_text(unsigned row)
{
    static char text[LINEEDIT_COLUMNS + 1];
    size_t n = LINEEDIT_COLUMNS;

    memcpy(text, term.screen[row], n);
    while (n > 0 && text[n - 1] == ' ')
        n--;
    text[n] = '\0';
    return text;
}

/* ---- the editor on it */

static struct lineedit ed;

static const char *candidate(void *arg, const char *line, size_t word_start, unsigned i)
{
    static const char *const first[] = { "help", "interrupts", "ip", "stats", "status", "stress" };
    static const char *const second[] = { "alpha" };

    (void)arg;
    (void)line;
    if (word_start == 0)
        return i < ARRAY_SIZE(first) ? first[i] : NULL;
    return i < ARRAY_SIZE(second) ? second[i] : NULL;
}

static int setup(void **state)
{
    (void)state;
    term_reset();
    lineedit_init(&ed, PROMPT, term_write, candidate, NULL);
    lineedit_start(&ed);
    return 0;
}

/* The screen shows what the editor holds. */
static void check_screen(void)
{
    size_t columns = LINEEDIT_COLUMNS - 1 - strlen(PROMPT), n;
    char want[LINEEDIT_COLUMNS + 1];

    assert_int_equal(strlen(ed.line), ed.len);
    assert_true(ed.len <= LINEEDIT_MAX && ed.cursor <= ed.len);
    assert_true(ed.view <= ed.cursor && ed.cursor - ed.view <= columns);
    n = MIN(ed.len - ed.view, columns);
    memset(want, ' ', sizeof(want));
    memcpy(want, PROMPT, strlen(PROMPT));
    memcpy(want + strlen(PROMPT), ed.line + ed.view, n);
    if (memcmp(want, term.screen[term.row], LINEEDIT_COLUMNS) != 0)
        fail_msg("screen: \"%.80s\"\n wanted \"%.80s\"", term.screen[term.row], want);
    assert_int_equal(term.column, strlen(PROMPT) + ed.cursor - ed.view);
    assert_int_equal(term.escape_len, 0);
}

static enum lineedit_result feed_bytes(const char *bytes, size_t len)
{
    enum lineedit_result result = LINEEDIT_MORE;

    for (size_t i = 0; i < len; i++) {
        assert_int_equal(result, LINEEDIT_MORE);
        result = lineedit_feed(&ed, (uint8_t)bytes[i]);
        if (result == LINEEDIT_MORE)
            check_screen();
    }
    return result;
}

#define KEYS(s) feed_bytes(s, sizeof(s) - 1)

/* Type the keys into an empty line; '|' in `want` is the cursor. */
static void expect_edit(const char *keys, const char *want)
{
    char got[LINEEDIT_MAX + 2];

    setup(NULL);
    assert_int_equal(feed_bytes(keys, strlen(keys)), LINEEDIT_MORE);
    snprintf(got, sizeof(got), "%.*s|%s", (int)ed.cursor, ed.line, ed.line + ed.cursor);
    if (strcmp(got, want) != 0)
        fail_msg("\"%s\", wanted \"%s\"", got, want);
}

static void enter(const char *line)
{
    feed_bytes(line, strlen(line));
    assert_int_equal(KEYS("\r"), LINEEDIT_LINE);
    assert_string_equal(ed.line, line);
    lineedit_start(&ed);
}

/* ---- tests */

static void test_plain_typing_echoes_only_itself(void **state)
{
    (void)state;
    assert_string_equal(row_text(0), "tophalf>");
    term_mark();
    KEYS("free -j");
    assert_string_equal(term.sent, "free -j");
    assert_int_equal(KEYS("\r"), LINEEDIT_LINE);
    assert_string_equal(term.sent, "free -j\n");
    assert_string_equal(ed.line, "free -j");
    assert_string_equal(row_text(0), "tophalf> free -j");
    /* and backspace at the end needs no escape sequence either */
    lineedit_start(&ed);
    term_mark();
    KEYS("ab\x7f");
    assert_string_equal(term.sent, "ab\b \b");
}

static void test_edits(void **state)
{
    (void)state;
    expect_edit("", "|");
    expect_edit("abc", "abc|");
    expect_edit("abc\x02\x02X", "aX|bc");   /* Ctrl-B */
    expect_edit("abc\x01X\x06Y", "XaY|bc"); /* Ctrl-A, Ctrl-F */
    expect_edit("abc\x01\x05X", "abcX|");   /* Ctrl-E */
    expect_edit("abc\x7f", "ab|");
    expect_edit("abc\x08\x08\x08\x08\x08", "|"); /* more than there is */
    expect_edit("abc\x02\x02\x7f", "|bc");
    expect_edit("abc\x01\x04", "|bc"); /* Ctrl-D */
    expect_edit("abc\x04", "abc|");    /* at the end: nothing */
    expect_edit("\x04", "|");          /* on an empty line: nothing */
    expect_edit("\x02\x02", "|");
    expect_edit("abc\x06\x06", "abc|");
    expect_edit("one two\x02\x02\x0b", "one t|"); /* Ctrl-K */
    expect_edit("one two\x02\x02\x15", "|wo");    /* Ctrl-U */
    expect_edit("one two  \x17", "one |");        /* Ctrl-W */
    expect_edit("one two\x17\x17\x17", "|");
    expect_edit("one two\x02\x17", "one |o");
    expect_edit("one two\x17\x19\x19", "one twotwo|"); /* Ctrl-Y */
    expect_edit("\x19", "|");                          /* nothing killed yet */
    expect_edit("abc\x0b\x19", "abc|");                /* an empty kill is none */
    expect_edit("one two three\x1b"
                "b\x1b"
                "bX",
                "one X|two three");
    expect_edit("one two\x01\x1b"
                "fX",
                "oneX| two");
    expect_edit("one two\x01\x1b"
                "d\x05\x19",
                " twoone|");
    expect_edit("one two\x1b\x7f", "one |");
}

static void test_escape_sequences(void **state)
{
    (void)state;
    expect_edit("abc\033[DX", "abX|c");
    expect_edit("abc\033[D\033[D\033[CX", "abX|c");
    expect_edit("abc\033ODX", "abX|c"); /* application mode */
    expect_edit("abc\033[HX\033[FY", "XabcY|");
    expect_edit("abc\033OHX\033OFY", "XabcY|");
    expect_edit("abc\033[1~X\033[4~Y", "XabcY|");
    expect_edit("abc\033[7~X\033[8~Y", "XabcY|");
    expect_edit("abc\033[H\033[3~", "|bc");
    expect_edit("one two\033[1;5DX", "one X|two"); /* Ctrl-Left */
    expect_edit("one two\033[H\033[1;3CX", "oneX| two");
}

static void test_garbage(void **state)
{
    (void)state;
    /* sequences that are not ours vanish whole */
    expect_edit("a\033[5~b", "ab|");
    expect_edit("a\033[15~b", "ab|");
    expect_edit("a\033[[Ab", "ab|"); /* F1 of the Linux console */
    expect_edit("a\033OPb", "ab|");
    expect_edit("a\033[?1;2cb", "ab|");
    expect_edit("a\033[12;40Rb", "ab|");
    expect_edit("a\033[1;2;3;4;5Zb", "ab|");
    expect_edit("a\033[99999999999999999999999~b", "ab|");
    expect_edit("a\033xb", "ab|");
    expect_edit("a\033\033[DX", "X|a"); /* a sequence that begins in one */
    expect_edit("a\033[1\x01X", "X|a"); /* a control character ends one, and works */
    expect_edit("ab\033[1\x7f", "ab|");
    /* bytes that are no ASCII, whole and in pieces */
    expect_edit("gr\xc3\xbc\xc3\x9f"
                "e",
                "gre|");
    expect_edit("\x80\xff\xfe", "|");
    expect_edit("a\033[\xc3"
                "Db",
                "aDb|");
    expect_edit("\x1c\x1d\x1e\x1f\x12\x14x", "x|"); /* controls without a meaning */
    setup(NULL);
    assert_int_equal(feed_bytes("a\0b", 3), LINEEDIT_MORE);
    assert_string_equal(ed.line, "ab");
}

static void test_line_ends(void **state)
{
    (void)state;
    assert_int_equal(KEYS("a\n"), LINEEDIT_LINE);
    lineedit_start(&ed);
    assert_int_equal(KEYS("b\r"), LINEEDIT_LINE);
    lineedit_start(&ed);
    assert_int_equal(KEYS("\n"), LINEEDIT_MORE); /* the LF of a CR LF */
    assert_int_equal(KEYS("\n"), LINEEDIT_LINE); /* one more is an empty line */
    lineedit_start(&ed);
    assert_int_equal(KEYS("\r"), LINEEDIT_LINE);
    lineedit_start(&ed);
    assert_int_equal(KEYS("x\n"), LINEEDIT_LINE); /* not the CR's: something came in between */
    lineedit_start(&ed);
    /* Enter in the middle of the line takes it all; in the middle of a sequence too */
    assert_int_equal(KEYS("abc\x01\r"), LINEEDIT_LINE);
    assert_string_equal(ed.line, "abc");
    lineedit_start(&ed);
    assert_int_equal(KEYS("ab\033[1;\r"), LINEEDIT_LINE);
    assert_string_equal(ed.line, "ab");
}

static void test_cancel(void **state)
{
    (void)state;
    assert_int_equal(KEYS("abc\x03"), LINEEDIT_CANCEL);
    assert_string_equal(row_text(0), "tophalf> abc^C");
    assert_int_equal(term.column, 0);
    lineedit_start(&ed);
    check_screen();
    assert_string_equal(ed.line, "");
    KEYS("\x10"); /* and is not in the history */
    assert_string_equal(ed.line, "");
}

static void test_history(void **state)
{
    (void)state;
    KEYS("\x10\x0e\033[A\033[B"); /* empty: nothing happens */
    assert_string_equal(ed.line, "");
    enter("one");
    enter("two");
    enter("two"); /* a duplicate in a row is kept once */
    enter("");
    enter("   ");
    enter("three");
    KEYS("draft\033[A");
    assert_string_equal(ed.line, "three");
    assert_int_equal(ed.cursor, 5);
    KEYS("\x10");
    assert_string_equal(ed.line, "two");
    KEYS("\x10\x10\x10\x10"); /* the oldest stays */
    assert_string_equal(ed.line, "one");
    KEYS("\033[B");
    assert_string_equal(ed.line, "two");
    KEYS("\x0e\x0e");
    assert_string_equal(ed.line, "draft");
    KEYS("\x0e");
    assert_string_equal(ed.line, "draft");
    /* an edited line of the history leaves the history as it was */
    KEYS("\x10X\r");
    assert_string_equal(ed.line, "threeX");
    lineedit_start(&ed);
    KEYS("\x10\x10");
    assert_string_equal(ed.line, "three");
}

static void test_history_is_a_ring(void **state)
{
    char line[16];

    (void)state;
    for (unsigned i = 0; i < LINEEDIT_HISTORY + 10; i++) {
        snprintf(line, sizeof(line), "line %u", i);
        enter(line);
    }
    for (unsigned i = 0; i < LINEEDIT_HISTORY + 10; i++)
        KEYS("\x10");
    assert_string_equal(ed.line, "line 10");
    for (unsigned i = 0; i < LINEEDIT_HISTORY - 1; i++)
        KEYS("\x0e");
    snprintf(line, sizeof(line), "line %u", LINEEDIT_HISTORY + 9);
    assert_string_equal(ed.line, line);
}

static void test_completion(void **state)
{
    (void)state;
    expect_edit("h\t", "help |"); /* the only one: whole, and a blank */
    expect_edit("help\t", "help |");
    expect_edit("sta\t", "stat|"); /* what stats and status have in common */
    expect_edit("i\t", "i|");      /* listed below */
    expect_edit("help \t", "help alpha |");
    expect_edit("help x\t", "help x|"); /* nothing fits: bell */
    assert_int_equal(term.bells, 1);
    expect_edit("h rest\x01\x06\t", "help| rest"); /* no second blank */
    expect_edit("hX\x02\t", "help |X");            /* what is behind the cursor stays */

    setup(NULL);
    KEYS("st\t"); /* several, nothing in common beyond this: a list, and the line again */
    assert_int_equal(term.bells, 0);
    assert_string_equal(row_text(0), "tophalf> st");
    assert_string_equal(row_text(1), "stats   status  stress");
    assert_string_equal(row_text(2), "tophalf> st");
    KEYS("at\x02\x02\t"); /* also with the cursor inside the word */
    assert_string_equal(row_text(2), "tophalf> stat");
    assert_string_equal(row_text(3), "stats   status  stress");
}

static void test_completion_without_room(void **state)
{
    (void)state;
    for (unsigned i = 0; i < LINEEDIT_MAX - 2; i++)
        KEYS(" ");
    KEYS("al"); /* "alpha" no longer fits */
    KEYS("\t");
    assert_int_equal(ed.len, LINEEDIT_MAX);
    assert_true(term.bells > 0);
}

static void test_long_line(void **state)
{
    (void)state;
    for (unsigned i = 0; i < LINEEDIT_MAX; i++)
        feed_bytes(&"0123456789"[i % 10], 1);
    assert_int_equal(ed.len, LINEEDIT_MAX);
    assert_int_equal(term.bells, 0);
    KEYS("x"); /* one too many */
    assert_int_equal(ed.len, LINEEDIT_MAX);
    assert_int_equal(term.bells, 1);
    for (unsigned i = 0; i < LINEEDIT_MAX + 5; i++)
        KEYS("\x02");
    assert_int_equal(ed.cursor, 0);
    for (unsigned i = 0; i < LINEEDIT_MAX + 5; i++)
        KEYS("\x06");
    assert_int_equal(ed.cursor, LINEEDIT_MAX);
    KEYS("\x01\x05\x01");
    KEYS("\x0b\x19\x19"); /* kill all, yank it, and yank what does not fit */
    assert_int_equal(ed.len, LINEEDIT_MAX);
    assert_int_equal(term.bells, 2);
    for (unsigned i = 0; i < 200; i++)
        KEYS("\x7f");
    assert_int_equal(KEYS("\r"), LINEEDIT_LINE);
    assert_int_equal(strlen(ed.line), LINEEDIT_MAX - 200);
}

static void test_redraw(void **state)
{
    (void)state;
    KEYS("abc\x02");
    term_mark();
    lineedit_hide(&ed);
    assert_string_equal(row_text(term.row), "");
    assert_int_equal(term.column, 0);
    assert_null(strchr(term.sent, 0x1b)); /* plain text, for those who read the port */
    term_write(NULL, "[    1.234567] nic: link up\n", 28);
    lineedit_show(&ed);
    check_screen();
    assert_string_equal(row_text(0), "[    1.234567] nic: link up");
    KEYS("X\x0c"); /* Ctrl-L: on a clear screen */
    assert_int_equal(term.row, 0);
    assert_string_equal(row_text(0), "tophalf> abXc");
    assert_string_equal(row_text(1), "");
}

/* Any bytes, with log lines in between: the screen stays true, the sanitizers stay silent. */
static void test_random_bytes(void **state)
{
    static const char common[] = "\x01\x02\x05\x06\x04\x08\x7f\x0b\x15\x17\x19\x10\x0e\t\033[DC"
                                 "AB1;5~3ab st h \r\n\x03\x0c";
    uint32_t rng = 1;

    (void)state;
    for (unsigned i = 0; i < 300000; i++) {
        uint8_t byte;

        rng = rng * 1664525 + 1013904223;
        byte = rng >> 30 == 0   ? (uint8_t)(rng >> 16)
               : rng >> 29 == 2 ? (uint8_t)('a' + (rng >> 16) % 26)
                                : (uint8_t)common[(rng >> 12) % (sizeof(common) - 1)];
        if (byte == '\r' || byte == '\n' || byte == 3)
            if ((rng >> 8) % 16 != 0)
                byte = 'x'; /* let lines grow long */
        term.sent_len = 0;
        if (lineedit_feed(&ed, byte) != LINEEDIT_MORE)
            lineedit_start(&ed);
        check_screen();
        if ((rng >> 4) % 64 == 0) {
            lineedit_hide(&ed);
            assert_string_equal(row_text(term.row), "");
            lineedit_show(&ed);
            check_screen();
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_plain_typing_echoes_only_itself, setup),
        cmocka_unit_test_setup(test_edits, setup),
        cmocka_unit_test_setup(test_escape_sequences, setup),
        cmocka_unit_test_setup(test_garbage, setup),
        cmocka_unit_test_setup(test_line_ends, setup),
        cmocka_unit_test_setup(test_cancel, setup),
        cmocka_unit_test_setup(test_history, setup),
        cmocka_unit_test_setup(test_history_is_a_ring, setup),
        cmocka_unit_test_setup(test_completion, setup),
        cmocka_unit_test_setup(test_completion_without_room, setup),
        cmocka_unit_test_setup(test_long_line, setup),
        cmocka_unit_test_setup(test_redraw, setup),
        cmocka_unit_test_setup(test_random_bytes, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
