/*
 * COM1, a 16550 (115200 8N1): interrupt-driven both ways once serial_start() has run, polled
 * before that and in a panic. A machine without one works: output goes nowhere.
 */
#ifndef KERNEL_SERIAL_H
#define KERNEL_SERIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void serial_init(void);  /* first thing at boot: polled output works from here on */
void serial_start(void); /* after irq_init(): rings and interrupts */

/* Queue bytes; returns how many fitted. Any context, never waits. '\n' is sent as CR LF. */
size_t serial_write(const char *text, size_t len);

/* Bytes that the output ring has room for ('\n' takes two). Any context. */
size_t serial_room(void);

/* The next received byte, or -1. Main context. */
int serial_getc(void);
bool serial_input_pending(void);

/* Wait until the output ring has room for `bytes`, running softirqs meanwhile; gives up when the
 * port takes nothing for a second. Main context, softirqs enabled. */
void serial_wait_room(size_t bytes);

/* Send all that is queued, by polling: before a reset or power off. Any context. */
void serial_flush(void);

/* For panics: give up the rings and print by polling, interrupts or not. Any context. */
void serial_puts_polled(const char *text);

struct serial_stats {
    uint64_t rx_bytes, tx_bytes, rx_overruns, tx_dropped;
};
void serial_stats(struct serial_stats *out);

#endif
