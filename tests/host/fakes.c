/*
 * The kernel's services as host tests see them. All are weak, so that a test that is about one
 * of them links the real one.
 */
#include "fakes.h"
#include <drivers/trace.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/softirq.h>
#include <kernel/time.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define WEAK __attribute__((weak))

enum context fake_context = CONTEXT_SOFTIRQ;
uint64_t fake_time_ns;
uint32_t fake_softirq_raised;
unsigned fake_printk_lines;
char fake_printk_last[512];
bool fake_panic_expected;
jmp_buf fake_panic_jump;
char fake_panic_message[512];

WEAK void panic(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(fake_panic_message, sizeof(fake_panic_message), fmt, ap);
    va_end(ap);
    if (fake_panic_expected)
        longjmp(fake_panic_jump, 1);
    fprintf(stderr, "panic: %s\n", fake_panic_message);
    abort();
}

WEAK enum context context_current(void)
{
    return fake_context;
}
WEAK bool context_is_bottom_half(void)
{
    return fake_context == CONTEXT_SOFTIRQ;
}
WEAK void time_spin_ns(uint64_t ns)
{
    fake_time_ns += ns;
}

WEAK uint64_t time_ns(void)
{
    return fake_time_ns;
}
WEAK uint64_t time_tsc_to_ns(uint64_t ticks)
{
    return ticks;
}
WEAK void softirq_raise(enum softirq nr)
{
    fake_softirq_raised |= 1u << nr;
}

WEAK void printk(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(fake_printk_last, sizeof(fake_printk_last), fmt, ap);
    va_end(ap);
    fake_printk_lines++;
}

WEAK bool printk_limit_pass(struct printk_limit *limit)
{
    (void)limit;
    return true;
}

/* No packet is traced. */
WEAK bool trace_armed;
WEAK void trace_hit(enum trace_stage stage, const struct trace_site *site)
{
    (void)stage;
    (void)site;
}
WEAK void trace_hit_taken(struct pktbuf *buf, const struct trace_site *site)
{
    (void)buf;
    (void)site;
}
WEAK void trace_hit_enter(const struct pktbuf *buf)
{
    (void)buf;
}
WEAK void trace_hit_leave(void) {}
WEAK void trace_hit_sent(const void *token, const struct trace_site *site)
{
    (void)token;
    (void)site;
}
WEAK void trace_hit_kicked(bool told, const struct trace_site *site)
{
    (void)told;
    (void)site;
}
WEAK void trace_hit_done(const void *token, const struct trace_site *site)
{
    (void)token;
    (void)site;
}
WEAK void trace_hit_lost(const void *token)
{
    (void)token;
}
