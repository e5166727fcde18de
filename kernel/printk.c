/*
 * The kernel's log. A line goes into the ring first and is echoed to the serial port from there,
 * so that the echo can lag: while main context stands in the middle of a line (a command's
 * output, a key being worked in), log lines wait until that line is complete.
 */
#include <kernel/logring.h>
#include <kernel/console.h>
#include <kernel/context.h>
#include <kernel/cpu.h>
#include <kernel/fmt.h>
#include <kernel/lib.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/serial.h>
#include <kernel/time.h>

/* What an echo may take in the serial ring: the prompt's line erased, the log line, the prompt. */
#define ECHO_ROOM 1024

static struct logring log_ring; /* all three under irq_save() */
static uint64_t echo_cursor;    /* what the serial port has seen */
static unsigned echo_left_out;  /* lines that it had no room for, since the last that it had */

static void echo_line(uint64_t stamp_ns, const char *text)
{
    char line[LOGRING_TEXT_MAX + 32];
    int n = logring_stamp(line, sizeof(line), stamp_ns);

    n += fmt_snprintf(line + n, sizeof(line) - (size_t)n, "%s\n", text);
    serial_write(line, (size_t)n);
}

/* One record to the serial port. Interrupts are off; console_log_begin() has said yes. */
static bool echo_next(void)
{
    char text[LOGRING_TEXT_MAX + 1];
    uint64_t stamp_ns;

    if (!logring_read(&log_ring, &echo_cursor, &stamp_ns, text, sizeof(text)))
        return false;
    if (serial_room() < ECHO_ROOM) {
        echo_left_out++;
        return true;
    }
    if (echo_left_out > 0) {
        char note[80];

        fmt_snprintf(note, sizeof(note), "printk: %u lines not shown here, dmesg has them",
                     echo_left_out);
        echo_left_out = 0;
        echo_line(stamp_ns, note);
    }
    echo_line(stamp_ns, text);
    return true;
}

void printk_echo(void)
{
    bool irq = irq_save();

    if (echo_cursor < log_ring.head && console_log_begin()) {
        while (echo_next())
            ;
        console_log_end();
    }
    irq_restore(irq);
}

void printk(const char *fmt, ...)
{
    char text[LOGRING_TEXT_MAX + 1];
    va_list ap;
    size_t len;
    bool irq;

    ASSERT(!cpu_is_up() || context_current() != CONTEXT_IRQ);
    va_start(ap, fmt);
    len = (size_t)fmt_vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    len = MIN(len, sizeof(text) - 1);
    while (len > 0 && text[len - 1] == '\n')
        len--;
    for (size_t i = 0; i < len; i++) /* no line may steer the reader's terminal */
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            text[i] = '?';

    irq = irq_save();
    logring_append(&log_ring, time_ns(), text, len);
    irq_restore(irq);
    printk_echo();
}

bool printk_limit_pass(struct printk_limit *limit)
{
    uint64_t now = time_ns(), left_out;

    if (now < limit->next_ns) {
        limit->suppressed++;
        return false;
    }
    limit->next_ns = now + NS_PER_SEC;
    left_out = limit->suppressed;
    limit->suppressed = 0;
    if (left_out > 0)
        printk("printk: %llu lines like the next one left out", (unsigned long long)left_out);
    return true;
}

bool printk_read(uint64_t *cursor, uint64_t *time_ns_out, char *line, size_t size)
{
    bool irq = irq_save();
    bool more = logring_read(&log_ring, cursor, time_ns_out, line, size);

    irq_restore(irq);
    return more;
}
