/* The command `watch`: what it repeats, how often, until when, and what it refuses. */
#include "command.h"
#include "fake_console.h"
#include "fakes.h"
#include <kernel/lib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* In the kernel image the linker says where they end. */
const struct console_command console_commands_start[] = {
    { .name = "poweroff" },
    { .name = "reboot" },
    { .name = "stats" },
    { .name = "watch" },
};
#define console_commands_end (console_commands_start + 4)
#include "../../kernel/cmd_watch.c"

static unsigned runs, ends_after, fails_at, interrupted_at;
static uint64_t run_takes_ns, run_at_ns[100];
static char arguments[128];

int console_run(struct console *con, int argc, char **argv)
{
    uint64_t milli = 0;

    if (strcmp(argv[0], "stats") != 0)
        return console_error(con, "%s is unknown", argv[0]);
    assert_true(runs < ARRAY_SIZE(run_at_ns));
    assert_non_null(con->rates);
    run_at_ns[runs] = fake_time_ns;
    *arguments = '\0';
    for (int i = 1; i < argc; i++)
        snprintf(arguments + strlen(arguments), sizeof(arguments) - strlen(arguments), "[%s]",
                 argv[i]);
    if (argc > 1)
        argv[1] = NULL; /* as a command that takes its options off */
    /* One more a run: the rate is that of the runs. */
    assert_int_equal(rates_next(con->rates, 100 + runs, &milli), runs > 0);
    if (runs > 0)
        assert_int_equal(milli, rate_milli(1, run_at_ns[runs] - run_at_ns[runs - 1]));
    fake_time_ns += run_takes_ns;
    runs++;
    con->interrupted = runs == interrupted_at;
    return runs == fails_at ? 7 : 0;
}

bool console_wait(struct console *con, uint64_t deadline_ns, bool any_key)
{
    assert_non_null(con->rates);
    assert_true(any_key);
    assert_true(deadline_ns >= fake_time_ns + 20 * NS_PER_MS);
    fake_time_ns = deadline_ns;
    return runs != ends_after;
}

static int setup(void **state)
{
    (void)state;
    fake_time_ns = 12345 * NS_PER_MS;
    runs = fails_at = interrupted_at = 0;
    ends_after = 5;
    run_takes_ns = 3 * NS_PER_MS;
    return 0;
}

static int type(const char *line)
{
    return fake_console_type(&console_command_watch, line);
}

static void every_second(void **state)
{
    (void)state;
    assert_int_equal(type("watch stats nic"), 0);
    assert_int_equal(runs, 5);
    for (unsigned i = 0; i < runs; i++)
        assert_int_equal(run_at_ns[i], 12345 * NS_PER_MS + i * NS_PER_SEC);
    assert_string_equal(arguments, "[nic]");
    assert_int_equal(
        strncmp(fake_console_text,
                "\033[H\033[2J"
                "Every 1.0s: stats nic                                                 "
                "up 12.3 s\n\n",
                7 + 79 + 2),
        0);
}

static void at_an_interval(void **state)
{
    static const struct {
        const char *line, *header;
        unsigned ms;
    } cases[] = {
        { "watch -n 0.1 stats", "Every 0.1s: stats ", 100 },
        { "watch -n 0.25 stats", "Every 0.250s: stats ", 250 },
        { "watch -n 2 stats -n 3", "Every 2.0s: stats -n 3 ", 2000 },
        { "watch -n 00.5 stats", "Every 0.5s: stats ", 500 },
        { "watch -n 1.125 stats", "Every 1.125s: stats ", 1125 },
        { "watch -n 3600 stats", "Every 3600.0s: stats ", 3600000 },
        { "watch -n 3600.000 stats", "Every 3600.0s: stats ", 3600000 },
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        setup(NULL);
        assert_int_equal(type(cases[i].line), 0);
        assert_int_equal(runs, 5);
        assert_int_equal(run_at_ns[1] - run_at_ns[0], cases[i].ms * NS_PER_MS);
        assert_int_equal(run_at_ns[4] - run_at_ns[3], cases[i].ms * NS_PER_MS);
        assert_non_null(strstr(fake_console_text, cases[i].header));
    }
}

static void no_such_interval(void **state)
{
    static const char *const wrong[] = {
        "0",           "0.0", "0.09", "0.0999", "3600.001", "3601", "99999999999999999999",
        "-1",          "1.",  ".5",   "1.0000", "1.2.3",    "0x1",  "1s",
        "1,5",         "+1",  "1e3",  "..",     ".",        "nan",  "4294967297",
        "4294968.297",
    };
    char line[80];

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
        snprintf(line, sizeof(line), "watch -n %s stats", wrong[i]);
        assert_int_equal(type(line), 1);
        assert_string_equal(fake_console_text, "error: -n wants seconds, 0.1 to 3600");
    }
    assert_int_equal(type("watch -n"), 1);
    assert_string_equal(fake_console_text, "error: -n wants seconds, 0.1 to 3600");
    assert_int_equal(runs, 0);
}

static void output_that_takes_longer(void **state)
{
    (void)state;
    run_takes_ns = 300 * NS_PER_MS;
    assert_int_equal(type("watch -n 0.1 stats"), 0);
    assert_int_equal(run_at_ns[1] - run_at_ns[0], 320 * NS_PER_MS); /* console_wait: a rest */
    run_takes_ns = 0;
    runs = 0; /* and nothing is made up for afterwards */
    assert_int_equal(type("watch -n 0.1 stats"), 0);
    assert_int_equal(run_at_ns[4] - run_at_ns[0], 400 * NS_PER_MS);
}

static void an_error_ends_it(void **state)
{
    (void)state;
    fails_at = 3;
    assert_int_equal(type("watch stats x y"), 7);
    assert_int_equal(runs, 3);
    assert_string_equal(arguments, "[x][y]"); /* the third time as well */
}

/* A key that the command itself was waiting for. */
static void a_key_during_the_command_ends_it(void **state)
{
    (void)state;
    interrupted_at = 2;
    assert_int_equal(type("watch stats"), 0);
    assert_int_equal(runs, 2);
}

static void json_is_nothing_else(void **state)
{
    (void)state;
    assert_int_equal(type("watch stats -j"), 0); /* console_printf() fails the test with -j */
    assert_string_equal(fake_console_text, "");
    assert_int_equal(runs, 5);
}

static void refused(void **state)
{
    (void)state;
    assert_int_equal(type("watch"), 1);
    assert_int_equal(type("watch -n 1"), 1);
    assert_non_null(strstr(fake_console_text, "wants a command"));
    assert_int_equal(type("watch -d stats"), 1);
    assert_non_null(strstr(fake_console_text, "no such option"));
    assert_int_equal(type("watch watch stats"), 1);
    assert_string_equal(fake_console_text, "error: watch can not watch itself");
    assert_int_equal(type("watch -n 2 reboot"), 1);
    assert_non_null(strstr(fake_console_text, "error: reboot would"));
    assert_int_equal(type("watch poweroff"), 1);
    assert_int_equal(type("watch stat"), 1); /* said before the screen is cleared */
    assert_string_equal(fake_console_text, "error: stat is unknown");
    assert_int_equal(runs, 0);
}

static void a_long_line_is_cut_in_the_header(void **state)
{
    const char *header;

    (void)state;
    ends_after = 1;
    assert_int_equal(type("watch stats a_rather_long_argument another_rather_long_argument "
                          "a_third_one_of_them and_that_is_far_beyond_any_screen"),
                     0);
    header = fake_console_text + strlen(CLEAR_SCREEN);
    assert_int_equal(strcspn(header, "\n"), 79);
    assert_int_equal(strncmp(strchr(header, '\n') - 11, "  up 12.3 s", 11), 0);
    fake_time_ns = UINT64_MAX - 2 * NS_PER_SEC;
    runs = 0;
    assert_int_equal(type("watch stats"), 0);
    assert_int_equal(strcspn(fake_console_text + strlen(CLEAR_SCREEN), "\n"), 79);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_second, setup),
        cmocka_unit_test_setup(at_an_interval, setup),
        cmocka_unit_test_setup(no_such_interval, setup),
        cmocka_unit_test_setup(output_that_takes_longer, setup),
        cmocka_unit_test_setup(an_error_ends_it, setup),
        cmocka_unit_test_setup(a_key_during_the_command_ends_it, setup),
        cmocka_unit_test_setup(json_is_nothing_else, setup),
        cmocka_unit_test_setup(refused, setup),
        cmocka_unit_test_setup(a_long_line_is_cut_in_the_header, setup),
    };

    return cmocka_run_group_tests_name("cmd_watch", tests, NULL, NULL);
}
