/*
 * `watch [-n seconds] command...`: gives a command again and again until a key is pressed, as
 * procps' watch does, and has it print the rates of its counters: console_rate(). With -j it is one
 * line of JSON each time, and nothing else. Main context.
 */
#include "command.h"
#include "rates.h"
#include <kernel/console.h>
#include <kernel/fmt.h>
#include <kernel/lib.h>
#include <kernel/time.h>
#include <string.h>

#define COLUMNS         79
#define INTERVAL_MS     1000u
#define INTERVAL_MS_MIN 100u
#define INTERVAL_MS_MAX 3600000u
#define REST_NS         (20 * NS_PER_MS) /* at least, where the output takes longer than the interval */
#define CLEAR_SCREEN    "\033[H\033[2J"

static struct rates rates; /* 4 KiB: not on the stack */

/* ---- arguments */

/* "2", "0.5", "0.125": seconds with up to three decimals. False: not that, or not in bounds. */
static bool parse_interval(const char *text, unsigned *ms)
{
    unsigned value = 0, decimals = 0;
    bool point = false, digits = false;

    for (; *text != '\0'; text++) {
        if (*text == '.' && digits && !point) {
            point = true;
            continue;
        }
        if (*text < '0' || *text > '9' || decimals == 3)
            return false;
        digits = true;
        decimals += point;
        value = value * 10 + (unsigned)(*text - '0');
        if (value > INTERVAL_MS_MAX)
            return false;
    }
    if (!digits || (point && decimals == 0) || value > INTERVAL_MS_MAX)
        return false;
    for (; decimals < 3; decimals++)
        value *= 10;
    *ms = value;
    return value >= INTERVAL_MS_MIN && value <= INTERVAL_MS_MAX;
}

/* Where the command begins in argv. Or 0, with *wrong set to a constant sentence. */
static int parse_options(int argc, char **argv, unsigned *interval_ms, const char **wrong)
{
    int i = 1;

    if (i < argc && strcmp(argv[i], "-n") == 0) {
        if (i + 1 >= argc || !parse_interval(argv[i + 1], interval_ms)) {
            *wrong = "-n wants seconds, 0.1 to 3600";
            return 0;
        }
        i += 2;
    }
    if (i >= argc) {
        *wrong = "wants a command to repeat: watch [-n seconds] command...";
        return 0;
    }
    if (argv[i][0] == '-') {
        *wrong = "there is no such option: watch [-n seconds] command...";
        return 0;
    }
    return i;
}

/* Why this command is not to be repeated; NULL: it may be. */
static const char *refusal(const char *name)
{
    if (strcmp(name, "watch") == 0)
        return "can not watch itself";
    if (strcmp(name, "reboot") == 0 || strcmp(name, "poweroff") == 0)
        return "would end the system, and could not repeat that";
    return NULL;
}

/* ---- the header: "Every 1.0s: stats nic                 up 12.3 s" */

static void print_header(struct console *con, unsigned interval_ms, uint64_t now_ns, int argc,
                         char **argv)
{
    char left[COLUMNS + 1], right[32];
    int room, n;

    room = COLUMNS - 2 -
           fmt_snprintf(right, sizeof(right), "up %llu.%llu s",
                        (unsigned long long)(now_ns / NS_PER_SEC),
                        (unsigned long long)(now_ns / (NS_PER_SEC / 10) % 10));
    if (interval_ms % 100 == 0)
        n = fmt_snprintf(left, sizeof(left), "Every %u.%us:", interval_ms / 1000,
                         interval_ms / 100 % 10);
    else
        n = fmt_snprintf(left, sizeof(left), "Every %u.%03us:", interval_ms / 1000,
                         interval_ms % 1000);
    for (int i = 0; i < argc && n < room; i++)
        n += fmt_snprintf(left + n, sizeof(left) - (size_t)n, " %s", argv[i]);
    console_printf(con, "%s%-*.*s  %s\n\n", CLEAR_SCREEN, room, room, left, right);
}

/* ---- the command */

/* Once more. Returns what the command did. */
static int run_once(struct console *con, uint64_t now_ns, int argc, char **argv)
{
    char *copy[COMMAND_ARGS_MAX];

    memcpy(copy, argv, (size_t)argc * sizeof(argv[0])); /* it may take its options off */
    rates_begin(&rates, now_ns);
    return console_run(con, argc, copy);
}

static int repeat(struct console *con, unsigned interval_ms, int argc, char **argv)
{
    uint64_t next_ns = time_ns(), now_ns;
    int status;

    memset(&rates, 0, sizeof(rates));
    con->rates = &rates;
    do {
        now_ns = time_ns();
        if (!con->json)
            print_header(con, interval_ms, now_ns, argc, argv);
        status = run_once(con, now_ns, argc, argv);
        /* At even distances, however long it took. */
        next_ns = MAX(next_ns + interval_ms * NS_PER_MS, time_ns() + REST_NS);
    } while (status == 0 && !con->interrupted && console_wait(con, next_ns, true));
    con->rates = NULL;
    return status;
}

static int cmd_watch(struct console *con, int argc, char **argv)
{
    unsigned interval_ms = INTERVAL_MS;
    const char *wrong = NULL;
    int at = parse_options(argc, argv, &interval_ms, &wrong);

    if (at == 0)
        return console_error(con, "%s", wrong);
    wrong = refusal(argv[at]);
    if (wrong != NULL)
        return console_error(con, "%s %s", argv[at], wrong);
    /* Before the screen is cleared. */
    if (command_find(console_commands_start, console_commands_end, argv[at]) == NULL)
        return console_run(con, argc - at, argv + at);
    return repeat(con, interval_ms, argc - at, argv + at);
}

static const char *command_name(unsigned i)
{
    return i < (size_t)(console_commands_end - console_commands_start)
               ? console_commands_start[i].name
               : NULL;
}
CONSOLE_COMMAND_COMPLETE(watch, "watch [-n seconds] command [arguments]",
                         "repeat a command, with the rates of its counters, until a key is pressed",
                         cmd_watch, command_name);
