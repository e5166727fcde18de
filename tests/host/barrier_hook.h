/* Put before everything else (-include): at each full barrier of the driver the test gets a
 * turn, which is where a device on another CPU would do the worst it can. */
#ifndef TESTS_BARRIER_HOOK_H
#define TESTS_BARRIER_HOOK_H

#include <kernel/barrier.h>

void barrier_hook(void);

#undef dma_mb
#define dma_mb()                                                                                   \
    do {                                                                                           \
        __atomic_thread_fence(__ATOMIC_SEQ_CST);                                                   \
        barrier_hook();                                                                            \
    } while (0)

#endif
