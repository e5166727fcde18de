/*
 * The interrupt descriptor table, its assembly stubs (trap.S), and what they call. Private to
 * kernel/. Vectors 0-31 are the CPU's exceptions (Intel SDM vol 3 §6.15) and end in
 * trap_handle(); 32-255 are interrupts and go to irq_dispatch() in irq.c.
 */
#ifndef KERNEL_TRAP_H
#define KERNEL_TRAP_H

#include <stdint.h>

#define TRAP_EXCEPTIONS 32
#define TRAP_VECTORS    256

/* The stacks of the TSS: for what may come when the running stack is no good. */
#define TRAP_IST_DOUBLE_FAULT  1
#define TRAP_IST_NMI           2
#define TRAP_IST_MACHINE_CHECK 3

/* What trap.S pushes for an exception, in the order of addresses. */
struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
    uint64_t rdi, rsi, rbp, rbx, rdx, rcx, rax;
    uint64_t vector;
    uint64_t error; /* 0 where the CPU pushes none */
    uint64_t rip, cs, rflags, rsp, ss;
};

_Static_assert(sizeof(struct trap_frame) == 22 * 8, "trap.S");

/* Fill the IDT and load it. Called by cpu_init(), once the TSS has its stacks. */
void trap_init(void);

/* Report an exception and stop. No exception is resumed. Called by trap.S. */
_Noreturn void trap_handle(const struct trap_frame *frame);

/*
 * Called by trap.S for vectors 32-255: interrupts are off, the caller-saved registers are, and
 * the frame-pointer chain leads to the interrupted code. It returns with interrupts off.
 */
void irq_dispatch(unsigned vector);

#endif
