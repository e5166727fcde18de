/*
 * The messages of programs: see bpf_format() in helper_impl.h. What a format may have is Linux's
 * bpf_bprintf_prepare() (6.18); how it looks, its bstr_printf().
 *
 * A program may print whatever number it likes as a string. Linux reads there and catches the
 * fault; here a string is read only where a program's memory is, and is empty elsewhere.
 */
#include "helper_impl.h"
#include "map.h"
#include <kernel/fmt.h>
#include <kernel/lib.h>
#include <string.h>

#define FIELD_MAX    1024 /* a width beyond is this one, so that it takes no time */
#define STRING_MAX   512u
#define STACK_WINDOW 2048u /* from a helper's frame to the end of the program's stack, and more */

struct format {
    const char *p, *end;
    const uint64_t *args;
    unsigned args_left;
    char *out;
    size_t size;
    size_t length;  /* wanted so far */
    char flags[16]; /* of the conversion: "-08" */
    int width;
};

size_t bpf_readable(uint64_t address)
{
    uint64_t stack = (uintptr_t)__builtin_frame_address(0);
    const struct bpf_map *map;

    if (address - stack < STACK_WINDOW)
        return stack + STACK_WINDOW - address;
    for (unsigned i = 0; (map = bpf_map_at(i)) != NULL; i++) {
        uint64_t at = address - (uintptr_t)map->memory;

        if (at < map->memory_bytes)
            return map->memory_bytes - at;
    }
    return 0;
}

static char peek(const struct format *f, unsigned ahead)
{
    return (size_t)(f->end - f->p) > ahead ? f->p[ahead] : '\0';
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The end of the message, a space or punctuation: what may stand behind %s and %p. */
static bool is_word_end(char c)
{
    return c == '\0' || is_space(c) || (c > ' ' && c < 0x7f && !is_alnum(c));
}

static void put_char(struct format *f, char c)
{
    if (f->length + 1 < f->size)
        f->out[f->length] = c;
    f->length++;
}

static void put_text(struct format *f, const char *text)
{
    while (*text != '\0')
        put_char(f, *text++);
}

static bool take_arg(struct format *f, uint64_t *arg)
{
    if (f->args_left == 0)
        return false;
    f->args_left--;
    *arg = *f->args++;
    return true;
}

/* %[flags][width]: as text for fmt_snprintf(), with the argument as a long long. */
static void parse_field(struct format *f)
{
    unsigned n = 0;

    f->width = 0;
    memset(f->flags, 0, sizeof(f->flags));
    for (; peek(f, 0) == '0' || peek(f, 0) == '+' || peek(f, 0) == '-' || peek(f, 0) == ' '; f->p++)
        if (n + 2 < sizeof(f->flags))
            f->flags[n++] = *f->p;
    for (; peek(f, 0) >= '0' && peek(f, 0) <= '9'; f->p++)
        f->width = MIN(f->width * 10 + (*f->p - '0'), FIELD_MAX);
}

static void put_number(struct format *f, const char *conversion, uint64_t arg)
{
    char text[FIELD_MAX + 1], spec[sizeof(f->flags) + 8];

    fmt_snprintf(spec, sizeof(spec), "%%%s*%s", f->flags, conversion);
    fmt_snprintf(text, sizeof(text), spec, f->width, arg);
    put_text(f, text);
}

/* Text of this length, which may have zeros. */
static void put_field(struct format *f, const char *text, size_t length)
{
    size_t pad = (size_t)f->width > length ? (size_t)f->width - length : 0;
    bool left = strchr(f->flags, '-') != NULL;

    for (; !left && pad > 0; pad--)
        put_char(f, ' ');
    for (size_t i = 0; i < length; i++)
        put_char(f, text[i]);
    for (; pad > 0; pad--)
        put_char(f, ' ');
}

static void put_string(struct format *f, uint64_t address)
{
    size_t readable = MIN(bpf_readable(address), STRING_MAX);
    const char *text = readable > 0 ? (const char *)(uintptr_t)address : "";

    put_field(f, text, strnlen(text, readable));
}

/* %pI4 127.0.0.1, %pi4 127.000.000.001, %pI6 in full with colons, %pi6 without. */
static void put_address(struct format *f, char kind, unsigned bytes, uint64_t address)
{
    uint8_t raw[16] = { 0 };
    char text[8];

    if (bpf_readable(address) >= bytes)
        memcpy(raw, (const void *)(uintptr_t)address, bytes);
    for (unsigned i = 0; i < bytes; i++) {
        if (i > 0 && (bytes == 4 || (kind == 'I' && i % 2 == 0)))
            put_char(f, bytes == 4 ? '.' : ':');
        if (bytes == 4)
            fmt_snprintf(text, sizeof(text), kind == 'I' ? "%u" : "%03u", raw[i]);
        else
            fmt_snprintf(text, sizeof(text), "%02x", raw[i]);
        put_text(f, text);
    }
}

static bool format_pointer(struct format *f) /* behind the 'p' */
{
    char kind = peek(f, 0), next = peek(f, 1);
    uint64_t arg;

    if (!take_arg(f, &arg))
        return false;
    if ((kind == 'k' || kind == 'u') && next == 's') {
        put_string(f, arg);
    } else if (kind == 'i' || kind == 'I') {
        if (next != '4' && next != '6')
            return false;
        put_address(f, kind, next == '4' ? 4 : 16, arg);
    } else if (kind == 's' || kind == 'S' || kind == 'B') {      /* a symbol: names of the kernel */
        f->flags[strnlen(f->flags, sizeof(f->flags) - 2)] = '#'; /* zeros are behind it */
        put_number(f, "llx", arg);
    } else if (kind == 'x' || kind == 'K' || is_word_end(kind)) {
        if (f->width == 0) {
            f->flags[0] = '0';
            f->flags[1] = '\0';
            f->width = 16;
        }
        put_number(f, "llx", arg);
    } else {
        return false;
    }
    while (is_alnum(peek(f, 0)))
        f->p++;
    return true;
}

static bool format_number(struct format *f)
{
    bool wide = peek(f, 0) == 'l';
    char conversion[4] = "ll?";
    uint64_t arg;

    for (unsigned i = 0; i < 2 && peek(f, 0) == 'l'; i++)
        f->p++;
    conversion[2] = peek(f, 0);
    if (conversion[2] == '\0' || strchr("diuxX", conversion[2]) == NULL || !take_arg(f, &arg))
        return false;
    f->p++;
    if (!wide)
        arg = conversion[2] == 'd' || conversion[2] == 'i' ? (uint64_t)(int64_t)(int32_t)arg
                                                           : (uint32_t)arg;
    put_number(f, conversion, arg);
    return true;
}

static bool format_conversion(struct format *f) /* behind the '%' */
{
    uint64_t arg;
    char c;

    parse_field(f);
    switch (peek(f, 0)) {
    case 'p':
        f->p++;
        return format_pointer(f);
    case 's':
        f->p++;
        if (!is_word_end(peek(f, 0)) || !take_arg(f, &arg))
            return false;
        put_string(f, arg);
        return true;
    case 'c':
        f->p++;
        if (!take_arg(f, &arg))
            return false;
        c = (char)arg;
        put_field(f, &c, 1);
        return true;
    default:
        return format_number(f);
    }
}

int64_t bpf_format(char *out, size_t size, const char *format, size_t bytes, const uint64_t *args,
                   unsigned arg_count)
{
    struct format f = {
        .p = format, .args = args, .args_left = arg_count, .out = out, .size = size
    };

    f.end = memchr(format, '\0', bytes);
    if (f.end == NULL)
        return -BPF_EINVAL;
    while (f.p < f.end) {
        char c = *f.p++;

        if ((c >= 0 && c < ' ' && !is_space(c)) || c == 0x7f) /* UTF-8 is below 0 */
            return -BPF_EINVAL;
        if (c == '%' && peek(&f, 0) == '%')
            f.p++;
        else if (c == '%') {
            if (!format_conversion(&f))
                return -BPF_EINVAL;
            continue;
        }
        put_char(&f, c);
    }
    if (size > 0)
        out[MIN(f.length, size - 1)] = '\0';
    return (int64_t)f.length;
}
