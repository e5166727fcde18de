/* The console command `http`: what the web server has done. Main context. */
#include "httpd.h"
#include <kernel/console.h>
#include <kernel/softirq.h>

static void print_json(struct console *con, const struct http_stats *s, const struct site *site)
{
    struct json j;

    console_json(con, &j);
    json_u64(&j, "connections", s->active);
    json_u64(&j, "accepted", s->accepted);
    json_u64(&j, "refused", s->refused);
    json_u64(&j, "requests", s->requests);
    json_object(&j, "responses");
    json_u64(&j, "2xx", s->responses[2]);
    json_u64(&j, "3xx", s->responses[3]);
    json_u64(&j, "4xx", s->responses[4]);
    json_u64(&j, "5xx", s->responses[5]);
    json_object_end(&j);
    json_u64(&j, "bytes", s->bytes);
    json_u64(&j, "idle_closed", s->idle_closed);
    json_u64(&j, "stalled", s->stalled);
    json_u64(&j, "reset", s->reset);
    json_u64(&j, "held_pbufs", s->held_pbufs);
    json_u64(&j, "site_files", site->files);
    json_u64(&j, "site_bytes", site->bytes);
    json_end(&j);
}

static int cmd_http(struct console *con, int argc, char **argv)
{
    struct http_stats s;

    (void)argv;
    if (argc > 1)
        return console_error(con, "takes no arguments");
    softirq_disable();
    s = httpd.stats;
    softirq_enable();
    if (con->json) {
        print_json(con, &s, &httpd.site); /* the site does not change */
        return 0;
    }
#define N(x) (unsigned long long)(x)
    console_printf(con, "site         %u files, %llu bytes\n", httpd.site.files,
                   N(httpd.site.bytes));
    console_printf(con, "connections  %u open, %llu accepted, %llu refused\n", s.active,
                   N(s.accepted), N(s.refused));
    console_printf(con, "closed       %llu idle, %llu stalled, %llu reset\n", N(s.idle_closed),
                   N(s.stalled), N(s.reset));
    console_printf(con, "requests     %llu\n", N(s.requests));
    console_printf(con, "responses    2xx %llu, 3xx %llu, 4xx %llu, 5xx %llu\n", N(s.responses[2]),
                   N(s.responses[3]), N(s.responses[4]), N(s.responses[5]));
    console_printf(con, "sent         %llu bytes\n", N(s.bytes));
#undef N
    return 0;
}
CONSOLE_COMMAND(http, "http", "the web server's connections, requests and answers", cmd_http);
