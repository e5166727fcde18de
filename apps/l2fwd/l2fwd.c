/*
 * Layer 2 forwarding: every frame goes back to where it came from, with its addresses swapped. The
 * smallest app on raw rings (net/xsk.h), and the lecture's "Kernel bypass with DPDK" as a loop: a
 * poll-mode driver, a burst in, a burst out, buffers that were allocated before, no stack. Nothing
 * else is answered meanwhile, ARP neither: "hard to co-exist with other apps".
 */
#include <apps/app.h>
#include <kernel/config.h>
#include <kernel/console.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/reset.h>
#include <kernel/softirq.h>
#include <net/napi.h>
#include <net/xsk.h>
#include <net/xsk_prog.h>
#include <string.h>

#define BURST      64u
#define MAC_BYTES  6u
#define FRAMES_MIN 64u

static struct {
    struct xsk xsk;
    uint64_t bursts, frames, bytes;
} l2fwd;

static void swap_addresses(uint8_t *frame)
{
    uint8_t from[MAC_BYTES];

    memcpy(from, frame + MAC_BYTES, MAC_BYTES);
    memcpy(frame + MAC_BYTES, frame, MAC_BYTES);
    memcpy(frame, from, MAC_BYTES);
}

/* What the card has sent is there to be received into again. */
static void recycle(struct xsk *xsk)
{
    struct pktbuf *bufs[BURST];
    unsigned n;

    while ((n = xsk_completed(xsk, bufs, BURST)) > 0)
        xsk_fill(xsk, bufs, n);
}

static void l2fwd_ready(struct xsk *xsk)
{
    enum cputime before = app_begin();
    struct pktbuf *bufs[BURST];
    unsigned n;

    recycle(xsk);
    while ((n = xsk_rx_burst(xsk, bufs, BURST)) > 0) {
        for (unsigned i = 0; i < n; i++) {
            swap_addresses(bufs[i]->frame);
            l2fwd.bytes += bufs[i]->frame_len;
        }
        xsk_tx_burst(xsk, bufs, n);
        l2fwd.bursts++;
        l2fwd.frames += n;
    }
    app_end(before);
}

/* The largest power of two that is not above n. */
static uint32_t power_of_two(uint32_t n)
{
    return 1u << (31 - __builtin_clz(n));
}

static bool l2fwd_start(void)
{
    uint32_t frames =
        power_of_two((uint32_t)config_u64("l2fwd_frames", 1024, FRAMES_MIN, XSK_FRAMES_MAX));
    const char *why;

    if (!xsk_open(&l2fwd.xsk, frames, l2fwd_ready, &why) ||
        !xsk_prog_attach_all(l2fwd.xsk.id, &why)) {
        printk("l2fwd: %s", why);
        return false;
    }
    if (config_get("mode", NULL) == NULL)
        napi_set_mode(RX_MODE_POLL); /* DPDK's way; mode= for another one */
    printk("l2fwd: sending every frame back, over a raw ring of %u frames", frames);
    return true;
}

const struct app app = {
    .name = "l2fwd",
    .summary = "sends every Ethernet frame back, addresses swapped, over a raw ring",
    .start = l2fwd_start,
};

static int cmd_l2fwd(struct console *con, int argc, char **argv)
{
    char rate[CONSOLE_RATE_MAX];
    bool accounted;
    struct json j;

    (void)argv;
    if (argc > 1)
        return console_error(con, "takes no arguments");
    softirq_disable();
    accounted = xsk_accounted(&l2fwd.xsk, 0);
    softirq_enable();
    if (con->json) {
        console_json(con, &j);
        json_u64(&j, "frames", l2fwd.frames);
        json_u64(&j, "bytes", l2fwd.bytes);
        json_u64(&j, "bursts", l2fwd.bursts);
        json_bool(&j, "accounted", accounted);
        json_end(&j);
        return 0;
    }
    console_printf(con, "%llu frames%s in %llu bursts, %llu bytes; buffers: %s\n",
                   (unsigned long long)l2fwd.frames, console_rate_text(con, l2fwd.frames, 0, rate),
                   (unsigned long long)l2fwd.bursts, (unsigned long long)l2fwd.bytes,
                   accounted ? "all accounted for" : "SOME ARE LOST");
    return 0;
}
CONSOLE_COMMAND(l2fwd, "l2fwd", "frames sent back, and whether every buffer is accounted for",
                cmd_l2fwd);

static void l2fwd_reset_stats(void)
{
    l2fwd.bursts = l2fwd.frames = l2fwd.bytes = 0;
}
RESETTABLE(l2fwd, l2fwd_reset_stats);
