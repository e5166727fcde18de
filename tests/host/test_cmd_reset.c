/* The command `reset`: what it zeroes, and what it says. */
#include "fake_console.h"
#include "fakes.h"
#include <kernel/hist.h>
#include <kernel/reset.h>
#include <kernel/softirq.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct hist hist_a, hist_b;
static unsigned disabled, nic_resets, stack_resets;

static void reset_nic(void)
{
    assert_int_equal(disabled, 1);
    nic_resets++;
}
static void reset_stack(void)
{
    assert_int_equal(disabled, 1);
    stack_resets++;
}

/* In the kernel image the linker says where they end. */
const struct hist_entry hist_entries_start[] = {
    { "delay", "a", "ns", &hist_a },
    { "nic", "named as a resettable", "ns", &hist_b },
};
#define hist_entries_end (hist_entries_start + 2)
const struct resettable resettables_start[] = {
    { "nic", reset_nic },
    { "stack", reset_stack },
};
#define resettables_end (resettables_start + 2)
#include "../../kernel/cmd_reset.c"

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
    hist_add(&hist_a, 5);
    hist_add(&hist_b, 5);
    nic_resets = stack_resets = 0;
    return 0;
}

static int type(const char *line)
{
    int status = fake_console_type(&console_command_reset, line);

    assert_int_equal(disabled, 0);
    return status;
}

static void all(void **state)
{
    (void)state;
    assert_int_equal(type("reset"), 0);
    assert_string_equal(fake_console_text, "zeroed: nic stack delay nic\n");
    assert_int_equal(nic_resets + stack_resets, 2);
    assert_int_equal(hist_a.count + hist_b.count, 0);
    assert_int_equal(type("reset -j"), 0);
    assert_string_equal(fake_console_text, "{\"reset\":[\"nic\",\"stack\",\"delay\",\"nic\"]}");
    assert_int_equal(nic_resets + stack_resets, 4);
}

static void only_what_is_named(void **state)
{
    (void)state;
    assert_int_equal(type("reset delay"), 0);
    assert_string_equal(fake_console_text, "zeroed: delay\n");
    assert_int_equal(nic_resets + stack_resets, 0);
    assert_int_equal(hist_a.count, 0);
    assert_int_equal(hist_b.count, 1);
    assert_int_equal(type("reset stack nic stack -j"), 0);
    assert_string_equal(fake_console_text, "{\"reset\":[\"nic\",\"stack\",\"nic\"]}");
    assert_int_equal(nic_resets, 1);
    assert_int_equal(stack_resets, 1);
    assert_int_equal(hist_b.count, 0);
}

static void nothing_when_one_name_is_wrong(void **state)
{
    (void)state;
    assert_int_equal(type("reset nic nick delay"), 1);
    assert_non_null(strstr(fake_console_text, "nick"));
    assert_int_equal(nic_resets, 0);
    assert_int_equal(hist_a.count, 1);
}

static void tab(void **state)
{
    (void)state;
    assert_string_equal(console_command_reset.complete(1), "stack");
    assert_string_equal(console_command_reset.complete(2), "delay");
    assert_string_equal(console_command_reset.complete(3), "nic");
    assert_null(console_command_reset.complete(4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(all, setup),
        cmocka_unit_test_setup(only_what_is_named, setup),
        cmocka_unit_test_setup(nothing_when_one_name_is_wrong, setup),
        cmocka_unit_test(tab),
    };

    return cmocka_run_group_tests_name("cmd_reset", tests, NULL, NULL);
}
