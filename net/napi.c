/*
 * NAPI: the bottom half of the NIC. (The lecture: "NAPI polling": the top half "acknowledges
 * interrupt, schedules the bottom half and disables further interrupts"; the bottom half "is
 * scheduled with a budget"; "if budget gets exhausted the bottom half is executed again,
 * otherwise polling stops and interrupts are enabled again".)
 *
 * The top half is in the driver. Everything below is SOFTIRQ_NET.
 */
#include <drivers/nic.h>
#include <kernel/config.h>
#include <kernel/context.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/softirq.h>
#include <net/napi.h>
#include <net/stack.h>

static struct napi {
    struct nic *nic;
    unsigned budget; /* packets a poll */
    bool device_lost;
    struct napi_stats stats;
    struct pktbuf *burst[NAPI_BUDGET_MAX];
} napi;

/* Take what is on the ring, at most `budget` frames, and run each through the stack to its end.
 * Returns how many. */
static unsigned napi_receive(unsigned budget)
{
    unsigned n = nic_rx_burst(napi.nic, napi.burst, budget);

    /* XDP programs have their place here: a burst of frames in the driver's buffers, before
     * anything is allocated or parsed for the stack. (The lecture: XDP hook.) */
    for (unsigned i = 0; i < n; i++)
        stack_input(napi.burst[i]);
    return n;
}

/* The two rare things that a poll looks after besides packets. False: there is no device. */
static bool napi_check_device(void)
{
    if (unlikely(nic_broken(napi.nic))) {
        printk_ratelimited("net: the network card broke the rules of its rings; resetting it");
        if (!nic_recover(napi.nic)) {
            printk("net: the network card does not come back");
            napi.device_lost = true;
        }
        stack_tx_complete(); /* what was in flight */
        stack_link_update();
    }
    if (unlikely(nic_take_config_change(napi.nic)))
        stack_link_update();
    return !napi.device_lost;
}

/*
 * Stop polling: let the device interrupt again, and look once more. A frame that came between
 * our last look and the unmasking raises no interrupt; without this look it would lie there
 * until the next one. Finding one, the poll goes on, as a new run of the softirq, so that a
 * device that always has one more can not keep us here.
 */
static void napi_rearm(void)
{
    napi.stats.rearms++;
    if (!nic_rx_irq_enable(napi.nic))
        return;
    napi.stats.rearm_races++;
    nic_rx_irq_disable(napi.nic);
    softirq_raise(SOFTIRQ_NET);
}

static void napi_poll(void)
{
    unsigned n;

    ASSERT_BOTTOM_HALF();
    if (unlikely(napi.device_lost))
        return;
    /* Raised by the receive interrupt it is masked already; by another reason (room to send,
     * configuration, ourselves) it may not be. */
    nic_rx_irq_disable(napi.nic);
    napi.stats.polls++;

    stack_tx_complete(); /* room in the ring before answers need it */
    n = napi_receive(napi.budget);
    napi.stats.packets += n;
    if (n == 0)
        napi.stats.empty_polls++;
    stack_round_end(); /* refill the ring; one kick for all that was queued */
    if (!napi_check_device())
        return;

    if (n == napi.budget) {
        napi.stats.budget_exhausted++;
        softirq_raise(SOFTIRQ_NET);
        return;
    }
    napi_rearm();
}

void napi_init(struct nic *nic)
{
    napi = (struct napi){ .nic = nic };
    napi.budget = (unsigned)config_u64("budget", NAPI_BUDGET_DEFAULT, 1, NAPI_BUDGET_MAX);
    softirq_open(SOFTIRQ_NET, "net", napi_poll);
    softirq_raise(SOFTIRQ_NET); /* the first poll unmasks the interrupt */
}

void napi_stats(struct napi_stats *out)
{
    *out = napi.stats;
}
