/* From a typed line to a command and its arguments: words, options, names, the nearest name. */
#include "command.h"
#include <kernel/lib.h>
#include <string.h>

#define NAME_MAX_BYTES 31

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* One word from *in to *out (which never overtakes it). False: a quote is not closed. */
static bool take_word(const char **in, char **out)
{
    bool quoted = false;
    const char *p = *in;
    char *w = *out;

    for (; *p != '\0' && (quoted || !is_blank(*p)); p++) {
        if (*p == '"')
            quoted = !quoted;
        else if (quoted && *p == '\\' && (p[1] == '"' || p[1] == '\\'))
            *w++ = *++p;
        else
            *w++ = *p;
    }
    *in = *p == '\0' ? p : p + 1;
    *w++ = '\0'; /* over the blank or the terminator that ended the word */
    *out = w;
    return !quoted;
}

int command_split(char *line, char *argv[COMMAND_ARGS_MAX], const char **error)
{
    const char *in = line;
    char *out = line;
    int argc = 0;

    for (;;) {
        while (is_blank(*in))
            in++;
        if (*in == '\0')
            return argc;
        if (argc == COMMAND_ARGS_MAX) {
            *error = "too many arguments";
            return -1;
        }
        argv[argc++] = out;
        if (!take_word(&in, &out)) {
            *error = "a double quote is not closed";
            return -1;
        }
    }
}

bool command_take_option(int *argc, char **argv, const char *option)
{
    bool found = false;
    int kept = 1, i;

    if (*argc < 1)
        return false;
    for (i = 1; i < *argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], option) == 0)
            found = true;
        else
            argv[kept++] = argv[i];
    }
    while (i < *argc)
        argv[kept++] = argv[i++];
    *argc = kept;
    return found;
}

const struct console_command *command_find(const struct console_command *first,
                                           const struct console_command *end, const char *name)
{
    for (; first < end; first++)
        if (strcmp(first->name, name) == 0)
            return first;
    return NULL;
}

unsigned command_distance(const char *a, const char *b)
{
    unsigned rows[3][NAME_MAX_BYTES + 1]; /* of the edit matrix: two above, one above, this one */
    unsigned *above2 = rows[0], *above = rows[1], *row = rows[2];
    size_t a_len = strlen(a), b_len = strlen(b);

    if (a_len > NAME_MAX_BYTES || b_len > NAME_MAX_BYTES)
        return 2 * NAME_MAX_BYTES;
    for (size_t j = 0; j <= b_len; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++) {
        unsigned *oldest = above2;

        above2 = above;
        above = row;
        row = oldest;
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            unsigned change = above[j - 1] + (a[i - 1] != b[j - 1]);

            row[j] = MIN(MIN(above[j], row[j - 1]) + 1, change);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = MIN(row[j], above2[j - 2] + 1);
        }
    }
    return row[b_len];
}

const struct console_command *command_nearest(const struct console_command *first,
                                              const struct console_command *end, const char *name)
{
    const struct console_command *best = NULL;
    size_t len = strlen(name);
    /* A third of what was typed may be wrong: "fre" is free, "xyz" is nothing. */
    unsigned best_distance = (unsigned)(len + 2) / 3 + 1;

    if (len < 2)
        return NULL;
    for (; first < end; first++) {
        /* The beginning of a name is as near as one wrong letter: "inter" is interrupts. */
        unsigned d = strncmp(first->name, name, len) == 0 ? 1 : command_distance(name, first->name);

        if (d < best_distance) {
            best_distance = d;
            best = first;
        }
    }
    return best;
}

/* Which word of the line begins at `at`, options not counted; *name_len: bytes of word 0. */
static unsigned word_index(const char *line, size_t at, size_t *name_start, size_t *name_len)
{
    unsigned index = 0;
    size_t i = 0;

    *name_start = *name_len = 0;
    while (i < at) {
        size_t start;

        while (i < at && is_blank(line[i]))
            i++;
        start = i;
        while (i < at && !is_blank(line[i]))
            i++;
        if (i == start)
            break;
        if (index == 0) {
            *name_start = start;
            *name_len = i - start;
        }
        index += index == 0 || line[start] != '-';
    }
    return index;
}

const char *command_candidate(const struct console_command *first,
                              const struct console_command *end, const char *line,
                              size_t word_start, unsigned i)
{
    size_t name_start, name_len;
    unsigned index = word_index(line, word_start, &name_start, &name_len);
    char name[NAME_MAX_BYTES + 1];
    const struct console_command *cmd;

    if (name_len > NAME_MAX_BYTES || index > 1)
        return NULL;
    memcpy(name, line + name_start, name_len);
    name[name_len] = '\0';
    if (index == 0 || strcmp(name, "help") == 0)
        return i < (size_t)(end - first) ? first[i].name : NULL;
    cmd = command_find(first, end, name);
    return cmd != NULL && cmd->complete != NULL ? cmd->complete(i) : NULL;
}
