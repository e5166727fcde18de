/* kernel/command.c: words, options, the nearest name, completion candidates. */
#include "command.h"
#include "fakes.h"
#include <kernel/lib.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char *ping_hosts(unsigned i)
{
    static const char *const hosts[] = { "10.0.2.2", "gateway" };
    return i < ARRAY_SIZE(hosts) ? hosts[i] : NULL;
}

static const struct console_command commands[] = {
    { .name = "dmesg" },      { .name = "free" },   { .name = "help" },
    { .name = "interrupts" }, { .name = "ip" },     { .name = "ping", .complete = ping_hosts },
    { .name = "poweroff" },   { .name = "reboot" }, { .name = "softirq" },
    { .name = "ss" },         { .name = "stats" },  { .name = "uptime" },
    { .name = "version" },
};
static const struct console_command *const end = commands + ARRAY_SIZE(commands);

/* Split a heap copy (so that the sanitizer sees its bounds) and compare the words, joined by '|'.
 */
static void expect_words(const char *text, const char *want)
{
    char *line = strdup(text), joined[512] = "";
    char *argv[COMMAND_ARGS_MAX];
    const char *error = NULL;
    int argc = command_split(line, argv, &error);

    if (argc < 0) {
        assert_non_null(error);
        snprintf(joined, sizeof(joined), "error: %s", error);
    }
    for (int i = 0; i < argc; i++) {
        strcat(joined, argv[i]);
        strcat(joined, "|");
    }
    assert_string_equal(joined, want);
    free(line);
}

static void test_split(void **state)
{
    (void)state;
    expect_words("", "");
    expect_words("   \t ", "");
    expect_words("help", "help|");
    expect_words("  ping  -c 3\thost ", "ping|-c|3|host|");
    expect_words("a \"b c\" d", "a|b c|d|");
    expect_words("a \"\" b", "a||b|");
    expect_words("\"\"", "|");
    expect_words("x\"y z\"w", "xy zw|");
    expect_words("\"a\"\"b\"", "ab|");
    expect_words("\"say \\\"hi\\\" \\\\ \\n\"", "say \"hi\" \\ \\n|");
    expect_words("back\\slash", "back\\slash|");
    expect_words("\"open", "error: a double quote is not closed");
    expect_words("a b\"", "error: a double quote is not closed");
    expect_words("\"x\\", "error: a double quote is not closed");
    expect_words("\"x\\\"", "error: a double quote is not closed");
    for (unsigned count = COMMAND_ARGS_MAX - 1; count <= COMMAND_ARGS_MAX + 1; count++) {
        char line[2 * COMMAND_ARGS_MAX + 8] = "", words[2 * COMMAND_ARGS_MAX + 8] = "";

        for (unsigned i = 0; i < count; i++) {
            strcat(line, i % 2 ? "b " : "a ");
            strcat(words, i % 2 ? "b|" : "a|");
        }
        expect_words(line, count <= COMMAND_ARGS_MAX ? words : "error: too many arguments");
    }
}

static void expect_option(const char *text, bool found, const char *rest)
{
    char line[128], joined[128] = "";
    char *argv[COMMAND_ARGS_MAX];
    const char *error;
    int argc;

    snprintf(line, sizeof(line), "%s", text);
    argc = command_split(line, argv, &error);
    assert_int_equal(command_take_option(&argc, argv, "-j"), found);
    for (int i = 0; i < argc; i++) {
        strcat(joined, argv[i]);
        strcat(joined, "|");
    }
    assert_string_equal(joined, rest);
}

static void test_option(void **state)
{
    int none = 0;

    (void)state;
    expect_option("free", false, "free|");
    expect_option("free -j", true, "free|");
    expect_option("ping -j -c 3 host", true, "ping|-c|3|host|");
    expect_option("ping host -j -j", true, "ping|host|");
    expect_option("-j", false, "-j|"); /* the name itself */
    expect_option("x -json -", false, "x|-json|-|");
    expect_option("x -- -j", false, "x|--|-j|");
    expect_option("x -j -- -j", true, "x|--|-j|");
    assert_false(command_take_option(&none, NULL, "-j"));
}

static void test_distance(void **state)
{
    static const struct {
        const char *a, *b;
        unsigned distance;
    } cases[] = {
        { "", "", 0 },
        { "", "abc", 3 },
        { "abc", "", 3 },
        { "free", "free", 0 },
        { "fre", "free", 1 },
        { "freee", "free", 1 },
        { "fred", "free", 1 },
        { "ferr", "free", 2 },
        { "rfee", "free", 1 },
        { "feer", "free", 2 },
        { "kitten", "sitting", 3 },
        { "ca", "abc", 3 },
        { "uptime", "emitpu", 5 },
    };
    char longest[33], longer[33];

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(command_distance(cases[i].a, cases[i].b), cases[i].distance);
        assert_int_equal(command_distance(cases[i].b, cases[i].a), cases[i].distance);
    }
    memset(longest, 'a', sizeof(longest));
    memset(longer, 'a', sizeof(longer));
    longest[31] = longer[32] = '\0';
    assert_int_equal(command_distance(longest, longest), 0);
    assert_true(command_distance(longer, longer) > 31);
}

static void expect_nearest(const char *name, const char *want)
{
    const struct console_command *near = command_nearest(commands, end, name);

    if (want == NULL && near != NULL)
        fail_msg("\"%s\" is near \"%s\"", name, near->name);
    if (want != NULL) {
        assert_non_null(near);
        assert_string_equal(near->name, want);
    }
}

static void test_find_and_nearest(void **state)
{
    (void)state;
    for (const struct console_command *c = commands; c < end; c++)
        assert_ptr_equal(command_find(commands, end, c->name), c);
    assert_null(command_find(commands, end, "fre"));
    assert_null(command_find(commands, end, ""));
    assert_null(command_find(commands, commands, "free"));

    expect_nearest("fre", "free");
    expect_nearest("rfee", "free");
    expect_nearest("hlep", "help");
    expect_nearest("pign", "ping");
    expect_nearest("inter", "interrupts"); /* its beginning */
    expect_nearest("intrerupts", "interrupts");
    expect_nearest("shutdown", NULL);
    expect_nearest("upitme", "uptime");
    expect_nearest("FREE", NULL);
    expect_nearest("sss", "ss");
    expect_nearest("xyzzy", NULL);
    expect_nearest("q", NULL);
    expect_nearest("", NULL);
    expect_nearest("an-overlong-name-that-nothing-is-like", NULL);
    assert_null(command_nearest(commands, commands, "free"));
}

static void test_candidates(void **state)
{
    (void)state;
    /* the first word: all commands */
    for (unsigned i = 0; i < ARRAY_SIZE(commands); i++)
        assert_string_equal(command_candidate(commands, end, "", 0, i), commands[i].name);
    assert_null(command_candidate(commands, end, "", 0, ARRAY_SIZE(commands)));
    assert_string_equal(command_candidate(commands, end, "   he", 3, 0), "dmesg");
    /* behind help: all commands again */
    assert_string_equal(command_candidate(commands, end, "help f", 5, 1), "free");
    assert_null(command_candidate(commands, end, "help free f", 10, 0));
    /* what the command offers, options in between or not */
    assert_string_equal(command_candidate(commands, end, "ping ", 5, 1), "gateway");
    assert_string_equal(command_candidate(commands, end, "  ping g", 7, 1), "gateway");
    assert_string_equal(command_candidate(commands, end, "ping -j g", 8, 1), "gateway");
    assert_null(command_candidate(commands, end, "ping ", 5, 2));
    assert_null(command_candidate(commands, end, "ping x y", 7, 0));
    assert_null(command_candidate(commands, end, "free ", 5, 0));
    assert_null(command_candidate(commands, end, "nothing ", 8, 0));
    assert_null(command_candidate(commands, end, "an-overlong-name-that-nothing-is-like x", 38, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split),      cmocka_unit_test(test_option),
        cmocka_unit_test(test_distance),   cmocka_unit_test(test_find_and_nearest),
        cmocka_unit_test(test_candidates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
