/*
 * Faults of the network card for the command `fault` (fault=on): what devices and hypervisors do,
 * and the system has to get over. Main context, softirqs disabled.
 */
#include "stack_priv.h"
#include <drivers/nic.h>
#include <kernel/faultpoint.h>

/* The receive interrupt is masked at the ring, and nobody knows: from the outside this is an
 * interrupt that was lost. A poll for another reason would find the frames, and arm it again. */
static void fault_lost_irq(void)
{
    if (stack.nic != NULL)
        nic_rx_irq_disable(stack.nic);
}
FAULT_POINT(lost_irq, "lost-irq", fault_lost_irq);

/* The device asks for a reset, or breaks the rules of its rings. */
static void fault_nic_broken(void)
{
    if (stack.nic != NULL)
        nic_reset(stack.nic, "asked for on the console");
}
FAULT_POINT(nic_broken, "nic-broken", fault_nic_broken);
