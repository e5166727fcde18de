/*
 * The seam between the system and its one app, chosen at build time (make APP=httpd). An app is
 * a folder apps/<name>/ that defines `const struct app app`; docs/writing-an-app.md is the
 * one-page guide and apps/echo the smallest example.
 *
 * After start() the app lives in lwIP's callbacks: softirq context, run to completion, no
 * waiting. Payload is read in the buffers that the NIC wrote (pbufs), and sent by reference
 * (tcp_write without TCP_WRITE_FLAG_COPY; copies_write() of net/copies.h is the same, with the
 * copies that a user may ask for) from memory that stays as it is until it is acknowledged, and for
 * one transmit ring's time longer: a retransmission may still be queued when the ACK of the first
 * copy arrives. For received buffers the stack sees to that: they may be freed at the
 * acknowledgement. Memory that never changes (the site) is always right.
 */
#ifndef APPS_APP_H
#define APPS_APP_H

#include <kernel/cputime.h>
#include <stdbool.h>

/*
 * Bracket of an app's own work, so that `cpu` shows its time apart from the stack's:
 *
 *   enum cputime before = app_begin();
 *   ... parse, look up, tcp_write ...
 *   app_end(before);
 *
 * Softirq context. Interrupts are off for the switch alone: one in its middle would be counted
 * twice.
 */
static inline enum cputime app_begin(void)
{
    enum cputime before;

    irq_disable();
    before = cputime_switch(this_cpu(), CPUTIME_APP);
    irq_enable();
    return before;
}

static inline void app_end(enum cputime before)
{
    irq_disable();
    cputime_switch(this_cpu(), before);
    irq_enable();
}

struct app {
    const char *name;
    const char *summary; /* one line, for `version` and the boot log */
    /* Bind ports and get ready. Called once, in main context inside net_enter()/net_leave().
     * Returns false (and has logged why) when it cannot serve. */
    bool (*start)(void);
};

extern const struct app app;

#endif
