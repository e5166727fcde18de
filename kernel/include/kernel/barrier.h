/*
 * Memory barriers, each with the reason why it is enough on x86-64 (Intel SDM vol 3 §9.2.2:
 * loads are not reordered with loads, stores not with stores; a store may pass a later load).
 * Host builds get the same meaning from the compiler's atomics. Any context.
 */
#ifndef KERNEL_BARRIER_H
#define KERNEL_BARRIER_H

/* Keeps the compiler from moving memory accesses across it; the CPU is not told. */
#define barrier() __asm__ volatile("" ::: "memory")

/* Earlier stores are seen by the device before later stores: x86 keeps store order. */
#define dma_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)

/* Later loads are not taken before earlier loads: x86 keeps load order. */
#define dma_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)

/*
 * An earlier store is seen by the device before a later load is taken. This is the one order
 * that x86 does not keep by itself: "enable interrupts, then look at the ring again" needs it.
 */
#define dma_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)

#endif
