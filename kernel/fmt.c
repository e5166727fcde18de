/*
 * printf-style formatting (ISO C11 §7.21.6.1, without floating point, wide characters and %n).
 * Pure code; the host test compares it with libc's snprintf.
 */
#include <kernel/fmt.h>
#include <kernel/lib.h>

struct out {
    char *buf;
    size_t size;
    size_t len; /* wanted so far, may pass size */
};

struct spec {
    bool left, zero, plus, space, alt;
    int width;
    int precision; /* -1: none given */
    int length;    /* sizeof the integer argument */
};

static void put(struct out *o, char c)
{
    if (o->len + 1 < o->size)
        o->buf[o->len] = c;
    o->len++;
}

static void put_n(struct out *o, char c, int n)
{
    while (n-- > 0)
        put(o, c);
}

static void put_text(struct out *o, const struct spec *s, const char *text, int len)
{
    if (!s->left)
        put_n(o, ' ', s->width - len);
    for (int i = 0; i < len; i++)
        put(o, text[i]);
    if (s->left)
        put_n(o, ' ', s->width - len);
}

static void put_string(struct out *o, const struct spec *s, const char *text)
{
    int len = 0;

    if (text == NULL)
        text = "(null)";
    /* With a precision the text need not be terminated: never look past it. */
    while ((s->precision < 0 || len < s->precision) && len < __INT_MAX__ && text[len] != '\0')
        len++;
    put_text(o, s, text, len);
}

/* sign: the characters before the zero padding: "", "-", "+", " ", "0x" or "0X". */
static void put_number(struct out *o, const struct spec *s, uint64_t value, unsigned base,
                       bool upper, const char *sign)
{
    const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char text[24]; /* 22 octal digits of 2^64 */
    int len = 0, zeros, sign_len = 0;

    for (; value != 0; value /= base)
        text[len++] = digits[value % base];
    while (sign[sign_len] != '\0')
        sign_len++;

    zeros = (s->precision < 0 ? 1 : s->precision) - len;
    if (base == 8 && s->alt && zeros <= 0)
        zeros = 1; /* '#': the first digit is a zero */
    if (s->precision < 0 && s->zero && !s->left)
        zeros = MAX(zeros, s->width - sign_len - len);
    zeros = MAX(zeros, 0);

    if (!s->left)
        put_n(o, ' ', s->width - sign_len - zeros - len);
    for (int i = 0; i < sign_len; i++)
        put(o, sign[i]);
    put_n(o, '0', zeros);
    for (int i = len; i > 0; i--)
        put(o, text[i - 1]);
    if (s->left)
        put_n(o, ' ', s->width - sign_len - zeros - len);
}

static const char *parse_flags(const char *p, struct spec *s)
{
    for (;; p++) {
        switch (*p) {
        case '-':
            s->left = true;
            break;
        case '0':
            s->zero = true;
            break;
        case '+':
            s->plus = true;
            break;
        case ' ':
            s->space = true;
            break;
        case '#':
            s->alt = true;
            break;
        default:
            return p;
        }
    }
}

/* A width or precision. FIELD_MAX keeps sums of them within an int. */
#define FIELD_MAX 65535

static const char *parse_field(const char *p, int *value)
{
    for (*value = 0; *p >= '0' && *p <= '9'; p++)
        *value = MIN(*value * 10 + (*p - '0'), FIELD_MAX);
    return p;
}

static const char *parse_length(const char *p, struct spec *s)
{
    s->length = sizeof(int);
    switch (*p) {
    case 'h':
        s->length = p[1] == 'h' ? sizeof(char) : sizeof(short);
        return p[1] == 'h' ? p + 2 : p + 1;
    case 'l':
        s->length = sizeof(long);
        return p[1] == 'l' ? p + 2 : p + 1;
    case 'z':
    case 't':
    case 'j':
        s->length = sizeof(uint64_t);
        return p + 1;
    default:
        return p;
    }
}
_Static_assert(sizeof(long) == 8 && sizeof(size_t) == 8 && sizeof(intmax_t) == 8, "LP64");

static int64_t narrow_signed(int64_t v, int length)
{
    switch (length) {
    case 1:
        return (signed char)v;
    case 2:
        return (short)v;
    default:
        return v;
    }
}

static uint64_t narrow_unsigned(uint64_t v, int length)
{
    return length == 8 ? v : v & ((1ull << (8 * length)) - 1);
}

static void put_signed(struct out *o, const struct spec *s, int64_t v)
{
    const char *sign = v < 0 ? "-" : s->plus ? "+" : s->space ? " " : "";

    put_number(o, s, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10, false, sign);
}

static void put_hex(struct out *o, const struct spec *s, uint64_t v, bool upper)
{
    put_number(o, s, v, 16, upper, s->alt && v != 0 ? (upper ? "0X" : "0x") : "");
}

/* From behind the '%' to the conversion character, which is returned. */
static const char *parse_spec(const char *p, struct spec *s, va_list *ap)
{
    *s = (struct spec){ .precision = -1 };
    p = parse_flags(p, s);
    if (*p == '*') {
        int width = va_arg(*ap, int);

        s->left |= width < 0;
        width = MAX(MIN(width, FIELD_MAX), -FIELD_MAX);
        s->width = width < 0 ? -width : width;
        p++;
    } else {
        p = parse_field(p, &s->width);
    }
    if (*p == '.' && p[1] == '*') {
        s->precision = va_arg(*ap, int);
        s->precision = MAX(MIN(s->precision, FIELD_MAX), -1);
        p += 2;
    } else if (*p == '.') {
        p = parse_field(p + 1, &s->precision);
    }
    return parse_length(p, s);
}

static int64_t signed_arg(const struct spec *s, va_list *ap)
{
    return s->length == 8 ? va_arg(*ap, int64_t) : narrow_signed(va_arg(*ap, int), s->length);
}

static uint64_t unsigned_arg(const struct spec *s, va_list *ap)
{
    return s->length == 8 ? va_arg(*ap, uint64_t)
                          : narrow_unsigned(va_arg(*ap, unsigned), s->length);
}

static bool put_conversion(struct out *o, const struct spec *s, char conversion, va_list *ap)
{
    char c;

    switch (conversion) {
    case 'd':
    case 'i':
        put_signed(o, s, signed_arg(s, ap));
        return true;
    case 'u':
        put_number(o, s, unsigned_arg(s, ap), 10, false, "");
        return true;
    case 'o':
        put_number(o, s, unsigned_arg(s, ap), 8, false, "");
        return true;
    case 'x':
    case 'X':
        put_hex(o, s, unsigned_arg(s, ap), conversion == 'X');
        return true;
    case 'p':
        put_number(o, s, (uintptr_t)va_arg(*ap, void *), 16, false, "0x");
        return true;
    case 'c':
        c = (char)va_arg(*ap, int);
        put_text(o, s, &c, 1);
        return true;
    case 's':
        put_string(o, s, va_arg(*ap, const char *));
        return true;
    case '%':
        put(o, '%');
        return true;
    default:
        return false;
    }
}

int fmt_vsnprintf(char *buf, size_t size, const char *fmt, va_list args)
{
    struct out o = { .buf = buf, .size = size };
    va_list ap;

    va_copy(ap, args);
    while (*fmt != '\0') {
        struct spec s;
        const char *end;

        if (*fmt != '%') {
            put(&o, *fmt++);
            continue;
        }
        end = parse_spec(fmt + 1, &s, &ap);
        if (put_conversion(&o, &s, *end, &ap))
            fmt = end + 1;
        else /* not ours: show it as it stands, so that the mistake is seen */
            while (fmt < end)
                put(&o, *fmt++);
    }
    va_end(ap);
    if (size > 0)
        buf[MIN(o.len, size - 1)] = '\0';
    return (int)MIN(o.len, (size_t)__INT_MAX__);
}

int fmt_snprintf(char *buf, size_t size, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = fmt_vsnprintf(buf, size, fmt, ap);
    va_end(ap);
    return n;
}
