/*
 * `reset [name...]`: zeroes statistics: what registered by RESETTABLE, and histograms. All at one
 * moment, with softirqs off, so that counters of one thing stay consistent. Main context.
 */
#include <kernel/console.h>
#include <kernel/hist.h>
#include <kernel/reset.h>
#include <kernel/softirq.h>
#include <string.h>

#define COLUMNS 80

/* Named on the command line, or nothing is. */
static bool is_wanted(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return true;
    return argc == 1;
}

/* The i-th name of either kind; NULL past the end. */
static const char *reset_name(unsigned i)
{
    size_t resettables = (size_t)(resettables_end - resettables_start);

    if (i < resettables)
        return resettables_start[i].name;
    i -= (unsigned)resettables;
    return i < (size_t)(hist_entries_end - hist_entries_start) ? hist_entries_start[i].name : NULL;
}

static bool is_known(const char *name)
{
    const char *known;

    for (unsigned i = 0; (known = reset_name(i)) != NULL; i++)
        if (strcmp(known, name) == 0)
            return true;
    return false;
}

static void reset_wanted(int argc, char **argv)
{
    softirq_disable();
    for (const struct resettable *r = resettables_start; r < resettables_end; r++)
        if (is_wanted(r->name, argc, argv))
            r->reset();
    for (const struct hist_entry *h = hist_entries_start; h < hist_entries_end; h++)
        if (is_wanted(h->name, argc, argv))
            hist_reset(h->hist);
    softirq_enable();
}

static void print_json(struct console *con, int argc, char **argv)
{
    const char *name;
    struct json j;

    console_json(con, &j);
    json_array(&j, "reset");
    for (unsigned i = 0; (name = reset_name(i)) != NULL; i++)
        if (is_wanted(name, argc, argv))
            json_str(&j, NULL, name);
    json_array_end(&j);
    json_end(&j);
}

static void print_text(struct console *con, int argc, char **argv)
{
    const char *name;
    size_t column = COLUMNS;

    for (unsigned i = 0; (name = reset_name(i)) != NULL; i++) {
        if (!is_wanted(name, argc, argv))
            continue;
        if (column + 1 + strlen(name) >= COLUMNS) {
            console_printf(con, column == COLUMNS ? "zeroed:" : "\n       ");
            column = 7;
        }
        console_printf(con, " %s", name);
        column += 1 + strlen(name);
    }
    console_printf(con, "\n");
}

static int cmd_reset(struct console *con, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (!is_known(argv[i]))
            return console_error(con, "there is nothing called %s to zero; Tab lists the names",
                                 argv[i]);
    reset_wanted(argc, argv);
    if (con->json)
        print_json(con, argc, argv);
    else
        print_text(con, argc, argv);
    return 0;
}
CONSOLE_COMMAND_COMPLETE(reset, "reset [name...]",
                         "zero the statistics and histograms; with names, only those", cmd_reset,
                         reset_name);
