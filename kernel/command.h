/* From a typed line to a command and its arguments. Pure code, any context. */
#ifndef KERNEL_COMMAND_H
#define KERNEL_COMMAND_H

#include <kernel/console.h>
#include <stddef.h>

#define COMMAND_ARGS_MAX 64 /* `map update` takes a word for each byte */

/* All commands of the kernel image, sorted by name (linker.ld). */
extern const struct console_command console_commands_start[], console_commands_end[];

/*
 * Cut a line into words, in place. Blanks separate; "double quotes" keep blanks together (and make
 * an empty word), also in the middle of a word; \" and \\ stand for themselves inside them. argv
 * gets at most COMMAND_ARGS_MAX pointers into line. Returns argc, or -1 with *error set to a
 * constant sentence.
 */
int command_split(char *line, char *argv[COMMAND_ARGS_MAX], const char **error);

/* Take an option off argv wherever it stands before a "--"; true if it was there. argv[0] is not
 * looked at. */
bool command_take_option(int *argc, char **argv, const char *option);

const struct console_command *command_find(const struct console_command *first,
                                           const struct console_command *end, const char *name);

/* The command whose name is most like this one, or NULL when none is near. */
const struct console_command *command_nearest(const struct console_command *first,
                                              const struct console_command *end, const char *name);

/* Single insertions, deletions, changes and swaps of neighbours from a to b (optimal string
 * alignment); names longer than 31 bytes count as unlike everything. */
unsigned command_distance(const char *a, const char *b);

/*
 * The i-th candidate (NULL past the end) for the word that begins at line[word_start]: names of
 * commands for the first word and behind `help`, what the command completes for its first argument.
 */
const char *command_candidate(const struct console_command *first,
                              const struct console_command *end, const char *line,
                              size_t word_start, unsigned i);

#endif
