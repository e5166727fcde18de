/*
 * The last words of a system that stops: what panics and exceptions have in common. Private to
 * kernel/. Any context; everything is printed by polling, into no ring and with no lock.
 */
#ifndef KERNEL_REPORT_H
#define KERNEL_REPORT_H

#include <stdint.h>

/*
 * Switch interrupts off and begin a report. A second report, from within the first one, is one
 * line (what, at pc) and then the end: whatever was needed for the first is not to be relied on.
 */
void report_begin(const char *what, uint64_t pc);

void report_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* "function+0x1c/0x40", or the bare address where it is in no function. */
void report_symbol(uint64_t pc);

/* "context: softirq, CPU 0" */
void report_context(void);

/* The callers from frame pointer fp on; of an exception the interrupted code's pc and sp first
 * (0: none). */
void report_backtrace(uint64_t pc, uint64_t sp, uint64_t fp);

/* Halt, or reset where tophalf.cfg says panic=reboot. */
_Noreturn void report_end(void);

#endif
