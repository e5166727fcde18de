/*
 * tophalf.cfg: the system's command line as a text file of key=value lines.
 *
 *   # a comment; blank lines are allowed
 *   ip = 192.168.1.10/24
 *
 * Keys are [a-z0-9_.-]{1,31}; a value is the rest of the line, without surrounding blanks, at
 * most CFG_VALUE_MAX bytes, printable ASCII only. A key may stand once. CR LF line ends are
 * taken as LF. The parser is pure: no allocation, no state, any context; the loader uses it to
 * refuse a damaged file and the kernel to read it.
 */
#ifndef BOOT_CFG_H
#define BOOT_CFG_H

#include <stddef.h>

#define CFG_KEY_MAX   31 /* bytes */
#define CFG_VALUE_MAX 255
#define CFG_PAIRS_MAX 128

struct cfg_pair {
    const char *key; /* not terminated: points into the text */
    size_t key_len;
    const char *value;
    size_t value_len;
};

struct cfg_error {
    unsigned line;       /* counted from 1 */
    const char *message; /* a constant sentence without the line number */
};

/*
 * Parse text[0..len) into at most max pairs. Returns their number, or -1 with *err filled. The
 * pairs point into text, which must outlive them.
 */
int cfg_parse(const char *text, size_t len, struct cfg_pair *pairs, size_t max,
              struct cfg_error *err);

#endif
