/* The commands `interrupts` and `softirq`: rates, and what a reset does to them. */
#include "fake_console.h"
#include "fakes.h"
#include <kernel/lib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../kernel/cmd_irq.c"

static struct irq_info vectors[80];
static unsigned vector_count;
static struct irq_counts irq;
static struct softirq_stats softirqs[SOFTIRQ_COUNT];
static struct softirq_totals rounds;

bool irq_info(unsigned i, struct irq_info *out)
{
    if (i < vector_count)
        *out = vectors[i];
    return i < vector_count;
}
void irq_counts(struct irq_counts *out)
{
    *out = irq;
}
void irq_reset_counts(void)
{
    for (unsigned i = 0; i < vector_count; i++)
        vectors[i].count = vectors[i].ticks = 0;
    irq = (struct irq_counts){ 0 };
}
bool softirq_stats(unsigned nr, struct softirq_stats *out)
{
    if (nr < SOFTIRQ_COUNT)
        *out = softirqs[nr];
    return nr < SOFTIRQ_COUNT;
}
void softirq_totals(struct softirq_totals *out)
{
    *out = rounds;
}

/* Under watch, with the rate 1.5/s for all. */
const char *console_rate_text(struct console *con, uint64_t value, unsigned width,
                              char text[CONSOLE_RATE_MAX])
{
    (void)value;
    snprintf(text, CONSOLE_RATE_MAX, "%*s", con->rates != NULL ? (int)width : 0,
             con->rates != NULL ? " 1.5/s" : "");
    return text;
}

static int setup(void **state)
{
    (void)state;
    memset(&since, 0, sizeof(since));
    memset(&zero, 0, sizeof(zero));
    vector_count = 2;
    vectors[0] = (struct irq_info){ "serial", "IO-APIC 4-edge", 48, 100, 7 };
    vectors[1] = (struct irq_info){ "virtio0-input.0", "PCI-MSI-X", 50, 5000, 9 };
    irq = (struct irq_counts){ .spurious = 2, .unexpected = 1, .apic_errors = 4 };
    irq.apic_error_status = 0x80;
    softirqs[0] = (struct softirq_stats){ "timer", 10, 10 };
    softirqs[1] = (struct softirq_stats){ "net", 31, 30 };
    softirqs[2] = (struct softirq_stats){ "serial", 5, 5 };
    rounds = (struct softirq_totals){ 40, 5, 3 };
    fake_time_ns = 2 * NS_PER_SEC;
    return 0;
}

static int interrupts(bool json)
{
    return fake_console_type(&console_command_interrupts, json ? "interrupts -j" : "interrupts");
}

static void the_first_rate_is_since_boot(void **state)
{
    (void)state;
    assert_int_equal(interrupts(false), 0);
    assert_string_equal(fake_console_text,
                        "            CPU0     rate/s\n"
                        " 48:        100       50.0  IO-APIC 4-edge      serial\n"
                        " 50:       5000       2500  PCI-MSI-X           virtio0-input.0\n"
                        "SPU:          2        1.0  Spurious interrupts\n"
                        "UNX:          1        0.5  Interrupts on vectors that nobody requested\n"
                        "ERR:          4        2.0  Local APIC errors (status 0x80)\n");
}

static void the_next_one_since_the_last(void **state)
{
    (void)state;
    interrupts(false);
    fake_time_ns += 500 * NS_PER_MS;
    vectors[1].count += 7;
    irq.spurious++;
    assert_int_equal(interrupts(true), 0);
    assert_string_equal(fake_console_text,
                        "{\"interval_ns\":500000000,\"interrupts\":["
                        "{\"vector\":48,\"controller\":\"IO-APIC 4-edge\",\"name\":\"serial\","
                        "\"count\":100,\"per_second_milli\":0,\"ticks\":7},"
                        "{\"vector\":50,\"controller\":\"PCI-MSI-X\",\"name\":\"virtio0-input.0\","
                        "\"count\":5007,\"per_second_milli\":14000,\"ticks\":9}],"
                        "\"spurious\":3,\"unexpected\":1,\"errors\":4,\"error_status\":128}");
    interrupts(false); /* no time has passed: no rates, and no division by it */
    assert_non_null(strstr(fake_console_text, " 50:       5007          0  PCI"));
}

static void a_vector_that_is_new_has_its_own_rate(void **state)
{
    (void)state;
    interrupts(false);
    vectors[2] = vectors[1]; /* a lower vector: those behind it move down a row */
    vectors[1] = (struct irq_info){ "new", "PCI-MSI-X", 49, 3, 0 };
    vector_count = 3;
    fake_time_ns += NS_PER_SEC;
    vectors[2].count += 4;
    interrupts(false);
    assert_non_null(
        strstr(fake_console_text, " 49:          3        3.0  PCI-MSI-X           new"));
    assert_non_null(strstr(fake_console_text, " 50:       5004        4.0  PCI"));
}

static void reset_of_interrupts(void **state)
{
    (void)state;
    interrupts(false);
    fake_time_ns += NS_PER_SEC;
    resettable_interrupts.reset();
    fake_time_ns += 2 * NS_PER_SEC;
    vectors[0].count = 5;
    interrupts(false);
    assert_non_null(strstr(fake_console_text, " 48:          5        2.5  IO-APIC"));
    assert_non_null(strstr(fake_console_text, " 50:          0          0  PCI"));
    assert_non_null(strstr(fake_console_text, "SPU:          0          0  Spur"));
    assert_non_null(
        strstr(fake_console_text, "ERR:          0          0  Local APIC errors (status 0x0)"));
}

static void more_vectors_than_rows(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(vectors); i++)
        vectors[i] = (struct irq_info){ "x", "y", 100 + (int)i, 1, 1 };
    vector_count = ARRAY_SIZE(vectors);
    assert_int_equal(interrupts(true), 0);
    assert_non_null(strstr(fake_console_text, "\"vector\":163"));
    assert_null(strstr(fake_console_text, "\"vector\":164"));
}

static void softirq_counts(void **state)
{
    (void)state;
    assert_int_equal(fake_console_type(&console_command_softirq, "softirq"), 0);
    assert_string_equal(fake_console_text, "                    CPU0     raised\n"
                                           "       timer:         10         10\n"
                                           "         net:         30         31\n"
                                           "      serial:          5          5\n"
                                           "rounds:\n"
                                           "                      40 at interrupt exit\n"
                                           "                       5 from the main loop\n"
                                           "                       3 deferred\n");
}

static void softirq_under_watch(void **state)
{
    static int dummy; /* never looked into */
    struct console con = { .rates = (struct rates *)(void *)&dummy };
    char name[] = "softirq", *argv[] = { name, NULL };

    (void)state;
    fake_console_clear();
    assert_int_equal(console_command_softirq.run(&con, 1, argv), 0);
    assert_non_null(strstr(fake_console_text,
                           "                    CPU0                 raised\n"
                           "       timer:         10       1.5/s         10       1.5/s\n"));
    assert_non_null(
        strstr(fake_console_text, "                      40       1.5/s at interrupt exit\n"));
}

/* What was pending is counted as raised, and will be as run. */
static void reset_of_softirq(void **state)
{
    (void)state;
    resettable_softirq.reset();
    assert_int_equal(fake_console_type(&console_command_softirq, "softirq -j"), 0);
    assert_string_equal(fake_console_text,
                        "{\"softirqs\":[{\"name\":\"timer\",\"raised\":0,\"runs\":0},"
                        "{\"name\":\"net\",\"raised\":1,\"runs\":0},"
                        "{\"name\":\"serial\",\"raised\":0,\"runs\":0}],"
                        "\"rounds_irq_exit\":0,\"rounds_main\":0,\"deferred\":0}");
    softirqs[1].runs += 2;
    softirqs[1].raised += 1;
    rounds.rounds_main += 2;
    rounds.deferred++;
    fake_console_type(&console_command_softirq, "softirq -j");
    assert_non_null(strstr(fake_console_text, "{\"name\":\"net\",\"raised\":2,\"runs\":2}"));
    assert_non_null(strstr(fake_console_text, "\"rounds_main\":2,\"deferred\":1}"));
}

static void arguments(void **state)
{
    (void)state;
    assert_int_equal(fake_console_type(&console_command_interrupts, "interrupts x"), 1);
    assert_int_equal(fake_console_type(&console_command_softirq, "softirq x -j"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_first_rate_is_since_boot, setup),
        cmocka_unit_test_setup(the_next_one_since_the_last, setup),
        cmocka_unit_test_setup(a_vector_that_is_new_has_its_own_rate, setup),
        cmocka_unit_test_setup(reset_of_interrupts, setup),
        cmocka_unit_test_setup(more_vectors_than_rows, setup),
        cmocka_unit_test_setup(softirq_counts, setup),
        cmocka_unit_test_setup(softirq_under_watch, setup),
        cmocka_unit_test_setup(reset_of_softirq, setup),
        cmocka_unit_test_setup(arguments, setup),
    };

    return cmocka_run_group_tests_name("cmd_irq", tests, NULL, NULL);
}
