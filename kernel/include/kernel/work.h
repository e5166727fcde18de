/*
 * Work that the bottom half leaves to main context: what takes long, or wants what only main
 * context may do (a console command, whose output a web page shows). It runs from the main loop
 * and from whoever waits there (loop_wait()), one at a time, in the order in which it came; under
 * a flood that is after each bounded round of softirqs, as for the console.
 */
#ifndef KERNEL_WORK_H
#define KERNEL_WORK_H

#include <stdbool.h>

struct work {
    struct work *next;
    /* Main context, softirqs enabled. The work is its owner's again: run() may free or add it. */
    void (*run)(struct work *work);
    bool queued;
};

/* Have it run; nothing when it is queued already. It must stay where it is until run() is called.
 * Bottom half. */
void work_add(struct work *work);

bool work_pending(void);

/* Run the first one that is queued; nothing inside of another's run(). The main loop: one in a
 * turn, so that the console has its own. */
void work_run(void);

#endif
