/* Keys and values of maps as text: see net/bpf_text.h. */
#include "bpf/insn.h"
#include <kernel/fmt.h>
#include <kernel/lib.h>
#include <net/bpf_text.h>
#include <string.h>

/* ---- Parts, each of which adds its bytes ---- */

struct parse {
    const struct bpf_text_kind *kind;
    uint8_t *out;
    size_t at; /* bytes that there are; beyond kind->bytes they are counted only */
    bool hex;
    char *why;
};

static void put(struct parse *p, const void *bytes, size_t count)
{
    if (p->at + count <= p->kind->bytes)
        memcpy(p->out + p->at, bytes, count);
    p->at += count;
}

static void put_le(struct parse *p, uint64_t value, size_t bytes)
{
    put(p, &value, bytes); /* little-endian, as this machine is */
}

static void put_be(struct parse *p, uint64_t value, size_t bytes)
{
    for (size_t i = bytes; i-- > 0;) {
        uint8_t byte = (uint8_t)(value >> (8 * i));

        put(p, &byte, 1);
    }
}

static bool refuse(struct parse *p, const char *what, const char *word)
{
    fmt_snprintf(p->why, BPF_TEXT_WHY_MAX, "%s: '%.40s' %s", p->kind->what, word, what);
    return false;
}

/* ---- Numbers ---- */

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 16;
}

/* text[0 to len) is a number of this base, at most `max`. */
static bool number_of(const char *text, size_t len, unsigned base, uint64_t max, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned d = (unsigned)digit(text[i]);

        if (d >= base || *value > (max - d) / base)
            return false;
        *value = *value * base + d;
    }
    return len > 0;
}

static bool number(const char *word, uint64_t max, uint64_t *value)
{
    if (word[0] == '0' && (word[1] == 'x' || word[1] == 'X'))
        return number_of(word + 2, strlen(word + 2), 16, max, value);
    return number_of(word, strlen(word), 10, max, value);
}

static uint64_t most(size_t bytes)
{
    return bytes >= 8 ? UINT64_MAX : (1ull << (8 * bytes)) - 1;
}

/* "u32", "be16": the number's bytes and order. */
static bool number_type(const char *word, size_t *bytes, bool *be)
{
    static const struct {
        const char *name;
        uint8_t bytes;
        bool be;
    } types[] = {
        { "u8", 1, false },  { "u16", 2, false }, { "u32", 4, false }, { "u64", 8, false },
        { "be16", 2, true }, { "be32", 4, true }, { "be64", 8, true }, { "id", 4, false },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
        if (strcmp(types[i].name, word) == 0) {
            *bytes = types[i].bytes;
            *be = types[i].be;
            return true;
        }
    }
    return false;
}

/* ---- Addresses ---- */

/* text[0 to len): four decimal numbers. */
static bool parse_ipv4(const char *text, size_t len, uint8_t out[4])
{
    unsigned part = 0;
    size_t begin = 0;

    for (size_t i = 0; i <= len; i++) {
        uint64_t value;

        if (i < len && text[i] != '.')
            continue;
        if (part == 4 || i - begin > 3 || !number_of(text + begin, i - begin, 10, 255, &value))
            return false;
        out[part++] = (uint8_t)value;
        begin = i + 1;
    }
    return part == 4;
}

/* "::" from text[i] on, which may stand once. */
static bool is_gap(const char *text, size_t len, size_t i)
{
    return i > 0 && i < len && text[i] == ':' && text[i - 1] == ':';
}

/* Groups of up to four hexadecimal digits, `::` once for as many of zeros as are missing, IPv4 in
 * the place of the last two (RFC 4291 §2.2). */
static bool parse_ipv6(const char *text, size_t len, uint8_t out[16])
{
    size_t at = 0, gap = SIZE_MAX, i = 0;

    memset(out, 0, 16);
    if (len >= 2 && text[0] == ':' && text[1] == ':')
        i = 1; /* the loop takes the second one */
    while (i < len || at == 0) {
        size_t begin = i;
        uint64_t value;

        if (is_gap(text, len, i) && gap == SIZE_MAX) {
            gap = at;
            if (++i == len)
                break;
            continue;
        }
        while (i < len && text[i] != ':')
            i++;
        if (i == len && at <= 12 && parse_ipv4(text + begin, len - begin, out + at)) {
            at += 4;
            break;
        }
        if (at == 16 || i - begin > 4 || !number_of(text + begin, i - begin, 16, 0xffff, &value))
            return false;
        out[at++] = (uint8_t)(value >> 8);
        out[at++] = (uint8_t)value;
        if (i < len && ++i == len)
            return false; /* a single colon at the end */
    }
    if (gap == SIZE_MAX)
        return at == 16;
    if (at > 14)
        return false; /* nothing is missing */
    memmove(out + 16 - (at - gap), out + gap, at - gap);
    memset(out + gap, 0, 16 - at);
    return true;
}

/* Six of two hexadecimal digits. */
static bool parse_mac(const char *text, size_t len, uint8_t out[6])
{
    if (len != 17)
        return false;
    for (unsigned i = 0; i < 6; i++) {
        uint64_t value;

        if ((i < 5 && text[3 * i + 2] != ':') || !number_of(text + 3 * i, 2, 16, 255, &value))
            return false;
        out[i] = (uint8_t)value;
    }
    return true;
}

/* The bytes of the address, 0: it is none. */
static size_t parse_address(const char *text, size_t len, uint8_t out[16])
{
    if (parse_ipv4(text, len, out))
        return 4;
    if (parse_mac(text, len, out))
        return 6;
    return parse_ipv6(text, len, out) ? 16 : 0;
}

static bool looks_like_address(const char *word)
{
    return strchr(word, '.') != NULL || strchr(word, ':') != NULL || strchr(word, '/') != NULL;
}

/* An address, with a length behind it where it is the key of an lpm_trie: without one, all of its
 * bits. */
static bool put_address(struct parse *p, const char *word)
{
    const char *slash = strchr(word, '/');
    size_t len = slash != NULL ? (size_t)(slash - word) : strlen(word);
    uint8_t address[16];
    size_t bytes = parse_address(word, len, address);
    uint64_t bits = 8 * bytes;

    if (bytes == 0)
        return refuse(p, "is no address", word);
    if (slash != NULL && (!p->kind->prefix || p->at != 0))
        return refuse(p, "has a length, which keys of an lpm_trie have", word);
    if (slash != NULL && !number_of(slash + 1, strlen(slash + 1), 10, 8 * bytes, &bits))
        return refuse(p, "has a length that its address does not have", word);
    if (p->kind->prefix && p->at == 0)
        put_le(p, bits, 4);
    put(p, address, bytes);
    return true;
}

/* ---- Words ---- */

/* "0a", or several bytes as "0a000001" */
static bool put_hex(struct parse *p, const char *word)
{
    size_t len = strlen(word), step = len == 1 ? 1 : 2;

    if (len % step != 0 || len == 0)
        return refuse(p, "is no hexadecimal byte", word);
    for (size_t i = 0; i < len; i += step) {
        uint64_t value;

        if (!number_of(word + i, step, 16, 255, &value))
            return refuse(p, "is no hexadecimal byte", word);
        put_le(p, value, 1);
    }
    return true;
}

static bool put_byte(struct parse *p, const char *word)
{
    uint64_t value;

    if (!number(word, 255, &value))
        return refuse(p, "is no byte (0 to 255)", word);
    put_le(p, value, 1);
    return true;
}

/* A word, or two. Returns how many; 0: refused. */
static unsigned put_word(struct parse *p, char *const *words, unsigned count)
{
    const char *word = words[0];
    size_t bytes;
    uint64_t value;
    bool be;

    if (strcmp(word, "hex") == 0 && !p->hex) {
        p->hex = true;
        return 1;
    }
    if (p->hex)
        return put_hex(p, word);
    if (strcmp(word, "prog") == 0 && count > 1 && strcmp(words[1], "id") == 0)
        return 1;
    if (number_type(word, &bytes, &be)) {
        if (count < 2 || !number(words[1], most(bytes), &value)) {
            refuse(p, "wants a number of its size behind it", word);
            return 0;
        }
        (be ? put_be : put_le)(p, value, bytes);
        return 2;
    }
    return looks_like_address(word) ? put_address(p, word) : put_byte(p, word);
}

/* One number that is all of it. */
static bool put_whole(struct parse *p, char *const *words, unsigned count)
{
    size_t bytes = p->kind->bytes;
    uint64_t value;

    if (count != 1 || (bytes != 2 && bytes != 4 && bytes != 8) ||
        !number(words[0], most(bytes), &value))
        return false;
    put_le(p, value, bytes);
    return true;
}

static bool finish(struct parse *p)
{
    if (p->at == p->kind->bytes)
        return true;
    fmt_snprintf(p->why, BPF_TEXT_WHY_MAX, "%s: it has %u bytes, %u are given", p->kind->what,
                 (unsigned)p->kind->bytes, (unsigned)p->at);
    return false;
}

bool bpf_text_parse(const struct bpf_text_kind *kind, char *const *words, unsigned count,
                    uint8_t *out, char why[BPF_TEXT_WHY_MAX])
{
    struct parse p = { .kind = kind, .out = out, .why = why };

    if (put_whole(&p, words, count))
        return true;
    for (unsigned i = 0, taken; i < count; i += taken) {
        taken = put_word(&p, words + i, count - i);
        if (taken == 0)
            return false;
    }
    return finish(&p);
}

/* ---- Lines ---- */

/* The next word of the line into word[]. 0: there is none; more than BPF_TEXT_WORD_MAX - 1: it is
 * too long. */
static size_t next_word(const char **line, char word[BPF_TEXT_WORD_MAX])
{
    const char *begin = *line;
    size_t len = 0;

    while (*begin == ' ')
        begin++;
    while (begin[len] != '\0' && begin[len] != ' ')
        len++;
    *line = begin + len;
    memcpy(word, begin, MIN(len, BPF_TEXT_WORD_MAX - 1));
    word[MIN(len, BPF_TEXT_WORD_MAX - 1)] = '\0';
    return len;
}

/* Words are taken two at a time, as that is the most that belong together. */
bool bpf_text_parse_line(const struct bpf_text_kind *kind, const char *line, uint8_t *out,
                         char why[BPF_TEXT_WHY_MAX])
{
    struct parse p = { .kind = kind, .out = out, .why = why };
    char text[2][BPF_TEXT_WORD_MAX], *words[2] = { text[0], text[1] };
    unsigned count = 0, taken;
    const char *rest = line;
    size_t len;

    for (bool first = true;; first = false) {
        for (; count < 2 && (len = next_word(&rest, words[count])) > 0; count++)
            if (len >= BPF_TEXT_WORD_MAX)
                return refuse(&p, "is too long", words[count]);
        if (first && put_whole(&p, words, count))
            return true;
        if (count == 0)
            break;
        taken = put_word(&p, words, count);
        if (taken == 0)
            return false;
        if (taken == 1) { /* the second one is the first now */
            char *swap = words[0];

            words[0] = words[1];
            words[1] = swap;
        }
        count -= taken;
    }
    return finish(&p);
}

/* ---- The other way ---- */

const char *bpf_text_bytes(const uint8_t *bytes, size_t count, char *text, size_t room)
{
    static const char digits[] = "0123456789abcdef";
    size_t at = 0;

    for (size_t i = 0; i < count && at + 2 + (i > 0) < room; i++) {
        if (i > 0)
            text[at++] = ' ';
        text[at++] = digits[bytes[i] >> 4];
        text[at++] = digits[bytes[i] & 15];
    }
    text[at] = '\0';
    return text;
}

static void format_ipv6(const uint8_t *a, char *text, size_t room)
{
    unsigned gap = 8, longest = 1; /* of zero groups, two at least (RFC 5952 §4.2) */
    size_t at = 0;

    for (unsigned i = 0; i < 8; i++) {
        unsigned n = 0;

        while (i + n < 8 && a[2 * (i + n)] == 0 && a[2 * (i + n) + 1] == 0)
            n++;
        if (n > longest) {
            gap = i;
            longest = n;
        }
    }
    for (unsigned i = 0; i < 8; i++) {
        if (i == gap) {
            at += (size_t)fmt_snprintf(text + at, room - at, "::");
            i += longest - 1;
            continue;
        }
        at += (size_t)fmt_snprintf(text + at, room - at, "%s%x",
                                   i > 0 && i != gap + longest ? ":" : "",
                                   (unsigned)(a[2 * i] << 8 | a[2 * i + 1]));
    }
}

const char *bpf_text_key(const struct bpf_text_kind *kind, bool index, const uint8_t *key,
                         char *text, size_t room)
{
    uint32_t word = 0;
    char address[40];

    if (kind->bytes >= 4)
        memcpy(&word, key, 4);
    if (index && kind->bytes == 4) {
        fmt_snprintf(text, room, "%u", word);
    } else if (kind->prefix && kind->bytes == 8) {
        fmt_snprintf(text, room, "%u.%u.%u.%u/%u", key[4], key[5], key[6], key[7], word);
    } else if (kind->prefix && kind->bytes == 20) {
        format_ipv6(key + 4, address, sizeof(address));
        fmt_snprintf(text, room, "%s/%u", address, word);
    } else {
        bpf_text_bytes(key, kind->bytes, text, room);
    }
    return text;
}

const char *bpf_text_error(int error)
{
    switch (-error) {
    case BPF_ENOENT:
        return "there is no such entry";
    case BPF_EEXIST:
        return "there is such an entry already";
    case BPF_E2BIG:
        return "there is no room for it: the map is full, or the index beyond its end";
    case BPF_EPERM:
        return "the map does not allow that";
    case BPF_ENOMEM:
    case BPF_ENOSPC:
        return "there is no memory for it";
    case BPF_EBUSY:
        return "the entry is in use";
    case BPF_EOPNOTSUPP:
    case BPF_ENOTSUPP:
        return "maps of this type have no such thing";
    case BPF_EBADF:
        return "there is no program or socket of that id";
    case BPF_EINVAL:
        return "the map does not take that";
    default:
        return "it did not work";
    }
}
