/* A console for host tests of commands: console_printf(), console_error(), console_json(). */
#include "fake_console.h"
#include "fakes.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

char fake_console_text[32768];
static size_t len;

static void put(void *arg, const char *text, size_t n)
{
    (void)arg;
    assert_true(len + n < sizeof(fake_console_text));
    memcpy(fake_console_text + len, text, n);
    fake_console_text[len += n] = '\0';
}

static void put_format(const char *fmt, va_list ap)
{
    char line[CONSOLE_PRINTF_MAX + 1];
    int n = vsnprintf(line, sizeof(line), fmt, ap);

    assert_in_range(n, 0, CONSOLE_PRINTF_MAX);
    put(NULL, line, (size_t)n);
}

void fake_console_clear(void)
{
    fake_console_text[len = 0] = '\0';
}

void console_printf(struct console *con, const char *fmt, ...)
{
    va_list ap;

    assert_false(con->json);
    va_start(ap, fmt);
    put_format(fmt, ap);
    va_end(ap);
}

int console_error(struct console *con, const char *fmt, ...)
{
    va_list ap;

    (void)con;
    put(NULL, "error: ", 7);
    va_start(ap, fmt);
    put_format(fmt, ap);
    va_end(ap);
    return 1;
}

void console_json(struct console *con, struct json *j)
{
    assert_true(con->json);
    json_begin(j, put, NULL);
}

int fake_console_type(const struct console_command *cmd, const char *line)
{
    char copy[256], *argv[17], *rest = copy;
    struct console con = { 0 };
    int argc = 0;

    fake_console_clear();
    assert_true(strlen(line) < sizeof(copy));
    strcpy(copy, line);
    while ((argv[argc] = strtok_r(rest, " ", &rest)) != NULL)
        assert_true(++argc < 17);
    if (argc > 0 && strcmp(argv[argc - 1], "-j") == 0) {
        con.json = true;
        argv[--argc] = NULL;
    }
    return cmd->run(&con, argc, argv);
}
