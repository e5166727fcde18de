/* What the rest of kernel/ needs of irq.c and no driver does. Private to kernel/. */
#ifndef KERNEL_IRQ_LOCAL_H
#define KERNEL_IRQ_LOCAL_H

#include <kernel/irq.h>

/* Name the handler of one of the local APIC's own vectors (lapic.h). Boot. */
void irq_set_local(unsigned vector, const char *name, irq_handler *handler);

struct irq_counts {
    uint64_t spurious;    /* the local APIC withdrew an interrupt while the CPU asked for it */
    uint64_t unexpected;  /* a vector that nobody requested */
    uint64_t apic_errors; /* the local APIC's error interrupt */
    uint32_t apic_error_status; /* all bits it ever gave as a reason (SDM vol 3 §11.5.3) */
};
void irq_counts(struct irq_counts *out);

/* Zero all of them, and each vector's count and ticks. Main context. */
void irq_reset_counts(void);

#endif
