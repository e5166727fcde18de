/*
 * The serial console: what is typed goes through the line editor to a command; what commands and
 * the log write shares the one screen line by line.
 */
#include "command.h"
#include "lineedit.h"
#include "rates.h"
#include <kernel/barrier.h>
#include <kernel/console.h>
#include <kernel/context.h>
#include <kernel/fmt.h>
#include <kernel/lib.h>
#include <kernel/loop.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/serial.h>
#include <kernel/softirq.h>
#include <kernel/time.h>
#include <string.h>

#define PROMPT        "tophalf> "
#define WRITE_CHUNK   256  /* bytes that are waited for and written at once */
#define EDIT_ROOM     2048 /* ring bytes that one key may fill: a list of candidates */
#define LOG_ROOM      512  /* ring bytes for taking the prompt away and bringing it back */
#define TYPEAHEAD_MAX 1024
#define KEY_NS        (50 * NS_PER_MS) /* in which an escape sequence is complete, or CR LF */

/* What stands in the screen's last line. printk reads it in any context (console_log_begin). */
static enum {
    LINE_CLEAR,  /* nothing */
    LINE_OPEN,   /* an unfinished line of output, or the editor is at work: log lines wait */
    LINE_PROMPT, /* the prompt: can be taken away and brought back */
} line_state;

static struct console console;
static struct lineedit editor;
static const char *command_name = "console"; /* that errors begin with */

/* Typed while a command ran; read before the port is. */
static uint8_t typeahead[TYPEAHEAD_MAX];
static unsigned typeahead_first, typeahead_count;
static uint64_t return_ns; /* when a CR ended the command's line; 0: its LF would have come */

static void set_line_state(int state)
{
    barrier();
    WRITE_ONCE(line_state, state);
    barrier();
    if (state != LINE_OPEN)
        printk_echo(); /* lines that have waited */
}

static void serial_console_write(const char *text, size_t len)
{
    bool ends_line;

    ASSERT_CONTEXT(CONTEXT_MAIN);
    if (len == 0)
        return;
    ends_line = text[len - 1] == '\n';
    set_line_state(LINE_OPEN);
    while (len > 0) {
        size_t n = MIN(len, (size_t)WRITE_CHUNK);

        if (!context_is_bottom_half())
            serial_wait_room(2 * n);
        serial_write(text, n);
        text += n;
        len -= n;
    }
    if (ends_line)
        set_line_state(LINE_CLEAR);
}

static void console_write(void *arg, const char *text, size_t len)
{
    struct console *con = arg;

    if (con->write != NULL)
        con->write(con, text, len);
    else
        serial_console_write(text, len);
}

void console_printf(struct console *con, const char *fmt, ...)
{
    char text[CONSOLE_PRINTF_MAX + 1];
    va_list ap;
    size_t len;

    va_start(ap, fmt);
    len = (size_t)fmt_vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    console_write(con, text, MIN(len, (size_t)CONSOLE_PRINTF_MAX));
}

int console_error(struct console *con, const char *fmt, ...)
{
    char text[CONSOLE_PRINTF_MAX + 1];
    struct json j;
    va_list ap;

    va_start(ap, fmt);
    fmt_vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (con->json) {
        console_json(con, &j);
        json_str(&j, "command", command_name);
        json_str(&j, "error", text);
        json_end(&j);
    } else {
        console_printf(con, "%s: %s\n", command_name, text);
    }
    return 1;
}

void console_json(struct console *con, struct json *j)
{
    ASSERT(con->json);
    json_begin(j, console_write, con);
}

bool console_rate(struct console *con, uint64_t value, uint64_t *per_second_milli)
{
    return con->rates != NULL && rates_next(con->rates, value, per_second_milli);
}

const char *console_rate_text(struct console *con, uint64_t value, unsigned width,
                              char text[CONSOLE_RATE_MAX])
{
    char digits[RATE_TEXT_MAX], rate[CONSOLE_RATE_MAX] = "";
    uint64_t milli;

    if (console_rate(con, value, &milli))
        fmt_snprintf(rate, sizeof(rate), " %s/s", rate_text(digits, milli));
    fmt_snprintf(text, CONSOLE_RATE_MAX, "%*s", con->rates != NULL ? (int)width : 0, rate);
    return text;
}

bool console_log_begin(void)
{
    switch (line_state) {
    case LINE_OPEN:
        return false;
    case LINE_PROMPT:
        if (serial_room() < LOG_ROOM)
            return false;
        lineedit_hide(&editor);
        return true;
    case LINE_CLEAR:
        break;
    }
    return true;
}

void console_log_end(void)
{
    if (line_state == LINE_PROMPT)
        lineedit_show(&editor);
}

/* ---- commands */

static void show_help(struct console *con, const struct console_command *cmd)
{
    struct json j;

    if (con->json) {
        console_json(con, &j);
        json_str(&j, "name", cmd->name);
        json_str(&j, "usage", cmd->usage);
        json_str(&j, "help", cmd->help);
        json_end(&j);
    } else {
        console_printf(con, "usage: %s [-j]\n%s\n", cmd->usage, cmd->help);
    }
}

static void unknown_command(struct console *con, const char *name)
{
    const struct console_command *near =
        command_nearest(console_commands_start, console_commands_end, name);

    if (near != NULL)
        console_error(con, "unknown command; did you mean \"%s\"? (help lists them all)",
                      near->name);
    else
        console_error(con, "unknown command (help lists them all)");
}

static void end_line(const struct console *con)
{
    if (con->write == NULL &&
        line_state == LINE_OPEN) /* JSON ends here; the prompt begins a line */
        serial_console_write("\n", 1);
}

int console_run(struct console *con, int argc, char **argv)
{
    const struct console_command *cmd =
        command_find(console_commands_start, console_commands_end, argv[0]);
    const char *outer = command_name;
    int status = 1;

    ASSERT_CONTEXT(CONTEXT_MAIN);
    ASSERT(argc > 0);
    command_name = argv[0];
    if (cmd == NULL)
        unknown_command(con, argv[0]);
    else
        status = cmd->run(con, argc, argv);
    end_line(con);
    command_name = outer;
    return status;
}

static void run_line(struct console *con, char *line)
{
    char *argv[COMMAND_ARGS_MAX];
    const struct console_command *cmd;
    const char *error = NULL;
    bool help;
    int argc;

    *con = (struct console){ 0 };
    command_name = "console";
    argc = command_split(line, argv, &error);
    if (argc < 0)
        console_error(con, "%s", error);
    if (argc <= 0)
        return;
    command_name = argv[0];
    con->json = command_take_option(&argc, argv, "-j");
    help = command_take_option(&argc, argv, "-h");
    help |= command_take_option(&argc, argv, "--help");

    cmd = help ? command_find(console_commands_start, console_commands_end, argv[0]) : NULL;
    if (cmd != NULL)
        show_help(con, cmd);
    else
        console_run(con, argc, argv);
    end_line(con);
}

/* ---- input */

static int next_byte(void)
{
    int byte;

    if (typeahead_count == 0)
        return serial_getc();
    byte = typeahead[typeahead_first];
    typeahead_first = (typeahead_first + 1) % TYPEAHEAD_MAX;
    typeahead_count--;
    return byte;
}

static void type_ahead(uint8_t byte)
{
    if (typeahead_count == TYPEAHEAD_MAX)
        serial_write("\a", 1);
    else
        typeahead[(typeahead_first + typeahead_count++) % TYPEAHEAD_MAX] = byte;
}

static void show_prompt(void)
{
    serial_wait_room(EDIT_ROOM);
    set_line_state(LINE_OPEN);
    lineedit_start(&editor);
    set_line_state(LINE_PROMPT);
}

void console_poll(void)
{
    enum lineedit_result result;
    int byte;

    ASSERT_CONTEXT(CONTEXT_MAIN);
    while ((byte = next_byte()) >= 0) {
        serial_wait_room(EDIT_ROOM);
        set_line_state(LINE_OPEN);
        result = lineedit_feed(&editor, (uint8_t)byte);
        if (result == LINEEDIT_MORE) {
            set_line_state(LINE_PROMPT);
            continue;
        }
        set_line_state(LINE_CLEAR);
        return_ns = byte == '\r' ? time_ns() : 0;
        if (result == LINEEDIT_LINE)
            run_line(&console, editor.line);
        show_prompt();
        if (softirq_pending()) /* deferred ones: a script of commands must not hold them up */
            softirq_run();
    }
}

/* The rest of a key that has begun: an arrow comes as three bytes. */
static void finish_key(int byte)
{
    uint64_t give_up_ns = time_ns() + KEY_NS;
    struct keys keys = { 0 };

    keys_decode(&keys, (uint8_t)byte);
    while (keys.state != KEYS_GROUND && time_ns() < give_up_ns) {
        byte = serial_getc();
        if (byte >= 0)
            keys_decode(&keys, (uint8_t)byte);
        else
            loop_wait(give_up_ns);
    }
}

/* A terminal that ends lines with CR LF: the LF of the command's own line is no key. */
static bool is_line_end(int byte)
{
    bool is = return_ns != 0 && byte == '\n';

    return_ns = 0;
    return is;
}

bool console_wait(struct console *con, uint64_t deadline_ns, bool any_key)
{
    int byte;

    ASSERT_CONTEXT(CONTEXT_MAIN);
    for (;;) {
        while ((byte = serial_getc()) >= 0) {
            if (is_line_end(byte))
                continue;
            if (byte == CTRL('C')) {
                con->interrupted = true;
                typeahead_count = 0;
                serial_console_write("^C\n", 3);
                return false;
            }
            if (any_key || con->rates != NULL) {
                con->interrupted |= con->rates != NULL; /* or watch would not know */
                finish_key(byte);
                return false;
            }
            type_ahead((uint8_t)byte);
        }
        if (time_ns() - return_ns >= KEY_NS) /* and nothing has come: there is no LF */
            return_ns = 0;
        if (time_ns() >= deadline_ns)
            return true;
        loop_wait(deadline_ns);
    }
}

/* ---- start */

static void editor_write(void *arg, const char *text, size_t len)
{
    (void)arg;
    serial_write(text, len);
}

static const char *candidate(void *arg, const char *line, size_t word_start, unsigned i)
{
    (void)arg;
    return command_candidate(console_commands_start, console_commands_end, line, word_start, i);
}

void console_init(void)
{
    lineedit_init(&editor, PROMPT, editor_write, candidate, NULL);
    console_printf(&console,
                   "\nTophalf %s with %s: the network path and nothing else. Type help.\n",
                   TOPHALF_VERSION, TOPHALF_APP);
    show_prompt();
}
