/* What the command `pci` prints. */
#include "../../drivers/cmd_pci.c"
#include "fakes.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct pci_function functions[] = {
    { .vendor_id = 0x8086, .device_id = 0x29c0, .class_code = 0x060000 },
    { .bus = 0x1a,
      .slot = 0x1f,
      .fn = 7,
      .vendor_id = 0x1af4,
      .device_id = 0x1041,
      .class_code = 0x020000,
      .revision = 1 },
};

const struct pci_function *pci_function(unsigned i)
{
    return i < ARRAY_SIZE(functions) ? &functions[i] : NULL;
}

static char out[1024];
static size_t out_len;

static void put(void *arg, const char *text, size_t len)
{
    (void)arg;
    assert_true(out_len + len < sizeof(out));
    memcpy(out + out_len, text, len);
    out[out_len += len] = '\0';
}

void console_printf(struct console *con, const char *fmt, ...)
{
    char line[256];
    va_list ap;

    assert_false(con->json);
    va_start(ap, fmt);
    put(NULL, line, (size_t)vsnprintf(line, sizeof(line), fmt, ap));
    va_end(ap);
}

int console_error(struct console *con, const char *fmt, ...)
{
    (void)con;
    put(NULL, fmt, strlen(fmt));
    return 1;
}

void console_json(struct console *con, struct json *j)
{
    assert_true(con->json);
    json_begin(j, put, NULL);
}

static int run(bool json, int argc)
{
    struct console con = { .json = json };
    char name[] = "pci", more[] = "x";
    char *argv[] = { name, more, NULL };

    out_len = 0;
    return console_command_pci.run(&con, argc, argv);
}

static void test_text(void **state)
{
    (void)state;
    assert_int_equal(run(false, 1), 0);
    assert_string_equal(out, "00:00.0 0600: 8086:29c0\n"
                             "1a:1f.7 0200: 1af4:1041 (rev 01)\n");
}

static void test_json(void **state)
{
    (void)state;
    assert_int_equal(run(true, 1), 0);
    assert_string_equal(out, "{\"functions\":[{\"bus\":0,\"slot\":0,\"function\":0,\"class\":1536,"
                             "\"vendor\":32902,\"device\":10688,\"revision\":0},"
                             "{\"bus\":26,\"slot\":31,\"function\":7,\"class\":512,"
                             "\"vendor\":6900,\"device\":4161,\"revision\":1}]}");
}

static void test_arguments(void **state)
{
    (void)state;
    assert_int_equal(run(false, 2), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_arguments),
    };

    return cmocka_run_group_tests_name("cmd_pci", tests, NULL, NULL);
}
