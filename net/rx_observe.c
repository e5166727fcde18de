/* Histograms of receiving: see rx_observe.h. */
#include "rx_observe.h"
#include <kernel/cpu.h>
#include <kernel/hist.h>
#include <kernel/time.h>

static struct hist irq_packets, poll_packets, irq_to_poll, poll_time, ring_time;
HISTOGRAM(irq_packets, "packets per interrupt", "packets", irq_packets);
HISTOGRAM(poll_packets, "packets per poll", "packets", poll_packets);
HISTOGRAM(irq_to_poll, "interrupt to poll", "ns", irq_to_poll);
HISTOGRAM(poll_time, "poll duration", "ns", poll_time);
HISTOGRAM(ring_time, "ring residency", "ns", ring_time);

/* How far the device had come when we looked, the last few times. */
#define LOOKS 8u
struct look {
    uint64_t ticks;
    uint16_t used;
};

static struct {
    uint64_t irqs;        /* counted so far */
    uint64_t irq_packets; /* packets since the last of them */
    uint64_t since;       /* since when the next packet can have waited */
    struct look looks[LOOKS];
    unsigned next_look;
} rx;

/* The latest look that did not see frame number `frame` yet, or the oldest that is kept. */
static uint64_t last_look_without(uint16_t frame)
{
    const struct look *look = NULL;

    for (unsigned back = 1; back <= LOOKS; back++) {
        look = &rx.looks[(rx.next_look - back) % LOOKS];
        if ((int16_t)(look->used - frame) <= 0)
            break;
    }
    return look->ticks;
}

/* Packets since the interrupt before go to that one; those that came together have none each. */
static void count_interrupts(uint64_t count)
{
    if (count == rx.irqs)
        return;
    if (count > rx.irqs) { /* else they were zeroed */
        hist_add(&irq_packets, rx.irq_packets);
        hist_add_n(&irq_packets, 0, count - rx.irqs - 1);
    }
    rx.irqs = count;
    rx.irq_packets = 0;
}

void rx_observe_begin(struct nic *nic, uint64_t now_ticks)
{
    struct nic_rx_position at;
    struct nic_rx_irqs irqs;

    nic_rx_irqs(nic, &irqs);
    if (irqs.first_ticks > now_ticks) /* it came while this poll was beginning */
        irqs.first_ticks = now_ticks;
    count_interrupts(irqs.count);
    nic_rx_position(nic, &at);
    if (at.used != at.taken) {
        rx.since = last_look_without(at.taken);
        if (irqs.first_ticks > rx.since)
            rx.since = irqs.first_ticks;
        if (rx.since == 0) /* the first of all: nobody looked before */
            rx.since = now_ticks;
        if (irqs.first_ticks != 0)
            hist_add(&irq_to_poll, time_tsc_to_ns(now_ticks - irqs.first_ticks));
    }
    rx.looks[rx.next_look++ % LOOKS] = (struct look){ now_ticks, at.used };
}

uint64_t rx_observe_end(unsigned n, uint64_t begun_ticks)
{
    uint64_t now = rdtsc();

    rx.irq_packets += n;
    hist_add(&poll_packets, n);
    hist_add(&poll_time, time_tsc_to_ns(now - begun_ticks));
    hist_add_n(&ring_time, time_tsc_to_ns(begun_ticks - rx.since), n);
    return now;
}
