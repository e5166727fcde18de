/* The main loop: deferred softirqs, the console, and sleep when there is nothing to do. */
#ifndef KERNEL_LOOP_H
#define KERNEL_LOOP_H

#include <stdbool.h>
#include <stdint.h>

/* Never returns. Main context. */
_Noreturn void loop_run(void);

/*
 * Run deferred softirqs, then sleep until an interrupt unless work is left or time_ns() has
 * reached deadline_ns (UINT64_MAX: none). For main-context code that waits: it calls this in a
 * loop around its own condition. Softirqs must be enabled.
 */
void loop_wait(uint64_t deadline_ns);

#endif
