/* The access log: see access_log.h. */
#include "access_log.h"
#include "admin.h"
#include "http_date.h"
#include <kernel/config.h>
#include <kernel/console.h>
#include <kernel/fmt.h>
#include <kernel/lib.h>
#include <kernel/logring.h>
#include <kernel/page.h>
#include <kernel/printk.h>
#include <kernel/softirq.h>

#define LOG_LINE_MAX (LOGRING_TEXT_MAX + 1)

enum access_log access_log_where;
struct access_log_stats access_log_stats;

static struct {
    unsigned sample, rate; /* settings */
    unsigned skipped;      /* since the last line that was written */
    unsigned in_second;    /* lines */
    uint64_t second_ns;    /* when that second began */
} limit;

static LATE_BSS struct logring ring;

void access_log_init(void)
{
    static const char *const names[] = { "off", "console", "ring", NULL };

    access_log_where = (enum access_log)config_choice("http_log", names, ACCESS_LOG_OFF);
    limit.sample = (unsigned)config_u64("http_log_sample", 1, 1, 1000000);
    limit.rate = (unsigned)config_u64("http_log_rate", 100, 1, 10000);
}

/* ---------------------------------------------------------------- a line */

struct line {
    char text[LOG_LINE_MAX];
    size_t len;
};

static void put(struct line *line, char c)
{
    if (line->len < LOG_LINE_MAX - 1)
        line->text[line->len++] = c;
}

/* What a client sent, in quotes: it may hold no quote, and nothing that a terminal obeys. */
static void put_quoted(struct line *line, struct http_text text)
{
    static const char hex[] = "0123456789abcdef";

    put(line, '"');
    if (text.at == NULL)
        put(line, '-');
    for (size_t i = 0; text.at != NULL && i < text.len; i++) {
        uint8_t c = (uint8_t)text.at[i];

        if (c >= ' ' && c < 0x7f && c != '"' && c != '\\') {
            put(line, (char)c);
            continue;
        }
        put(line, '\\');
        put(line, 'x');
        put(line, hex[c >> 4]);
        put(line, hex[c & 15]);
    }
    put(line, '"');
}

static void put_text(struct line *line, const char *text)
{
    while (*text != '\0')
        put(line, *text++);
}

/* "[06/Nov/1994:08:49:37 +0000]", out of "Sun, 06 Nov 1994 08:49:37 GMT". */
static void put_date(struct line *line)
{
    char date[HTTP_DATE_BYTES], text[40];

    http_date(date, time_unix());
    fmt_snprintf(text, sizeof(text), " - - [%.2s/%.3s/%.4s:%.8s +0000] ", date + 5, date + 8,
                 date + 12, date + 17);
    put_text(line, text);
}

static void put_result(struct line *line, const struct conn *conn)
{
    const struct response *response = conn->response;
    uint64_t bytes;
    char text[40];

    if (response == NULL || response->status == 0 || admin_is_making(conn)) {
        put_text(line, " - - ");
        return;
    }
    bytes = conn->with_body ? response->body_bytes : 0;
    fmt_snprintf(text, sizeof(text), " %u %llu ", response->status, (unsigned long long)bytes);
    put_text(line, text);
}

static void make_line(struct line *line, const struct conn *conn,
                      const struct http_request *request)
{
    static const struct http_text none;
    char address[IPADDR_STRLEN_MAX];

    put_text(line, ipaddr_ntoa_r(&conn->pcb->remote_ip, address, sizeof(address)));
    put_date(line);
    put_quoted(line, request != NULL ? request->line : none);
    put_result(line, conn);
    put_quoted(line, request != NULL ? http_request_field(request, HTTP_REFERER, 0) : none);
    put(line, ' ');
    put_quoted(line, request != NULL ? http_request_field(request, HTTP_USER_AGENT, 0) : none);
    line->text[line->len] = '\0';
}

/* ---------------------------------------------------------------- which lines */

static bool is_wanted(void)
{
    uint64_t now = time_ns();

    if (++limit.skipped < limit.sample) {
        access_log_stats.sampled_out++;
        return false;
    }
    limit.skipped = 0;
    if (now - limit.second_ns >= NS_PER_SEC) {
        limit.second_ns = now;
        limit.in_second = 0;
    }
    if (limit.in_second == limit.rate) {
        access_log_stats.limited++;
        return false;
    }
    limit.in_second++;
    return true;
}

void access_log_write(const struct conn *conn, const struct http_request *request)
{
    struct line line = { .len = 0 };

    if (!is_wanted())
        return;
    make_line(&line, conn, request);
    access_log_stats.lines++;
    if (access_log_where == ACCESS_LOG_CONSOLE)
        printk("%s", line.text);
    else
        logring_append(&ring, time_ns(), line.text, line.len);
}

/* ---------------------------------------------------------------- the command `log` */

static bool next_line(uint64_t *cursor, char text[LOG_LINE_MAX])
{
    uint64_t when;
    bool more;

    softirq_disable();
    more = logring_read(&ring, cursor, &when, text, LOG_LINE_MAX);
    softirq_enable();
    return more;
}

static void show(struct console *con, uint64_t skip, uint64_t end)
{
    uint64_t cursor = 0;
    char text[LOG_LINE_MAX];
    struct json j;

    if (con->json) {
        console_json(con, &j);
        json_array(&j, "lines");
    }
    for (uint64_t i = 0; i < end && next_line(&cursor, text); i++) {
        if (i < skip)
            continue;
        if (con->json)
            json_str(&j, NULL, text);
        else
            console_printf(con, "%s\n", text);
    }
    if (con->json) {
        json_array_end(&j);
        json_end(&j);
    }
}

static bool parse_lines(const char *text, uint64_t *out)
{
    uint64_t value = 0;

    for (const char *c = text; *c != '\0'; c++) {
        if (*c < '0' || *c > '9' || value > 100000)
            return false;
        value = value * 10 + (uint64_t)(*c - '0');
    }
    *out = value;
    return *text != '\0';
}

static int cmd_log(struct console *con, int argc, char **argv)
{
    uint64_t cursor = 0, count = 0, wanted = 20;
    char text[LOG_LINE_MAX];

    if (argc > 2 || (argc == 2 && !parse_lines(argv[1], &wanted)))
        return console_error(con, "wants the number of lines, or nothing");
    if (access_log_where != ACCESS_LOG_RING)
        return console_error(con, "there is none: set http_log=ring in tophalf.cfg");
    while (next_line(&cursor, text))
        count++;
    show(con, count - MIN(wanted, count), count);
    return 0;
}
CONSOLE_COMMAND(log, "log [lines]", "the access log's last lines (http_log=ring)", cmd_log);
