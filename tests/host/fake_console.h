/* A console for host tests of commands: what they print is kept. */
#ifndef TESTS_FAKE_CONSOLE_H
#define TESTS_FAKE_CONSOLE_H

#include <kernel/console.h>

extern char fake_console_text[32768]; /* since fake_console_clear() */
void fake_console_clear(void);

/* Runs a command on a line that is cut at its blanks (a "-j" at its end is taken off), with cleared
 * text before it. Returns what it returns. */
int fake_console_type(const struct console_command *cmd, const char *line);

#endif
