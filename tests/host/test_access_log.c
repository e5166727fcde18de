/* The access log: what a line says, what of a request can not break it, and which lines there are.
 */
#include "fake_console.h"
#include "fakes.h"
#include "request.h"
#include <httpd/access_log.c>
#include <kernel/config.h>
#include <kernel/lib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static enum access_log where;
static uint64_t sample, rate;

unsigned config_choice(const char *key, const char *const *names, unsigned fallback)
{
    assert_string_equal(key, "http_log");
    assert_string_equal(names[ACCESS_LOG_RING], "ring");
    assert_int_equal(fallback, ACCESS_LOG_OFF);
    return where;
}

uint64_t config_u64(const char *key, uint64_t fallback, uint64_t min, uint64_t max)
{
    assert_true(min <= fallback && fallback <= max);
    return strcmp(key, "http_log_sample") == 0 ? sample : rate;
}

uint64_t time_unix(void)
{
    return 784111777; /* Sun, 06 Nov 1994 08:49:37 GMT */
}

void softirq_disable(void) {}
void softirq_enable(void) {}

char *ipaddr_ntoa_r(const ip_addr_t *address, char *buf, int size)
{
    (void)address;
    snprintf(buf, (size_t)size, "192.0.2.1");
    return buf;
}

static void log_as(enum access_log to, uint64_t one_in, uint64_t a_second)
{
    where = to;
    sample = one_in;
    rate = a_second;
    access_log_init();
    memset(&access_log_stats, 0, sizeof(access_log_stats));
    fake_time_ns += 10 * NS_PER_SEC;
    fake_printk_last[0] = '\0';
    fake_printk_lines = 0;
}

static struct tcp_pcb pcb;
static struct response response = { .status = 200, .body_bytes = 612 };
static struct conn conn = { .pcb = &pcb, .response = &response, .with_body = true };

static void write_one(const char *fields)
{
    struct http_request request = request_with(fields);

    access_log(&conn, &request);
}

#define WHO "192.0.2.1 - - [06/Nov/1994:08:49:37 +0000] "

static void test_combined(void **state)
{
    (void)state;
    log_as(ACCESS_LOG_CONSOLE, 1, 100);
    write_one("Referer: http://a/b\r\nUser-Agent: wrk/4\r\n");
    assert_string_equal(fake_printk_last,
                        WHO "\"GET / HTTP/1.1\" 200 612 \"http://a/b\" \"wrk/4\"");
    write_one("");
    assert_string_equal(fake_printk_last, WHO "\"GET / HTTP/1.1\" 200 612 \"-\" \"-\"");
    conn.with_body = false; /* HEAD */
    write_one("");
    assert_string_equal(fake_printk_last, WHO "\"GET / HTTP/1.1\" 200 0 \"-\" \"-\"");
    conn.with_body = true;
}

static void test_without_a_request_or_an_answer(void **state)
{
    (void)state;
    log_as(ACCESS_LOG_CONSOLE, 1, 100);
    access_log(&conn, NULL);
    assert_string_equal(fake_printk_last, WHO "\"-\" 200 612 \"-\" \"-\"");
    conn.response = NULL;
    write_one("");
    assert_string_equal(fake_printk_last, WHO "\"GET / HTTP/1.1\" - - \"-\" \"-\"");
    conn.response = &response;
}

/* Quotes, backslashes, and what a terminal would obey or a reader of lines take for a line. */
static void test_nothing_breaks_out(void **state)
{
    (void)state;
    log_as(ACCESS_LOG_CONSOLE, 1, 100);
    write_one("User-Agent: \" 200 1 \"x\\\t\xff\xc2\x9b\r\n");
    assert_string_equal(fake_printk_last, WHO "\"GET / HTTP/1.1\" 200 612 \"-\" "
                                              "\"\\x22 200 1 \\x22x\\x5c\\x09\\xff\\xc2\\x9b\"");
}

static void test_a_long_one_is_cut(void **state)
{
    char fields[6000] = "User-Agent: ";

    (void)state;
    log_as(ACCESS_LOG_CONSOLE, 1, 100);
    memset(fields + 12, '"', 4000);
    memcpy(fields + 4012, "\r\n", 3);
    write_one(fields);
    assert_in_range(strlen(fake_printk_last), 100, sizeof(fake_printk_last) - 1);
    assert_int_equal(access_log_stats.lines, 1);
}

static void test_off(void **state)
{
    (void)state;
    log_as(ACCESS_LOG_OFF, 1, 100);
    write_one("");
    assert_int_equal(fake_printk_lines, 0);
    assert_int_equal(access_log_stats.lines, 0);
}

static void test_one_in_so_many(void **state)
{
    (void)state;
    log_as(ACCESS_LOG_CONSOLE, 10, 10000);
    for (int i = 0; i < 1000; i++)
        write_one("");
    assert_int_equal(fake_printk_lines, 100);
    assert_int_equal(access_log_stats.lines, 100);
    assert_int_equal(access_log_stats.sampled_out, 900);
}

static void test_so_many_a_second(void **state)
{
    (void)state;
    log_as(ACCESS_LOG_CONSOLE, 1, 5);
    for (int second = 0; second < 3; second++) {
        for (int i = 0; i < 100; i++)
            write_one("");
        fake_time_ns += NS_PER_SEC - 1;
        write_one("");
        fake_time_ns += 1;
    }
    assert_int_equal(access_log_stats.lines, 15);
    assert_int_equal(access_log_stats.limited, 3 * 101 - 15);
}

static unsigned lines_shown(const char *typed)
{
    unsigned lines = 0;

    assert_int_equal(fake_console_type(&console_command_log, typed), 0);
    for (const char *c = fake_console_text; *c != '\0'; c++)
        lines += *c == '\n';
    return lines;
}

static void test_the_ring_and_its_command(void **state)
{
    char fields[64];

    (void)state;
    log_as(ACCESS_LOG_RING, 1, 10000);
    for (int i = 0; i < 50; i++) {
        snprintf(fields, sizeof(fields), "User-Agent: number-%d\r\n", i);
        write_one(fields);
    }
    assert_int_equal(fake_printk_lines, 0);
    assert_int_equal(lines_shown("log"), 20);
    assert_non_null(strstr(fake_console_text, "\"number-49\"\n"));
    assert_null(strstr(fake_console_text, "\"number-29\"\n"));
    assert_int_equal(lines_shown("log 3"), 3);
    assert_int_equal(lines_shown("log 0"), 0);
    assert_int_equal(lines_shown("log 1000"), 50);
    assert_true(fake_console_type(&console_command_log, "log x") != 0);
    assert_true(fake_console_type(&console_command_log, "log 1 2") != 0);
    where = ACCESS_LOG_OFF;
    access_log_init();
    assert_true(fake_console_type(&console_command_log, "log") != 0);
    assert_non_null(strstr(fake_console_text, "http_log=ring"));
}

/* However much is written, the last lines are there, whole. */
static void test_the_ring_goes_round(void **state)
{
    char fields[300];

    (void)state;
    log_as(ACCESS_LOG_RING, 1, 1000000);
    for (int i = 0; i < 20000; i++) {
        snprintf(fields, sizeof(fields), "User-Agent: %0*d\r\n", 1 + i % 200, i);
        write_one(fields);
    }
    assert_int_equal(lines_shown("log 5"), 5);
    assert_non_null(strstr(fake_console_text, "19999\"\n"));
    assert_memory_equal(fake_console_text, WHO, sizeof(WHO) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_combined),
        cmocka_unit_test(test_without_a_request_or_an_answer),
        cmocka_unit_test(test_nothing_breaks_out),
        cmocka_unit_test(test_a_long_one_is_cut),
        cmocka_unit_test(test_off),
        cmocka_unit_test(test_one_in_so_many),
        cmocka_unit_test(test_so_many_a_second),
        cmocka_unit_test(test_the_ring_and_its_command),
        cmocka_unit_test(test_the_ring_goes_round),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
