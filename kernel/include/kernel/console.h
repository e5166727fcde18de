/*
 * The serial console and its commands. A command stands beside what it shows, in whatever layer
 * that is, and is found through a linker section, so that the console knows no layer above it:
 *
 *   static int cmd_uptime(struct console *con, int argc, char **argv) { ... }
 *   CONSOLE_COMMAND(uptime, "uptime", "how long the system has been up", cmd_uptime);
 *
 * Every command also answers to -j with one line of JSON: the console takes the option off argv
 * and sets con->json; the command then prints through console_json() only.
 */
#ifndef KERNEL_CONSOLE_H
#define KERNEL_CONSOLE_H

#include <kernel/json.h>
#include <stdbool.h>
#include <stdint.h>

struct console {
    bool json;           /* -j was given */
    bool interrupted;    /* Ctrl-C was pressed during console_wait(); under `watch` any key */
    struct rates *rates; /* `watch` repeats the command: console_rate(); else NULL */
    /* Where the output goes; NULL: to the serial port. Its owner embeds the console. */
    void (*write)(struct console *con, const char *text, size_t len);
};

struct console_command {
    const char *name;
    const char *usage; /* "ping [-c count] host" */
    const char *help;  /* one line */
    /*
     * Returns 0, or 1 when it failed; it has said why by console_error(). Main context with
     * softirqs enabled: softirq_disable() around what it reads from the stack or a driver.
     */
    int (*run)(struct console *con, int argc, char **argv);
    /* Names that Tab completes as the first argument: the i-th, NULL past the end. May be NULL. */
    const char *(*complete)(unsigned i);
};

#define CONSOLE_COMMAND(ident, usage_, help_, fn)                                                  \
    CONSOLE_COMMAND_COMPLETE(ident, usage_, help_, fn, 0)

#define CONSOLE_COMMAND_COMPLETE(ident, usage_, help_, fn, complete_)                              \
    CONSOLE_COMMAND_NAMED(ident, #ident, usage_, help_, fn, complete_)

/* For a name that is not an identifier: "defer-us". */
#define CONSOLE_COMMAND_NAMED(ident, name_, usage_, help_, fn, complete_)                          \
    static const struct console_command console_command_##ident                                    \
        __attribute__((used, section(".console." #ident), aligned(8))) = {                         \
            .name = name_, .usage = usage_, .help = help_, .run = fn, .complete = complete_        \
        }

void console_init(void); /* boot, after serial_start(): the banner and the first prompt */

/* Feed what has been typed to the line editor and run finished lines. Main context. */
void console_poll(void);

/* Print; waits for room in the serial ring (with softirqs disabled it can not wait: what does
 * not fit is dropped, and counted). At most CONSOLE_PRINTF_MAX bytes a call. Main context. */
#define CONSOLE_PRINTF_MAX 1023
void console_printf(struct console *con, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Say what went wrong: "name: message", or {"error":"message"} with -j. Returns 1. */
int console_error(struct console *con, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Begin the command's JSON object on this console; close it with json_end(). */
void console_json(struct console *con, struct json *j);

/*
 * The rate of a counter that is being printed, for commands that `watch` repeats: call it once for
 * each counter, in the same order each time, as the n-th of one run is compared with the n-th of
 * the run before. (Not for gauges: a pool's free buffers have no rate.)
 *
 * Returns true and thousandths per second; false outside of watch, in its first run, and for a
 * counter that went down (it was zeroed). Main context.
 */
bool console_rate(struct console *con, uint64_t value, uint64_t *per_second_milli);

/*
 * The same as text: " 12.3/s" with blanks in front up to `width` columns, all blanks where there is
 * no rate yet, "" outside of watch, so that it can stand behind the value as it is:
 *
 *   console_printf(con, "%s: %lu%s\n", name, value, console_rate_text(con, value, 14, text));
 *
 * Returns text.
 */
#define CONSOLE_RATE_MAX 40
const char *console_rate_text(struct console *con, uint64_t value, unsigned width,
                              char text[CONSOLE_RATE_MAX]);

/*
 * Run a command by its name, as if it had been typed: what it says about an error is in its name,
 * and its output ends with a line's end. argv (of which it may change the pointers) has argc of
 * them. Returns what the command does, 1 where there is none of that name. Main context.
 */
int console_run(struct console *con, int argc, char **argv);

/*
 * printk's bracket around log lines on the serial port. begin() returns false while a line there
 * is incomplete, and takes the prompt with what has been typed away otherwise; end() brings it
 * back. Any context, interrupts off.
 */
bool console_log_begin(void);
void console_log_end(void);

/*
 * Wait until time_ns() reaches the deadline, running the system meanwhile. Returns false when
 * Ctrl-C (or, if any_key or under `watch`, any key) was pressed; that key is consumed. Main
 * context, softirqs enabled.
 */
bool console_wait(struct console *con, uint64_t deadline_ns, bool any_key);

#endif
