/*
 * The kernel's log: a ring that `dmesg` shows, echoed to the serial console.
 */
#ifndef KERNEL_PRINTK_H
#define KERNEL_PRINTK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Log one line (no trailing newline), stamped with time_ns(). By convention "subsystem: what".
 * Any context but a top half, which has no time for it (asserted). Never waits: where the serial
 * ring is full the echo is dropped (and counted), the log keeps it.
 */
void printk(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Show on the serial port what has been held back. The console calls it when a line that was
 * being written there is complete. Any context. */
void printk_echo(void);

/* At most one line a second from this call site, telling how many were left out. For events
 * that the network or the device can cause. */
#define printk_ratelimited(...)                                                                    \
    do {                                                                                           \
        static struct printk_limit limit_;                                                         \
        if (printk_limit_pass(&limit_))                                                            \
            printk(__VA_ARGS__);                                                                   \
    } while (0)

struct printk_limit {
    uint64_t next_ns;
    uint64_t suppressed;
};
bool printk_limit_pass(struct printk_limit *limit);

/* Walk the log, oldest first: *cursor starts at 0. Returns false at the end. The text is copied,
 * so that a line that is overwritten meanwhile does no harm. */
bool printk_read(uint64_t *cursor, uint64_t *time_ns, char *line, size_t size);

#endif
