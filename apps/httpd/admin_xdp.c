/* /_/xdp: XDP programs by HTTP. An object comes as the body of a POST and is loaded as the console
 * does; what is wrong with it is said as there, and nothing has changed. Main context. */
#include "admin_pages.h"
#include "http_query.h"
#include <kernel/kmalloc.h>
#include <kernel/lib.h>
#include <kernel/softirq.h>
#include <net/bpf_prog.h>
#include <net/xdp_load.h>
#include <string.h>

#define NAME_MAX  64
#define LOG_BYTES (16u << 10)

static int run(struct console *con, const char *verb)
{
    char name[] = "xdp", what[16];
    char *argv[] = { name, what, NULL };

    memcpy(what, verb, strlen(verb) + 1);
    con->json = true;
    return console_run(con, 2, argv);
}

unsigned admin_xdp_show(struct console *con, const struct admin_request *request)
{
    (void)request;
    return run(con, "list") == 0 ? 200 : 409;
}

unsigned admin_xdp_unload(struct console *con, const struct admin_request *request)
{
    (void)request;
    return run(con, "unload") == 0 ? 200 : 409;
}

static void put_error(struct console *con, const char *error, const char *log)
{
    struct json j;

    console_json(con, &j);
    json_str(&j, "command", "xdp");
    json_str(&j, "error", error);
    json_str(&j, "log", log);
    json_end(&j);
}

/* The value of a pair of the query, "" without one. False: it can not be read. */
static bool read_query(const char *query, const char *name, char value[NAME_MAX])
{
    const char *at = query, *end = query + strlen(query);
    struct http_pair pair;

    value[0] = '\0';
    while (http_query_next(&at, end, &pair))
        if (pair.name_len == strlen(name) && memcmp(pair.name, name, pair.name_len) == 0)
            return http_query_decode(pair.value, pair.value_len, value, NAME_MAX) >= 0;
    return true;
}

/* The log's first line is the reason, what follows is the verifier's way to it. */
static unsigned put_refusal(struct console *con, char *log)
{
    char *rest = strchr(log, '\n');

    if (rest != NULL)
        *rest++ = '\0';
    put_error(con, log, rest != NULL ? rest : "");
    return 422;
}

static unsigned load(struct console *con, const struct admin_request *request, const char *name,
                     const char *prog, char *text)
{
    struct bpf_log log = { .text = text, .size = LOG_BYTES, .level = 1 };

    text[0] = '\0';
    if (!xdp_load(request->body, request->body_len, name, prog[0] != '\0' ? prog : NULL, &log))
        return put_refusal(con, text);
    return run(con, "list") == 0 ? 200 : 409;
}

unsigned admin_xdp_load(struct console *con, const struct admin_request *request)
{
    char name[NAME_MAX], prog[NAME_MAX], *text;
    unsigned status;

    if (!read_query(request->query, "name", name) || !read_query(request->query, "prog", prog) ||
        name[0] == '\0') {
        put_error(con, "wants ?name=, of the object, and takes &prog=, of one of its programs", "");
        return 400;
    }
    softirq_disable();
    text = kmalloc(LOG_BYTES);
    softirq_enable();
    if (text == NULL)
        return 503;
    status = load(con, request, name, prog, text);
    softirq_disable();
    kfree(text);
    softirq_enable();
    return status;
}
