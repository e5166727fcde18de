/* Makes ustar archives in memory, for the tests of what reads them. */
#ifndef TESTS_TAR_H
#define TESTS_TAR_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tar {
    uint8_t *data;
    size_t bytes;
};

static inline uint8_t *tar_grow(struct tar *tar, size_t bytes)
{
    tar->data = realloc(tar->data, tar->bytes + bytes);
    if (tar->data == NULL)
        abort();
    memset(tar->data + tar->bytes, 0, bytes);
    tar->bytes += bytes;
    return tar->data + tar->bytes - bytes;
}

/* One member; names of up to 99 bytes. type '0' is a file, '5' a directory. */
static inline void tar_add(struct tar *tar, char type, const char *path, const void *data,
                           size_t len, unsigned mtime)
{
    uint8_t *h = tar_grow(tar, 512);
    unsigned sum = 0;

    snprintf((char *)h, 100, "%s", path);
    memcpy(h + 100, "0000644\0000000000\0000000000", 24);
    snprintf((char *)h + 124, 12, "%011zo", len);
    snprintf((char *)h + 136, 12, "%011o", mtime);
    memset(h + 148, ' ', 8);
    h[156] = (uint8_t)type;
    memcpy(h + 257, "ustar\00000", 8);
    for (unsigned i = 0; i < 512; i++)
        sum += h[i];
    snprintf((char *)h + 148, 8, "%06o", sum);
    if (len > 0)
        memcpy(tar_grow(tar, (len + 511) / 512 * 512), data, len);
}

static inline void tar_file(struct tar *tar, const char *path, const char *text)
{
    tar_add(tar, '0', path, text, strlen(text), 784111777);
}

static inline void tar_end(struct tar *tar)
{
    tar_grow(tar, 1024);
}

static inline void tar_free(struct tar *tar)
{
    free(tar->data);
    memset(tar, 0, sizeof(*tar));
}

#endif
