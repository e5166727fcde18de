/*
 * A ring of log records of any length; the oldest make room for the newest. Pure code without
 * locking: printk.c brackets it with irq_save().
 */
#ifndef KERNEL_LOGRING_H
#define KERNEL_LOGRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOGRING_BYTES    65536u /* a power of two */
#define LOGRING_TEXT_MAX 511    /* longer ones are cut */

struct logring {
    uint64_t head, tail; /* positions since boot: next to write, oldest that is still there */
    uint8_t data[LOGRING_BYTES];
};

void logring_append(struct logring *ring, uint64_t time_ns, const char *text, size_t len);

/* The record at *cursor (0: the oldest), as a terminated copy of at most size - 1 bytes; moves
 * *cursor on. Returns false at the end. A record that was overwritten is passed over. */
bool logring_read(const struct logring *ring, uint64_t *cursor, uint64_t *time_ns, char *text,
                  size_t size);

/* "[    0.123456] ", as Linux stamps its log. Returns the length. */
int logring_stamp(char *buf, size_t size, uint64_t time_ns);

#endif
