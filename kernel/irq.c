/*
 * Vectors, their handlers and their counts; what every device interrupt passes through.
 *
 * (The lecture: "Network Interrupt handling": the top half acknowledges the interrupt and does
 * minimal processing; the rest is a softirq.)
 */
#include "ioapic.h"
#include "irq_local.h"
#include "lapic.h"
#include "pic.h"
#include "trap.h"
#include <kernel/acpi.h>
#include <kernel/context.h>
#include <kernel/cpu.h>
#include <kernel/cputime.h>
#include <kernel/fmt.h>
#include <kernel/irq.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/softirq.h>

#define VECTOR_FIRST 0x30 /* 0x20-0x2f are where a spurious 8259 interrupt would come */
#define VECTOR_END   VECTOR_TIMER

#define MSI_ADDRESS_BASE                                                                           \
    0xfee00000ull /* SDM vol 3 §11.11.1; physical destination, no redirection */

struct irq_vector {
    const char *name; /* NULL: free */
    irq_handler *handler;
    void *arg;
    uint64_t count;
    uint64_t ticks;      /* TSC ticks from the dispatch to the end-of-interrupt, all of them */
    char controller[24]; /* who raises it, as `interrupts` shows it */
};

static struct irq_vector vectors[256];
static struct irq_counts counts;
static uint32_t boot_apic_id;

static void take_error(void *arg)
{
    (void)arg;
    counts.apic_errors++;
    counts.apic_error_status |= lapic_take_errors();
}

static void set_vector(unsigned vector, const char *name, irq_handler *handler, void *arg)
{
    vectors[vector].handler = handler;
    vectors[vector].arg = arg;
    vectors[vector].name = name;
}

void irq_init(void)
{
    pic_mask_all();
    lapic_init();
    boot_apic_id = lapic_id();
    this_cpu()->apic_id = boot_apic_id;
    ioapic_init(acpi_info());
    irq_set_local(VECTOR_ERROR, "lapic error", take_error);
}

void irq_set_local(unsigned vector, const char *name, irq_handler *handler)
{
    ASSERT_CONTEXT(CONTEXT_MAIN);
    ASSERT(vector >= VECTOR_END && vector != VECTOR_SPURIOUS && vectors[vector].name == NULL);
    fmt_snprintf(vectors[vector].controller, sizeof(vectors[vector].controller), "Local-APIC");
    set_vector(vector, name, handler, NULL);
}

int irq_request(const char *name, irq_handler *handler, void *arg)
{
    ASSERT_CONTEXT(CONTEXT_MAIN);
    ASSERT(name != NULL && handler != NULL);
    for (unsigned vector = VECTOR_FIRST; vector < VECTOR_END; vector++) {
        if (vectors[vector].name != NULL)
            continue;
        fmt_snprintf(vectors[vector].controller, sizeof(vectors[vector].controller), "none");
        set_vector(vector, name, handler, arg);
        return (int)vector;
    }
    return -1;
}

static struct irq_vector *requested_vector(int vector)
{
    ASSERT(vector >= VECTOR_FIRST && vector < VECTOR_END && vectors[vector].name != NULL);
    return &vectors[vector];
}

uint64_t irq_msi_address(int vector)
{
    struct irq_vector *v = requested_vector(vector);

    /* Without interrupt remapping a message has eight bits for the destination; the CPU that
     * the firmware boots on is one of the first. */
    ASSERT(boot_apic_id <= 255);
    fmt_snprintf(v->controller, sizeof(v->controller), "PCI-MSI-X");
    return MSI_ADDRESS_BASE | boot_apic_id << 12;
}

uint32_t irq_msi_data(int vector)
{
    (void)requested_vector(vector);
    return (uint32_t)vector; /* fixed delivery, edge triggered (SDM vol 3 §11.11.2) */
}

bool irq_route_gsi(uint32_t gsi, int vector, bool level_triggered, bool active_low)
{
    struct irq_vector *v = requested_vector(vector);
    int line;

    ASSERT_CONTEXT(CONTEXT_MAIN);
    ASSERT(boot_apic_id <= 255);
    line = ioapic_route(gsi, (unsigned)vector, (uint8_t)boot_apic_id, level_triggered, active_low);
    if (line < 0)
        return false;
    fmt_snprintf(v->controller, sizeof(v->controller), "IO-APIC %u-%s", gsi,
                 level_triggered ? "level" : "edge");
    return true;
}

uint32_t irq_isa_gsi(uint8_t isa_irq, bool *level_triggered, bool *active_low)
{
    const struct acpi_info *acpi = acpi_info();

    for (unsigned i = 0; i < acpi->override_count; i++) {
        if (acpi->override[i].isa_irq != isa_irq)
            continue;
        *level_triggered = acpi->override[i].level_triggered;
        *active_low = acpi->override[i].active_low;
        return acpi->override[i].gsi;
    }
    *level_triggered = false;
    *active_low = false;
    return isa_irq;
}

/*
 * Nobody asked for this vector. The local APIC's spurious one owes no end-of-interrupt (SDM vol
 * 3 §11.9), nor does one from the 8259s; any other does, or its class would stay blocked.
 */
static void dispatch_unclaimed(unsigned vector)
{
    if (vector == VECTOR_SPURIOUS) {
        counts.spurious++;
        return;
    }
    counts.unexpected++;
    if (lapic_in_service(vector))
        lapic_eoi();
}

void irq_dispatch(unsigned vector)
{
    struct cpu *cpu = this_cpu();
    struct irq_vector *v = &vectors[vector];
    enum cputime interrupted;
    uint64_t begun;

    ASSERT(vector < ARRAY_SIZE(vectors));
    ASSERT(!irq_enabled() && cpu->irq_depth == 0); /* gates close the flag; top halves keep it */
    interrupted = cputime_switch(cpu, CPUTIME_IRQ);
    begun = cpu->cputime_since;
    cpu->irq_depth = 1;
    v->count++;
    if (v->handler != NULL) {
        v->handler(v->arg);
        /* A top half that let interrupts in would be entered again before it is done. */
        ASSERT(!irq_enabled() && cpu->irq_depth == 1);
        lapic_eoi();
    } else {
        dispatch_unclaimed(vector);
    }
    cpu->irq_depth = 0;
    cputime_switch(cpu, interrupted);
    v->ticks += cpu->cputime_since - begun;
    softirq_irq_exit();
}

bool irq_info(unsigned i, struct irq_info *out)
{
    for (unsigned v = 0; v < ARRAY_SIZE(vectors); v++) {
        if (vectors[v].name == NULL || i-- > 0)
            continue;
        *out = (struct irq_info){ .name = vectors[v].name,
                                  .vector = (int)v,
                                  .controller = vectors[v].controller,
                                  .count = vectors[v].count,
                                  .ticks = vectors[v].ticks };
        return true;
    }
    return false;
}

void irq_counts(struct irq_counts *out)
{
    *out = counts;
}

void irq_reset_counts(void)
{
    bool irqs = irq_save(); /* a vector's count and its ticks are of the same interrupts */

    ASSERT_CONTEXT(CONTEXT_MAIN);
    counts = (struct irq_counts){ 0 };
    for (unsigned v = 0; v < ARRAY_SIZE(vectors); v++)
        vectors[v].count = vectors[v].ticks = 0;
    irq_restore(irqs);
}
