/*
 * site.tar: a POSIX ustar archive (IEEE Std 1003.1 pax, "ustar Interchange Format"), read in
 * place. GNU tar's and pax's long names ('L' and 'x' path records) are understood; links and
 * devices are skipped. Pure code, any context: the loader uses it to refuse a damaged archive,
 * httpd to index one.
 */
#ifndef BOOT_USTAR_H
#define BOOT_USTAR_H

#include <stddef.h>
#include <stdint.h>

#define USTAR_PATH_MAX 255 /* bytes; a longer name is an error */

struct ustar_entry {
    char path[USTAR_PATH_MAX + 1]; /* terminated; a leading "./" or "/" is taken off */
    const uint8_t *data;           /* points into the archive */
    uint64_t bytes;
    uint64_t mtime; /* seconds since 1970 UTC */
    char type;      /* '0' file, '5' directory; other kinds are not returned */
};

struct ustar_reader {
    const uint8_t *archive;
    size_t bytes;
    size_t offset;     /* of the next header */
    const char *error; /* a constant sentence, or NULL */
};

void ustar_open(struct ustar_reader *reader, const void *archive, size_t bytes);

/*
 * Fill *entry with the next file or directory. Returns 1, 0 at the end of the archive, or -1
 * with reader->error set (bad checksum, truncated member, name too long...).
 */
int ustar_next(struct ustar_reader *reader, struct ustar_entry *entry);

#endif
