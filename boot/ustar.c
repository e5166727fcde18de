/* A ustar archive, read in place: see boot/ustar.h. Offsets are those of the pax standard. */
#include <boot/ustar.h>

#include <stdbool.h>
#include <string.h>

#define BLOCK 512u

struct ustar_header {
    char name[100];
    char mode[8], uid[8], gid[8];
    char size[12], mtime[12];
    char checksum[8];
    char type;
    char link[100];
    char magic[6], version[2];
    char uname[32], gname[32], devmajor[8], devminor[8];
    char prefix[155];
    char pad[12];
};
_Static_assert(sizeof(struct ustar_header) == BLOCK, "ustar layout");

/* A field of octal digits, blanks around them allowed; GNU's base-256 for large numbers too. */
static bool parse_number(const char *field, size_t len, uint64_t *out)
{
    size_t i = 0;
    uint64_t v = 0;

    if ((uint8_t)field[0] == 0x80) { /* GNU: big endian, positive */
        for (i = 1; i < len; i++) {
            if (v >> 55)
                return false;
            v = v << 8 | (uint8_t)field[i];
        }
        *out = v;
        return true;
    }
    while (i < len && field[i] == ' ')
        i++;
    for (; i < len && field[i] >= '0' && field[i] <= '7'; i++)
        v = v << 3 | (uint64_t)(field[i] - '0'); /* 11 digits at most: no overflow */
    for (; i < len; i++)
        if (field[i] != ' ' && field[i] != '\0')
            return false;
    *out = v;
    return true;
}

static bool checksum_holds(const struct ustar_header *h)
{
    const uint8_t *bytes = (const uint8_t *)h;
    uint64_t want, sum = 0;

    for (size_t i = 0; i < BLOCK; i++) {
        bool in_field = i >= offsetof(struct ustar_header, checksum) &&
                        i < offsetof(struct ustar_header, checksum) + sizeof(h->checksum);

        sum += in_field ? ' ' : bytes[i];
    }
    return parse_number(h->checksum, sizeof(h->checksum), &want) && sum == want;
}

static bool is_zero_block(const uint8_t *block)
{
    for (size_t i = 0; i < BLOCK; i++)
        if (block[i] != 0)
            return false;
    return true;
}

/* Join the parts of a name, without a leading "./" or "/" and a trailing "/". False: too long. */
static bool set_path(char path[USTAR_PATH_MAX + 1], const char *prefix, size_t prefix_len,
                     const char *name, size_t name_len)
{
    char joined[USTAR_PATH_MAX + 4]; /* with "./" before it and "/" behind it */
    size_t len = 0, from = 0;

    if (prefix_len + name_len + 1 > sizeof(joined))
        return false;
    if (prefix_len > 0) {
        memcpy(joined, prefix, prefix_len);
        len = prefix_len;
        joined[len++] = '/';
    }
    memcpy(joined + len, name, name_len);
    len += name_len;

    for (;;) {
        if (len - from >= 2 && joined[from] == '.' && joined[from + 1] == '/')
            from += 2;
        else if (len > from && joined[from] == '/')
            from++;
        else
            break;
    }
    while (len > from && joined[len - 1] == '/')
        len--;
    if (len - from == 1 && joined[from] == '.')
        from = len;
    if (len - from > USTAR_PATH_MAX)
        return false;
    memcpy(path, joined + from, len - from);
    path[len - from] = '\0';
    return true;
}

/* The value of `path` in a pax extended header ("LEN key=value\n" records), or NULL. */
static const char *pax_path(const char *text, size_t bytes, size_t *len)
{
    const char *found = NULL;

    while (bytes > 0) {
        size_t digits = 0, record = 0;

        while (digits < bytes && digits < 9 && text[digits] >= '0' && text[digits] <= '9')
            record = record * 10 + (size_t)(text[digits++] - '0');
        if (digits == 0 || digits >= bytes || text[digits] != ' ' || record > bytes ||
            record < digits + 3 || text[record - 1] != '\n')
            return NULL;
        if (record > digits + 7 && memcmp(text + digits + 1, "path=", 5) == 0) {
            found = text + digits + 6;
            *len = record - digits - 7;
        }
        text += record;
        bytes -= record;
    }
    return found;
}

static int fail(struct ustar_reader *reader, const char *message)
{
    reader->error = message;
    return -1;
}

void ustar_open(struct ustar_reader *reader, const void *archive, size_t bytes)
{
    reader->archive = archive;
    reader->bytes = bytes;
    reader->offset = 0;
    reader->error = NULL;
}

int ustar_next(struct ustar_reader *reader, struct ustar_entry *entry)
{
    const char *long_name = NULL;
    size_t long_len = 0;

    for (;;) {
        const struct ustar_header *h;
        const uint8_t *data;
        uint64_t size, mtime;
        size_t left = reader->bytes - reader->offset;

        if (left < BLOCK)
            return fail(reader, "it ends without the end-of-archive blocks");
        h = (const void *)(reader->archive + reader->offset);
        if (is_zero_block((const uint8_t *)h))
            return 0;
        if (memcmp(h->magic, "ustar", 5) != 0)
            return fail(reader, "not a ustar archive");
        if (!checksum_holds(h))
            return fail(reader, "a header's checksum is wrong");
        if (!parse_number(h->size, sizeof(h->size), &size) ||
            !parse_number(h->mtime, sizeof(h->mtime), &mtime))
            return fail(reader, "a header's number is malformed");
        left -= BLOCK;
        if (size > left)
            return fail(reader, "a file is cut off");
        data = (const uint8_t *)(h + 1);
        reader->offset += BLOCK + (size_t)((size + BLOCK - 1) / BLOCK * BLOCK);
        if (reader->offset > reader->bytes)
            return fail(reader, "a file's last block is cut off");

        if (h->type == 'L') {
            long_name = (const char *)data;
            long_len = strnlen(long_name, (size_t)size);
        } else if (h->type == 'x') {
            long_name = pax_path((const char *)data, (size_t)size, &long_len);
        } else if (h->type == '0' || h->type == '\0' || h->type == '5') {
            bool fits = long_name != NULL ? set_path(entry->path, NULL, 0, long_name, long_len)
                                          : set_path(entry->path, h->prefix,
                                                     memcmp(h->magic, "ustar\0", 6) == 0
                                                         ? strnlen(h->prefix, sizeof(h->prefix))
                                                         : 0,
                                                     h->name, strnlen(h->name, sizeof(h->name)));

            if (!fits)
                return fail(reader, "a name is longer than 255 bytes");
            entry->data = data;
            entry->bytes = h->type == '5' ? 0 : size;
            entry->mtime = mtime;
            entry->type = h->type == '5' ? '5' : '0';
            return 1;
        } else {
            long_name = NULL; /* belonged to this one: a link, a device, a global header */
        }
    }
}
