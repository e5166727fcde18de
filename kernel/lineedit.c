/*
 * The line editor: keys of Emacs and of the terminal's arrows, history, completion.
 *
 * An edit changes the model (line, cursor) only; refresh() then compares it with what the screen
 * shows and writes the least that makes them equal. So typing at the end of the line echoes just
 * the character, and a script that reads the port sees no escape sequence unless it sends one.
 */
#include "lineedit.h"
#include <kernel/fmt.h>
#include <kernel/lib.h>
#include <string.h>

#define CTRL(c)     ((c)&0x1f)
#define SHORT_MOVE  4  /* columns that are moved without an escape sequence */
#define SCROLL_JUMP 20 /* columns, so that a long line is not redrawn at each key */

/* ---- the screen */

static void write_text(const struct lineedit *ed, const char *text)
{
    ed->write(ed->arg, text, strlen(text));
}

static void bell(const struct lineedit *ed)
{
    write_text(ed, "\a");
}

static size_t text_columns(const struct lineedit *ed)
{
    /* The last column stays empty: terminals differ in where the cursor is behind it. */
    return LINEEDIT_COLUMNS - 1 - strlen(ed->prompt);
}

static void move(const struct lineedit *ed, size_t from, size_t to)
{
    size_t n = from > to ? from - to : to - from;
    char seq[16];

    if (n > SHORT_MOVE) {
        fmt_snprintf(seq, sizeof(seq), "\033[%u%c", (unsigned)n, from > to ? 'D' : 'C');
        write_text(ed, seq);
    } else if (from > to) {
        ed->write(ed->arg, "\b\b\b\b", n);
    } else if (from < to) {
        ed->write(ed->arg, ed->shown + from, n);
    }
}

static void scroll(struct lineedit *ed, size_t columns)
{
    if (ed->len <= columns)
        ed->view = 0;
    else if (ed->cursor < ed->view)
        ed->view = ed->cursor > SCROLL_JUMP ? ed->cursor - SCROLL_JUMP : 0;
    else if (ed->cursor > ed->view + columns)
        ed->view = ed->cursor - columns + SCROLL_JUMP;
}

/* Make the screen show the model. */
static void refresh(struct lineedit *ed)
{
    size_t columns = text_columns(ed), same = 0, at, n;
    const char *text;

    scroll(ed, columns);
    text = ed->line + ed->view;
    n = MIN(ed->len - ed->view, columns);
    while (same < n && same < ed->shown_len && text[same] == ed->shown[same])
        same++;

    at = ed->shown_cursor;
    if (same < n || same < ed->shown_len) {
        move(ed, at, same);
        ed->write(ed->arg, text + same, n - same);
        at = n;
        if (ed->shown_len > n + SHORT_MOVE) {
            write_text(ed, "\033[K");
        } else if (ed->shown_len > n) {
            ed->write(ed->arg, "    ", ed->shown_len - n);
            at = ed->shown_len;
        }
        memcpy(ed->shown, text, n);
        ed->shown_len = n;
    }
    move(ed, at, ed->cursor - ed->view);
    ed->shown_cursor = ed->cursor - ed->view;
}

void lineedit_hide(const struct lineedit *ed)
{
    static const char blanks[LINEEDIT_COLUMNS + 1] = "                                        "
                                                     "                                        ";

    write_text(ed, "\r");
    ed->write(ed->arg, blanks, strlen(ed->prompt) + ed->shown_len);
    write_text(ed, "\r");
}

void lineedit_show(const struct lineedit *ed)
{
    write_text(ed, ed->prompt);
    ed->write(ed->arg, ed->shown, ed->shown_len);
    move(ed, ed->shown_len, ed->shown_cursor);
}

/* ---- edits of the model */

static void insert(struct lineedit *ed, const char *text, size_t n)
{
    if (n > LINEEDIT_MAX - ed->len) {
        bell(ed);
        n = LINEEDIT_MAX - ed->len;
    }
    memmove(ed->line + ed->cursor + n, ed->line + ed->cursor, ed->len - ed->cursor + 1);
    memcpy(ed->line + ed->cursor, text, n);
    ed->len += n;
    ed->cursor += n;
}

/* Cut line[from, to); the cursor goes there. */
static void cut(struct lineedit *ed, size_t from, size_t to)
{
    memmove(ed->line + from, ed->line + to, ed->len - to + 1);
    ed->len -= to - from;
    ed->cursor = from;
}

static void kill(struct lineedit *ed, size_t from, size_t to)
{
    if (from == to)
        return;
    memcpy(ed->killed, ed->line + from, to - from);
    ed->killed[to - from] = '\0';
    cut(ed, from, to);
}

static size_t word_left(const struct lineedit *ed)
{
    size_t at = ed->cursor;

    while (at > 0 && ed->line[at - 1] == ' ')
        at--;
    while (at > 0 && ed->line[at - 1] != ' ')
        at--;
    return at;
}

static size_t word_right(const struct lineedit *ed)
{
    size_t at = ed->cursor;

    while (at < ed->len && ed->line[at] == ' ')
        at++;
    while (at < ed->len && ed->line[at] != ' ')
        at++;
    return at;
}

static void set_line(struct lineedit *ed, const char *text)
{
    ed->len = strlen(text);
    memcpy(ed->line, text, ed->len + 1);
    ed->cursor = ed->len;
}

/* ---- history */

/* The n-th newest, from 1. */
static char *history_line(struct lineedit *ed, unsigned n)
{
    return ed->history[(ed->history_next + LINEEDIT_HISTORY - n) % LINEEDIT_HISTORY];
}

static bool is_blank(const char *text)
{
    while (*text == ' ')
        text++;
    return *text == '\0';
}

static void history_add(struct lineedit *ed)
{
    if (is_blank(ed->line))
        return;
    if (ed->history_count > 0 && strcmp(history_line(ed, 1), ed->line) == 0)
        return;
    memcpy(ed->history[ed->history_next], ed->line, ed->len + 1);
    ed->history_next = (ed->history_next + 1) % LINEEDIT_HISTORY;
    ed->history_count = MIN(ed->history_count + 1, (unsigned)LINEEDIT_HISTORY);
}

static void history_go(struct lineedit *ed, unsigned to)
{
    if (to > ed->history_count)
        return;
    if (ed->browsing == 0)
        memcpy(ed->draft, ed->line, ed->len + 1);
    ed->browsing = to;
    set_line(ed, to == 0 ? ed->draft : history_line(ed, to));
}

/* ---- completion */

static const char *candidate(const struct lineedit *ed, size_t start, size_t typed, unsigned *i)
{
    const char *word;

    while ((word = ed->candidate(ed->arg, ed->line, start, (*i)++)) != NULL)
        if (strncmp(word, ed->line + start, typed) == 0)
            return word;
    return NULL;
}

static void list_candidates(struct lineedit *ed, size_t start, size_t typed, size_t longest)
{
    size_t width = longest + 2, column = 0;
    unsigned i = 0;
    const char *word;

    write_text(ed, "\n");
    while ((word = candidate(ed, start, typed, &i)) != NULL) {
        if (column > 0 && column + width > LINEEDIT_COLUMNS) {
            write_text(ed, "\n");
            column = 0;
        }
        write_text(ed, word);
        for (size_t pad = strlen(word); pad < width; pad++)
            write_text(ed, " ");
        column += width;
    }
    write_text(ed, "\n");
    lineedit_show(ed);
}

static void complete(struct lineedit *ed)
{
    size_t start = ed->cursor, typed, common = 0, longest = 0;
    const char *word, *first = NULL;
    unsigned i = 0, count = 0;

    while (start > 0 && ed->line[start - 1] != ' ')
        start--;
    typed = ed->cursor - start;
    while (ed->candidate != NULL && (word = candidate(ed, start, typed, &i)) != NULL) {
        if (count++ == 0) {
            first = word;
            common = strlen(word);
        }
        longest = MAX(longest, strlen(word));
        while (strncmp(first, word, common) != 0)
            common--;
    }
    if (count == 0) {
        bell(ed);
        return;
    }
    if (common > typed)
        insert(ed, first + typed, common - typed);
    else if (count > 1)
        list_candidates(ed, start, typed, longest);
    if (count == 1 && ed->line[ed->cursor] != ' ')
        insert(ed, " ", 1);
}

/* ---- keys to edits */

static void edit(struct lineedit *ed, int key)
{
    char c = (char)key;

    switch (key) {
    case CTRL('A'):
    case KEY_HOME:
        ed->cursor = 0;
        break;
    case CTRL('E'):
    case KEY_END:
        ed->cursor = ed->len;
        break;
    case CTRL('B'):
    case KEY_LEFT:
        ed->cursor -= ed->cursor > 0;
        break;
    case CTRL('F'):
    case KEY_RIGHT:
        ed->cursor += ed->cursor < ed->len;
        break;
    case KEY_WORD_LEFT:
        ed->cursor = word_left(ed);
        break;
    case KEY_WORD_RIGHT:
        ed->cursor = word_right(ed);
        break;
    case CTRL('H'):
    case 0x7f:
        if (ed->cursor > 0)
            cut(ed, ed->cursor - 1, ed->cursor);
        break;
    case CTRL('D'):
    case KEY_DELETE:
        if (ed->cursor < ed->len)
            cut(ed, ed->cursor, ed->cursor + 1);
        break;
    case CTRL('K'):
        kill(ed, ed->cursor, ed->len);
        break;
    case CTRL('U'):
        kill(ed, 0, ed->cursor);
        break;
    case CTRL('W'):
    case KEY_KILL_WORD_LEFT:
        kill(ed, word_left(ed), ed->cursor);
        break;
    case KEY_KILL_WORD_RIGHT:
        kill(ed, ed->cursor, word_right(ed));
        break;
    case CTRL('Y'):
        insert(ed, ed->killed, strlen(ed->killed));
        break;
    case CTRL('P'):
    case KEY_UP:
        history_go(ed, ed->browsing + 1);
        break;
    case CTRL('N'):
    case KEY_DOWN:
        if (ed->browsing > 0)
            history_go(ed, ed->browsing - 1);
        break;
    case CTRL('I'):
        complete(ed);
        break;
    case CTRL('L'):
        write_text(ed, "\033[H\033[2J");
        lineedit_show(ed);
        break;
    default:
        if (key >= ' ' && key < 0x7f)
            insert(ed, &c, 1);
    }
}

void lineedit_init(struct lineedit *ed, const char *prompt,
                   void (*write)(void *arg, const char *text, size_t len),
                   const char *(*candidate_fn)(void *arg, const char *line, size_t word_start,
                                               unsigned i),
                   void *arg)
{
    memset(ed, 0, sizeof(*ed));
    ed->prompt = prompt;
    ed->write = write;
    ed->candidate = candidate_fn;
    ed->arg = arg;
}

void lineedit_start(struct lineedit *ed)
{
    ed->len = ed->cursor = ed->view = ed->shown_len = ed->shown_cursor = 0;
    ed->line[0] = '\0';
    ed->browsing = 0;
    lineedit_show(ed);
}

enum lineedit_result lineedit_feed(struct lineedit *ed, uint8_t byte)
{
    bool after_cr = ed->after_cr;
    int key = keys_decode(&ed->keys, byte);

    ed->after_cr = byte == '\r';
    switch (key) {
    case '\n':
        if (after_cr)
            return LINEEDIT_MORE;
        /* fall through */
    case '\r':
        history_add(ed);
        write_text(ed, "\n");
        return LINEEDIT_LINE;
    case CTRL('C'):
        write_text(ed, "^C\n");
        return LINEEDIT_CANCEL;
    default:
        edit(ed, key);
        refresh(ed);
        return LINEEDIT_MORE;
    }
}
