/* What the fakes of the kernel's services let a host test see and set. */
#ifndef TESTS_FAKES_H
#define TESTS_FAKES_H

#include <kernel/context.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

extern enum context fake_context;    /* what context_current() says; starts as CONTEXT_SOFTIRQ */
extern uint64_t fake_time_ns;        /* what time_ns() says */
extern uint32_t fake_softirq_raised; /* bit per softirq_raise(nr) */
extern unsigned fake_printk_lines;
extern char fake_printk_last[512];

/* Runs stmt, and fails the test unless it panics. */
#define EXPECT_PANIC(stmt)                                                                         \
    do {                                                                                           \
        fake_panic_expected = true;                                                                \
        if (setjmp(fake_panic_jump) == 0) {                                                        \
            stmt;                                                                                  \
            fake_panic_expected = false;                                                           \
            fail_msg("no panic from: %s", #stmt);                                                  \
        }                                                                                          \
        fake_panic_expected = false;                                                               \
    } while (0)

extern bool fake_panic_expected;
extern jmp_buf fake_panic_jump;
extern char fake_panic_message[512];

#endif
