/* Commands about the system as a whole: help, version, uptime, dmesg, reboot, poweroff. */
#include "command.h"
#include <kernel/console.h>
#include <kernel/lib.h>
#include <kernel/power.h>
#include <kernel/printk.h>
#include <kernel/serial.h>
#include <kernel/time.h>
#include <string.h>

/* "lwIP 2.2.1": the stack may define it; the kernel also links without one. */
extern const char stack_version[] __attribute__((weak));

static int no_arguments(struct console *con)
{
    return console_error(con, "takes no arguments");
}

/* ---- help */

static void help_entry_json(struct json *j, const struct console_command *cmd)
{
    json_object(j, NULL);
    json_str(j, "name", cmd->name);
    json_str(j, "usage", cmd->usage);
    json_str(j, "help", cmd->help);
    json_object_end(j);
}

static void help_list(struct console *con, const struct console_command *first,
                      const struct console_command *end)
{
    struct json j;

    if (con->json) {
        console_json(con, &j);
        json_array(&j, "commands");
        for (; first < end; first++)
            help_entry_json(&j, first);
        json_array_end(&j);
        json_end(&j);
        return;
    }
    for (; first < end; first++)
        console_printf(con, "%-12s %s\n", first->name, first->help);
}

static int cmd_help(struct console *con, int argc, char **argv)
{
    const struct console_command *cmd;

    if (argc > 2)
        return console_error(con, "one command at a time");
    if (argc < 2) {
        help_list(con, console_commands_start, console_commands_end);
        return 0;
    }
    cmd = command_find(console_commands_start, console_commands_end, argv[1]);
    if (cmd == NULL)
        return console_error(con, "there is no command \"%s\"", argv[1]);
    if (con->json)
        help_list(con, cmd, cmd + 1);
    else
        console_printf(con, "usage: %s [-j]\n%s\n", cmd->usage, cmd->help);
    return 0;
}
CONSOLE_COMMAND(help, "help [command]",
                "this list; with a name, its usage; any command takes -j for JSON", cmd_help);

/* ---- version */

static int cmd_version(struct console *con, int argc, char **argv)
{
    const char *stack = &stack_version[0];
    struct json j;

    (void)argv;
    if (argc > 1)
        return no_arguments(con);
    if (con->json) {
        console_json(con, &j);
        json_str(&j, "name", "tophalf");
        json_str(&j, "version", TOPHALF_VERSION);
        json_str(&j, "app", TOPHALF_APP);
        json_str(&j, "stack", stack);
        json_str(&j, "compiler", "GCC " __VERSION__);
        json_end(&j);
        return 0;
    }
    console_printf(con, "Tophalf %s, app %s", TOPHALF_VERSION, TOPHALF_APP);
    if (stack != NULL)
        console_printf(con, ", %s", stack);
    console_printf(con, ", built with GCC %s\n", __VERSION__);
    return 0;
}
CONSOLE_COMMAND(version, "version", "what this system was built from", cmd_version);

/* ---- uptime */

static void uptime_text(struct console *con, uint64_t up_s, uint64_t unix_s)
{
    unsigned minutes = (unsigned)(up_s / 60 % 60), hours = (unsigned)(up_s / 3600 % 24);
    unsigned long long days = up_s / 86400;

    if (unix_s != 0)
        console_printf(con, " %02u:%02u:%02u", (unsigned)(unix_s / 3600 % 24),
                       (unsigned)(unix_s / 60 % 60), (unsigned)(unix_s % 60));
    console_printf(con, " up ");
    if (days > 0)
        console_printf(con, "%llu day%s, ", days, days > 1 ? "s" : "");
    if (up_s >= 3600)
        console_printf(con, "%2u:%02u\n", hours, minutes);
    else
        console_printf(con, "%u min %u s\n", minutes, (unsigned)(up_s % 60));
}

static int cmd_uptime(struct console *con, int argc, char **argv)
{
    uint64_t up_ns = time_ns(), unix_s = time_unix();
    struct json j;

    (void)argv;
    if (argc > 1)
        return no_arguments(con);
    if (!con->json) {
        uptime_text(con, up_ns / NS_PER_SEC, unix_s);
        return 0;
    }
    console_json(con, &j);
    json_u64(&j, "uptime_s", up_ns / NS_PER_SEC);
    json_u64(&j, "uptime_ns", up_ns);
    json_u64(&j, "since_loader_ns", time_since_loader_ns());
    if (unix_s != 0)
        json_u64(&j, "unix_time_s", unix_s);
    else
        json_null(&j, "unix_time_s");
    json_end(&j);
    return 0;
}
CONSOLE_COMMAND(uptime, "uptime", "the time of day (UTC) and how long the system has been up",
                cmd_uptime);

/* ---- dmesg */

static uint64_t log_line_count(void)
{
    uint64_t cursor = 0, time, count = 0;
    char text[2];

    while (printk_read(&cursor, &time, text, sizeof(text)))
        count++;
    return count;
}

/* -1: not a count */
static int64_t parse_count(const char *text)
{
    int64_t n = 0;

    for (const char *p = text; *p != '\0'; p++) {
        if (*p < '0' || *p > '9' || n > 1000000)
            return -1;
        n = n * 10 + (*p - '0');
    }
    return *text == '\0' ? -1 : n;
}

/* Lines that come while it prints are left out, or a busy log would never end. */
static void dmesg_show(struct console *con, uint64_t skip, uint64_t end)
{
    uint64_t cursor = 0, time;
    char text[256];
    struct json j;

    if (con->json) {
        console_json(con, &j);
        json_array(&j, "lines");
    }
    for (uint64_t i = 0; i < end && printk_read(&cursor, &time, text, sizeof(text)); i++) {
        if (i < skip)
            continue;
        if (con->json) {
            json_object(&j, NULL);
            json_u64(&j, "time_ns", time);
            json_str(&j, "text", text);
            json_object_end(&j);
        } else {
            console_printf(con, "[%5llu.%06llu] %s\n", (unsigned long long)(time / NS_PER_SEC),
                           (unsigned long long)(time % NS_PER_SEC / NS_PER_US), text);
        }
    }
    if (con->json) {
        json_array_end(&j);
        json_end(&j);
    }
}

static int cmd_dmesg(struct console *con, int argc, char **argv)
{
    uint64_t lines = log_line_count();
    int64_t wanted = argc > 1 ? parse_count(argv[1]) : (int64_t)lines;

    if (argc > 2 || wanted < 0)
        return console_error(con, "wants the number of lines, or nothing");
    dmesg_show(con, lines - MIN((uint64_t)wanted, lines), lines);
    return 0;
}
CONSOLE_COMMAND(dmesg, "dmesg [lines]", "the kernel's log, or its last lines", cmd_dmesg);

/* ---- reboot, poweroff */

/* The answer must have left the port before the machine goes. */
static void say_goodbye(struct console *con, const char *text)
{
    struct json j;

    if (con->json) {
        console_json(con, &j);
        json_bool(&j, "ok", true);
        json_end(&j);
        console_printf(con, "\n");
    } else {
        console_printf(con, "%s\n", text);
    }
    serial_flush();
}

static int cmd_reboot(struct console *con, int argc, char **argv)
{
    (void)argv;
    if (argc > 1)
        return no_arguments(con);
    say_goodbye(con, "rebooting");
    power_reboot();
}
CONSOLE_COMMAND(reboot, "reboot", "reset the machine", cmd_reboot);

static int cmd_poweroff(struct console *con, int argc, char **argv)
{
    (void)argv;
    if (argc > 1)
        return no_arguments(con);
    say_goodbye(con, "powering off");
    power_off();
}
CONSOLE_COMMAND(poweroff, "poweroff", "switch the machine off", cmd_poweroff);
