/*
 * The loader's voice. A machine may show the UEFI console on a screen, on a serial line, or both;
 * who watches COM1 must see the message in any case, and not twice.
 */
#include "loader.h"

#include <stdarg.h>
#include <string.h>

#define COM1       0x3f8
#define COM1_LSR   (COM1 + 5)
#define LSR_EMPTY  0x20
#define TRIES      100000
#define LINE_BYTES 200

static BOOLEAN serial_by_hand; /* the UEFI console does not reach a serial port */

static inline uint8_t in8(uint16_t port)
{
    uint8_t v;
    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}

static inline void out8(uint16_t port, uint8_t v)
{
    __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

/* Does a device path go through a UART (UEFI 2.10 §10.3.4.13)? */
static BOOLEAN path_has_uart(EFI_DEVICE_PATH_PROTOCOL *node)
{
    while (node->Type != 0x7f) {
        UINTN len = (UINTN)(node->Length[0] | node->Length[1] << 8);

        if (node->Type == 3 && node->SubType == 14)
            return TRUE;
        if (len < 4)
            return FALSE;
        node = (EFI_DEVICE_PATH_PROTOCOL *)((uint8_t *)node + len);
    }
    return FALSE;
}

static BOOLEAN console_on_serial(void)
{
    static EFI_GUID text_guid = EFI_SIMPLE_TEXT_OUTPUT_PROTOCOL_GUID;
    static EFI_GUID path_guid = EFI_DEVICE_PATH_PROTOCOL_GUID;
    EFI_HANDLE *handles;
    UINTN count;
    BOOLEAN found = FALSE;

    if (EFI_ERROR(bs->LocateHandleBuffer(ByProtocol, &text_guid, NULL, &count, &handles)))
        return FALSE;
    for (UINTN i = 0; i < count && !found; i++) {
        EFI_DEVICE_PATH_PROTOCOL *path;

        if (!EFI_ERROR(bs->HandleProtocol(handles[i], &path_guid, (void **)&path)))
            found = path_has_uart(path);
    }
    bs->FreePool(handles);
    return found;
}

void say_init(void)
{
    /* all ones: no UART answers there */
    serial_by_hand = in8(COM1_LSR) != 0xff && !console_on_serial();
}

static void serial_put(char c)
{
    for (unsigned i = 0; i < TRIES && !(in8(COM1_LSR) & LSR_EMPTY); i++)
        ;
    out8(COM1, (uint8_t)c);
}

struct line {
    char text[LINE_BYTES];
    unsigned len;
};

static void put(struct line *line, char c)
{
    if (line->len < sizeof(line->text))
        line->text[line->len++] = c;
}

static void put_number(struct line *line, uint64_t v, unsigned base)
{
    char digits[20];
    unsigned n = 0;

    do {
        digits[n++] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v != 0);
    while (n > 0)
        put(line, digits[--n]);
}

static void format(struct line *line, const char *fmt, va_list ap)
{
    for (; *fmt != '\0'; fmt++) {
        if (*fmt != '%') {
            put(line, *fmt);
            continue;
        }
        switch (*++fmt) {
        case 's':
            for (const char *s = va_arg(ap, const char *); *s != '\0'; s++)
                put(line, *s);
            break;
        case 'u':
            put_number(line, va_arg(ap, unsigned), 10);
            break;
        case 'x':
            put_number(line, va_arg(ap, unsigned), 16);
            break;
        default:
            put(line, '%');
            fmt--;
            break;
        }
    }
}

void say(const char *fmt, ...)
{
    struct line line = { .len = 0 };
    CHAR16 wide[2] = { 0, 0 };
    va_list ap;

    va_start(ap, fmt);
    format(&line, fmt, ap);
    va_end(ap);
    for (unsigned i = 0; i < line.len + 2; i++) {
        char c = i < line.len ? line.text[i] : i == line.len ? '\r' : '\n';

        wide[0] = (CHAR16)(uint8_t)c;
        if (st->ConOut != NULL)
            st->ConOut->OutputString(st->ConOut, wide);
        if (serial_by_hand)
            serial_put(c);
    }
}
