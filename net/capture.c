/* Captures: see net/capture.h. */
#include <net/capture.h>
#include "capture_match.h"
#include <net/cbpf.h>
#include "pcapng.h"
#include "stack_priv.h"
#include <kernel/context.h>
#include <kernel/kmalloc.h>
#include <kernel/panic.h>
#include <kernel/time.h>
#include <string.h>

/* A frame that the device has put together (NIC_RX_FRAME_MAX) in buffers that are full. */
#define PIECES_MAX 64

struct capture {
    struct capture_options options;
    struct capture_connection without;
    struct capture_status status;
    uint64_t epoch_ns;      /* of time_ns() 0, since 1970 */
    uint64_t written, read; /* bytes, ever */
    uint8_t *ring;          /* CAPTURE_RING_BYTES */
    struct cbpf_insn filter[];
};

static struct capture *captures[CAPTURES_MAX];
unsigned capture_active;

/* ---------------------------------------------------------------- the ring */

static size_t room(const struct capture *c)
{
    return CAPTURE_RING_BYTES - (size_t)(c->written - c->read);
}

/* There is room. */
static void put(struct capture *c, const void *data, size_t len)
{
    size_t at = c->written & (CAPTURE_RING_BYTES - 1);
    size_t first = MIN(len, CAPTURE_RING_BYTES - at);

    memcpy(c->ring + at, data, first);
    memcpy(c->ring, (const uint8_t *)data + first, len - first);
    c->written += len;
    c->status.bytes += len;
}

size_t capture_peek(struct capture *capture, const uint8_t **data)
{
    size_t at = capture->read & (CAPTURE_RING_BYTES - 1);

    *data = capture->ring + at;
    return MIN((size_t)(capture->written - capture->read), CAPTURE_RING_BYTES - at);
}

void capture_consume(struct capture *capture, size_t len)
{
    ASSERT(len <= capture->written - capture->read);
    capture->read += len;
}

/* ---------------------------------------------------------------- a frame */

struct frame {
    const struct nic_seg *pieces;
    unsigned count;
    uint32_t len;
    enum pcapng_direction direction;
};

/* Its first bytes, at most `max`. */
static size_t copy_head(uint8_t *out, const struct frame *frame, size_t max)
{
    size_t len = 0;

    for (unsigned i = 0; i < frame->count && len < max; i++) {
        size_t n = MIN(frame->pieces[i].len, max - len);

        memcpy(out + len, frame->pieces[i].data, n);
        len += n;
    }
    return len;
}

static bool is_left_out(const struct capture *c, const struct frame *frame)
{
    uint8_t head[CAPTURE_MATCH_BYTES];

    return c->options.without != NULL &&
           capture_is_of(&c->without, head, copy_head(head, frame, sizeof(head)));
}

/* How many bytes of it are wanted. */
static uint32_t wanted(const struct capture *c, const struct frame *frame)
{
    uint32_t bytes = frame->len;

    if (c->options.filter_len > 0)
        bytes = MIN(bytes, cbpf_run(c->filter, frame->pieces, frame->count, frame->len));
    return MIN(bytes, c->options.snaplen);
}

static void put_frame(struct capture *c, const struct frame *frame, uint32_t kept)
{
    uint8_t head[PCAPNG_HEAD_BYTES], tail[PCAPNG_TAIL_MAX];
    uint32_t left = kept;

    put(c, head, pcapng_packet_head(head, c->epoch_ns + time_ns(), kept, frame->len));
    for (unsigned i = 0; left > 0; i++) {
        uint32_t n = MIN(frame->pieces[i].len, left);

        put(c, frame->pieces[i].data, n);
        left -= n;
    }
    put(c, tail, pcapng_packet_tail(tail, kept, frame->direction));
}

static void take(struct capture *c, const struct frame *frame)
{
    uint32_t kept;

    if (c->status.ended || is_left_out(c, frame))
        return;
    c->status.seen++;
    kept = wanted(c, frame);
    if (kept == 0)
        return;
    c->status.matched++;
    if (room(c) < pcapng_packet_bytes(kept) + PCAPNG_END_MAX) {
        c->status.dropped++;
        return;
    }
    put_frame(c, frame, kept);
    if (c->status.matched - c->status.dropped == c->options.packets)
        capture_end(c);
}

static void take_by_all(const struct nic_seg *pieces, unsigned count,
                        enum pcapng_direction direction)
{
    struct frame frame = { .pieces = pieces, .count = count, .direction = direction };

    ASSERT_BOTTOM_HALF();
    for (unsigned i = 0; i < count; i++)
        frame.len += pieces[i].len;
    for (unsigned i = 0; i < CAPTURES_MAX; i++)
        if (captures[i] != NULL)
            take(captures[i], &frame);
}

void capture_take_rx(const struct pktbuf *frame)
{
    struct nic_seg pieces[PIECES_MAX];
    unsigned count = 0;

    for (; frame != NULL && count < PIECES_MAX; frame = frame->next)
        pieces[count++] = (struct nic_seg){ .data = frame->frame, .len = frame->frame_len };
    take_by_all(pieces, count, PCAPNG_IN);
}

void capture_take_tx(const struct nic_seg *pieces, unsigned count)
{
    take_by_all(pieces, count, PCAPNG_OUT);
}

/* ---------------------------------------------------------------- its life */

static void put_begin(struct capture *c)
{
    uint8_t text[PCAPNG_BEGIN_MAX];
    const struct pcapng_interface interface = { .name = STACK_IFNAME,
                                                .description = "Tophalf",
                                                .mac = stack.netif.hwaddr,
                                                .snaplen = c->options.snaplen };

    put(c, text, pcapng_begin(text, &interface));
}

static struct capture **place_of(const struct capture *capture)
{
    for (unsigned i = 0; i < CAPTURES_MAX; i++)
        if (captures[i] == capture)
            return &captures[i];
    return NULL;
}

struct capture *capture_open(const struct capture_options *options)
{
    size_t filter_bytes = options->filter_len * sizeof(struct cbpf_insn);
    struct capture **place = place_of(NULL);
    struct capture *c;

    ASSERT_BOTTOM_HALF();
    if (place == NULL || (c = kzalloc(sizeof(*c) + filter_bytes)) == NULL)
        return NULL;
    c->ring = kmalloc(CAPTURE_RING_BYTES);
    if (c->ring == NULL) {
        kfree(c);
        return NULL;
    }
    c->options = *options;
    c->options.filter = c->filter;
    if (filter_bytes > 0)
        memcpy(c->filter, options->filter, filter_bytes);
    if (options->without != NULL) {
        c->without = *options->without;
        c->options.without = &c->without;
    }
    c->status.begun_ns = time_ns();
    c->status.filter_len = (unsigned)options->filter_len;
    c->epoch_ns = (time_unix() - c->status.begun_ns / NS_PER_SEC) * NS_PER_SEC;
    put_begin(c);
    *place = c;
    capture_active++;
    return c;
}

bool capture_ended(const struct capture *capture)
{
    return capture->status.ended;
}

void capture_end(struct capture *capture)
{
    const struct capture_status *status = &capture->status;
    const struct pcapng_totals totals = { .begun_ns = capture->epoch_ns + status->begun_ns,
                                          .ended_ns = capture->epoch_ns + time_ns(),
                                          .seen = status->seen,
                                          .matched = status->matched,
                                          .dropped = status->dropped };
    uint8_t text[PCAPNG_END_MAX];

    if (status->ended)
        return;
    put(capture, text, pcapng_end(text, &totals)); /* its room was kept */
    capture->status.ended = true;
    capture_active--;
}

void capture_close(struct capture *capture)
{
    ASSERT_BOTTOM_HALF();
    if (!capture->status.ended)
        capture_active--;
    *place_of(capture) = NULL;
    kfree(capture->ring);
    kfree(capture);
}

unsigned capture_status(struct capture_status out[CAPTURES_MAX])
{
    unsigned count = 0;

    for (unsigned i = 0; i < CAPTURES_MAX; i++)
        if (captures[i] != NULL)
            out[count++] = captures[i]->status;
    return count;
}
