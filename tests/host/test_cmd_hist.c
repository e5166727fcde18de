/* What the command `hist` draws. */
#include "fake_console.h"
#include "fakes.h"
#include <kernel/hist.h>
#include <kernel/softirq.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct hist hist_a, hist_b, hist_c;

/* In the kernel image the linker says where they end. */
const struct hist_entry hist_entries_start[] = {
    { "first", "packets per poll", "packets", &hist_a },
    { "second", "poll duration", "ns", &hist_b },
    { "third", "nothing yet", "ns", &hist_c },
};
#define hist_entries_end (hist_entries_start + 3)
#include "../../kernel/cmd_hist.c"

static unsigned disabled;

void softirq_disable(void)
{
    disabled++;
}
void softirq_enable(void)
{
    assert_int_equal(disabled, 1);
    disabled--;
}

static int setup(void **state)
{
    (void)state;
    hist_reset(&hist_a);
    hist_reset(&hist_b);
    hist_reset(&hist_c);
    return 0;
}

static int type(const char *line)
{
    int status = fake_console_type(&console_command_hist, line);

    assert_int_equal(disabled, 0);
    return status;
}

static void packets(void **state)
{
    (void)state;
    hist_add_n(&hist_a, 0, 1);
    hist_add_n(&hist_a, 2, 50);
    hist_add_n(&hist_a, 3, 50);
    hist_add_n(&hist_a, 9, 25);
    assert_int_equal(type("hist first"), 0);
    assert_string_equal(
        fake_console_text,
        "first: packets per poll (packets)\n"
        "  count 126  mean 3.7  p50 3  p90 9  p99 9  max 9\n"
        "     0    1    0.7%  #\n"
        "     1    0    0.0%\n"
        "   2-3  100   79.3%  ##########################################################\n"
        "   4-7    0    0.0%\n"
        "  8-15   25   19.8%  ##############\n");
}

static void nanoseconds(void **state)
{
    (void)state;
    hist_add_n(&hist_b, 600, 1);
    hist_add_n(&hist_b, 1024, 1);
    hist_add_n(&hist_b, 4100, 2);
    hist_add_n(&hist_b, 70000, 3);
    hist_add_n(&hist_b, 600000, 3);
    hist_add_n(&hist_b, 2000000, 2);
    assert_int_equal(type("hist second"), 0);
    assert_string_equal(
        fake_console_text,
        "second: poll duration (ns)\n"
        "  count 12  mean 502 us  p50 73.7 us  p90 2.0 ms  p99 2.0 ms  max 2.0 ms\n"
        "   512-1023 ns  1    8.3%  #################\n"
        "    1.0-2.0 us  1    8.3%  #################\n"
        "    2.0-4.1 us  0    0.0%\n"
        "    4.1-8.2 us  2   16.6%  ##################################\n"
        "   8.2-16.4 us  0    0.0%\n"
        "  16.4-32.8 us  0    0.0%\n"
        "  32.8-65.5 us  0    0.0%\n"
        "   65.5-131 us  3   25.0%  ####################################################\n"
        "    131-262 us  0    0.0%\n"
        "    262-524 us  0    0.0%\n"
        "   524-1049 us  3   25.0%  ####################################################\n"
        "    1.0-2.1 ms  2   16.6%  ##################################\n");
}

static void empty(void **state)
{
    (void)state;
    assert_int_equal(type("hist third"), 0);
    assert_string_equal(fake_console_text, "third: nothing yet (ns): empty\n");
    assert_int_equal(type("hist"), 0);
    assert_string_equal(fake_console_text, "first: packets per poll (packets): empty\n\n"
                                           "second: poll duration (ns): empty\n\n"
                                           "third: nothing yet (ns): empty\n");
}

/* Whatever was counted: no line is longer than a terminal's, no row is lost. */
static void lines_fit(void **state)
{
    static const uint64_t values[] = { 0, 5, 999, 1000000, 1ull << 39, 1ull << 40, UINT64_MAX };

    (void)state;
    for (unsigned n = 0; n < 40; n += 13) {
        setup(NULL);
        for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
            hist_add_n(&hist_a, values[i], 1ull << n);
            hist_add_n(&hist_b, values[i], (uint64_t)i << n | 1);
        }
        assert_int_equal(type("hist"), 0);
        for (const char *line = fake_console_text; *line != '\0'; line = strchr(line, '\n') + 1)
            if (strncmp(line, "  count", 7) != 0)
                assert_in_range(strcspn(line, "\n"), 0, 79);
        assert_non_null(strstr(fake_console_text, "\n  549755813888-18446744073709551615"));
        assert_non_null(strstr(fake_console_text, "\n  550-18446744074 s"));
    }
}

static void json(void **state)
{
    (void)state;
    hist_add_n(&hist_a, 2, 3);
    hist_add_n(&hist_a, 9, 1);
    assert_int_equal(type("hist first -j"), 0);
    assert_string_equal(
        fake_console_text,
        "{\"histograms\":[{\"name\":\"first\",\"title\":\"packets per poll\","
        "\"unit\":\"packets\",\"count\":4,\"sum\":15,\"mean\":3,\"p50\":2,\"p90\":9,"
        "\"p99\":9,\"max\":9,\"buckets\":[{\"low\":2,\"high\":3,\"count\":3},"
        "{\"low\":8,\"high\":15,\"count\":1}]}]}");
    assert_int_equal(type("hist third -j"), 0);
    assert_string_equal(fake_console_text,
                        "{\"histograms\":[{\"name\":\"third\",\"title\":\"nothing yet\","
                        "\"unit\":\"ns\",\"count\":0,\"sum\":0,\"mean\":0,\"p50\":0,\"p90\":0,"
                        "\"p99\":0,\"max\":0,\"buckets\":[]}]}");
}

static void arguments(void **state)
{
    (void)state;
    assert_int_equal(type("hist fourth"), 1);
    assert_non_null(strstr(fake_console_text, "no histogram fourth"));
    assert_int_equal(type("hist first second"), 1);
    assert_string_equal(console_command_hist.complete(0), "first");
    assert_string_equal(console_command_hist.complete(2), "third");
    assert_null(console_command_hist.complete(3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(packets, setup), cmocka_unit_test_setup(nanoseconds, setup),
        cmocka_unit_test_setup(empty, setup),   cmocka_unit_test_setup(lines_fit, setup),
        cmocka_unit_test_setup(json, setup),    cmocka_unit_test_setup(arguments, setup),
    };

    return cmocka_run_group_tests_name("cmd_hist", tests, NULL, NULL);
}
