/*
 * The line editor of the console: bytes in, edits and output bytes out. Pure code: no port, no
 * clock, no allocation, so that the host tests can watch its screen. One context at a time, except
 * hide/show, which may interrupt anything but lineedit_feed() and lineedit_start().
 *
 *   lineedit_start(ed);                          the prompt
 *   while (lineedit_feed(ed, byte) == LINEEDIT_MORE)
 *       byte = the next one;
 *   ... ed->line is what was typed; the caller may write in it ...
 */
#ifndef KERNEL_LINEEDIT_H
#define KERNEL_LINEEDIT_H

#include "keys.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINEEDIT_MAX     255 /* bytes of a line; more ring the bell */
#define LINEEDIT_HISTORY 32  /* lines */
#define LINEEDIT_COLUMNS 80  /* of the terminal; a longer line is scrolled sideways */

enum lineedit_result {
    LINEEDIT_MORE,   /* nothing to do yet */
    LINEEDIT_LINE,   /* Enter: ed->line */
    LINEEDIT_CANCEL, /* Ctrl-C */
};

struct lineedit {
    const char *prompt;
    void (*write)(void *arg, const char *text, size_t len); /* '\n' must also return the carriage */
    /* The i-th word that could stand at line[word_start], NULL past the end. May be NULL. */
    const char *(*candidate)(void *arg, const char *line, size_t word_start, unsigned i);
    void *arg;

    char line[LINEEDIT_MAX + 1]; /* terminated */
    size_t len, cursor;
    char killed[LINEEDIT_MAX + 1]; /* what Ctrl-K, -U, -W took, for Ctrl-Y */

    /* what the screen shows: line[view ...], and where its cursor is */
    size_t view, shown_len, shown_cursor;
    char shown[LINEEDIT_COLUMNS];

    struct keys keys;
    bool after_cr; /* a LF that follows belongs to it */

    char history[LINEEDIT_HISTORY][LINEEDIT_MAX + 1]; /* a ring */
    unsigned history_count, history_next;
    unsigned browsing;            /* 0: the line being typed; n: the n-th newest of the history */
    char draft[LINEEDIT_MAX + 1]; /* the line being typed, while browsing */
};

void lineedit_init(struct lineedit *ed, const char *prompt,
                   void (*write)(void *arg, const char *text, size_t len),
                   const char *(*candidate)(void *arg, const char *line, size_t word_start,
                                            unsigned i),
                   void *arg);

/* Begin an empty line: writes the prompt, at the start of a line of the screen. */
void lineedit_start(struct lineedit *ed);

enum lineedit_result lineedit_feed(struct lineedit *ed, uint8_t byte);

/* Take prompt and text off the screen, and bring them back. hide uses no escape sequence, for
 * those who read the port as plain text. */
void lineedit_hide(const struct lineedit *ed);
void lineedit_show(const struct lineedit *ed);

#endif
