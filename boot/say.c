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

static BOOLEAN serial_by_hand; /* the UEFI console does not reach COM1 */

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

/*
 * Does a device path lead to COM1: an ACPI device PNP0501 with UID 0, and its UART (UEFI 2.10
 * §10.3.3, §10.3.4.13)?
 */
static BOOLEAN path_is_com1(const uint8_t *node)
{
    static const uint8_t com1[12] = { 2, 1, 12, 0, 0xd0, 0x41, 0x01, 0x05, 0, 0, 0, 0 };
    BOOLEAN com1_before = FALSE;

    while (node[0] != 0x7f) { /* type, subtype, length in two bytes */
        UINTN len = (UINTN)(node[2] | node[3] << 8);

        if (com1_before && node[0] == 3 && node[1] == 14)
            return TRUE;
        if (len < 4)
            return FALSE;
        com1_before = len == sizeof(com1) && memcmp(node, com1, sizeof(com1)) == 0;
        node += len;
    }
    return FALSE;
}

/*
 * Is COM1 among the devices that the console's output goes to? EDK II marks those with a GUID of
 * its own. Where that is unknown the answer is no: a line that comes twice is better than none.
 */
static BOOLEAN console_on_com1(void)
{
    static EFI_GUID console_out_device_guid = {
        0xd3b36f2c, 0xd551, 0x11d4, { 0x9a, 0x46, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d }
    };
    static EFI_GUID path_guid = EFI_DEVICE_PATH_PROTOCOL_GUID;
    EFI_HANDLE *handles;
    UINTN count;
    BOOLEAN found = FALSE;

    if (EFI_ERROR(
            bs->LocateHandleBuffer(ByProtocol, &console_out_device_guid, NULL, &count, &handles)))
        return FALSE;
    for (UINTN i = 0; i < count && !found; i++) {
        const uint8_t *path;

        if (!EFI_ERROR(bs->HandleProtocol(handles[i], &path_guid, (void **)&path)))
            found = path_is_com1(path);
    }
    bs->FreePool(handles);
    return found;
}

/* 115200 8N1: a UART that the firmware does not use may never have been set up. */
static void com1_set_up(void)
{
    out8(COM1 + 3, 0x80); /* divisor latch */
    out8(COM1 + 0, 1);
    out8(COM1 + 1, 0);
    out8(COM1 + 3, 0x03); /* 8N1 */
    out8(COM1 + 2, 0x01); /* FIFOs on */
    out8(COM1 + 4, 0x03); /* DTR, RTS */
}

void say_init(void)
{
    /* all ones: no UART answers there */
    serial_by_hand = in8(COM1_LSR) != 0xff && !console_on_com1();
    if (serial_by_hand)
        com1_set_up();
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
    CHAR16 wide[LINE_BYTES + 3];
    va_list ap;

    va_start(ap, fmt);
    format(&line, fmt, ap);
    va_end(ap);
    for (unsigned i = 0; i < line.len; i++)
        wide[i] = (CHAR16)(uint8_t)line.text[i];
    wide[line.len] = '\r';
    wide[line.len + 1] = '\n';
    wide[line.len + 2] = 0;
    if (st->ConOut != NULL)
        st->ConOut->OutputString(st->ConOut, wide);
    for (unsigned i = 0; serial_by_hand && wide[i] != 0; i++)
        serial_put((char)wide[i]);
}
