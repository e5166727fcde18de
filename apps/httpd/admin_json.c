/* Pages that are the output of console commands. Main context. */
#include "admin_pages.h"
#include <kernel/lib.h>
#include <string.h>

/* Run a command as if it had been typed with -j. */
static int run(struct console *con, const char *name, const char *first, const char *second)
{
    char words[3][64];
    char *argv[4] = { words[0], words[1], words[2], NULL };
    const char *from[3] = { name, first, second };
    int argc = 0;

    while (argc < 3 && from[argc] != NULL) {
        size_t len = MIN(strlen(from[argc]), sizeof(words[0]) - 1);

        memcpy(words[argc], from[argc], len);
        words[argc][len] = '\0';
        argc++;
    }
    argv[argc] = NULL;
    con->json = true;
    return console_run(con, argc, argv);
}

unsigned admin_stats(struct console *con, const struct admin_request *request)
{
    static const char *const commands[] = { "version", "uptime",  "mode",  "cpu",  "interrupts",
                                            "softnet", "softirq", "stats", "http", "hist",
                                            "free",    "offload", "copies" };

    (void)request;
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        console_printf(con, "%s\"%s\":", i == 0 ? "{" : ",\n", commands[i]);
        run(con, commands[i], NULL, NULL);
    }
    console_printf(con, "}\n");
    return 200;
}

unsigned admin_trace(struct console *con, const struct admin_request *request)
{
    (void)request;
    return run(con, "trace", "show", NULL) == 0 ? 200 : 409;
}

/* What may be set from afar, and the command that does. */
static const struct control {
    const char *name, *command, *first; /* first: before the value; NULL: none */
} controls[] = {
    { "mode", "mode", NULL },   { "budget", "budget", NULL }, { "defer-us", "defer-us", NULL },
    { "usecs", "usecs", NULL }, { "copies", "copies", NULL }, { "trace", "trace", "start" },
};

static unsigned unknown(struct console *con)
{
    console_printf(con, "{\"command\":\"control\",\"error\":\"wants one of mode, budget, defer-us, "
                        "usecs, copies, trace, reset, as name=value\"}\n");
    return 400;
}

unsigned admin_control(struct console *con, const struct admin_request *request)
{
    const char *query = request->query;
    const char *value = strchr(query, '=');
    size_t len = value != NULL ? (size_t)(value - query) : 0;

    if (value == NULL || value[1] == '\0' || strlen(value + 1) > 32)
        return unknown(con);
    if (strcmp(query, "reset=1") == 0)
        return run(con, "reset", NULL, NULL) == 0 ? 200 : 400;
    for (size_t i = 0; i < ARRAY_SIZE(controls); i++) {
        const struct control *c = &controls[i];

        if (strlen(c->name) != len || memcmp(c->name, query, len) != 0)
            continue;
        return run(con, c->command, c->first != NULL ? c->first : value + 1,
                   c->first != NULL ? value + 1 : NULL) == 0
                   ? 200
                   : 400;
    }
    return unknown(con);
}
