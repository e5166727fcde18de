/* A NIC, a pool and timers for host tests of the real stack: see fake_nic.h. */
#include "fake_nic.h"
#include "fakes.h"
#include <kernel/kmalloc.h>
#include <kernel/lib.h>
#include <kernel/config.h>
#include <kernel/panic.h>
#include <kernel/rand.h>
#include <kernel/softirq.h>
#include <kernel/timer.h>
#include <net/stack.h>
#include <sanitizer/asan_interface.h>
#include <stdlib.h>
#include <string.h>

struct fake_nic fake_nic;
const uint8_t fake_nic_mac_address[6] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };

/* ---------------------------------------------------------------- packet buffers */

#define POOL_TOTAL 512

static struct pktbuf *handed_out[POOL_TOTAL]; /* the first fake_nic.buffers_out of them */

bool pktbuf_pool_init(unsigned count)
{
    (void)count;
    return true;
}

/* Each buffer is an allocation of its own, so that a use after free or outside is seen. */
struct pktbuf *pktbuf_alloc(void)
{
    struct pktbuf *buf;

    if (fake_nic.buffers_out == POOL_TOTAL)
        return NULL;
    buf = aligned_alloc(PKTBUF_SIZE, PKTBUF_SIZE);
    memset(buf, 0xa5, PKTBUF_SIZE);
    buf->frame = (uint8_t *)buf + PKTBUF_FRAME_OFFSET;
    buf->owner = PKTBUF_HELD;
    buf->tx_refs = 0;
    handed_out[fake_nic.buffers_out++] = buf;
    return buf;
}

static unsigned find_out(const void *data)
{
    unsigned i = 0;

    while (i < fake_nic.buffers_out && (uintptr_t)data - (uintptr_t)handed_out[i] >= PKTBUF_SIZE)
        i++;
    return i;
}

void pktbuf_free(struct pktbuf *buf)
{
    unsigned i = find_out(buf);

    ASSERT(i < fake_nic.buffers_out && buf->owner == PKTBUF_HELD);
    if (buf->tx_refs != 0) {
        buf->owner = PKTBUF_LINGERS;
        return;
    }
    handed_out[i] = handed_out[--fake_nic.buffers_out];
    free(buf);
}

void pktbuf_tx_begin(const void *data)
{
    unsigned i = find_out(data);

    if (i < fake_nic.buffers_out)
        handed_out[i]->tx_refs++;
}

void pktbuf_tx_end(const void *data)
{
    unsigned i = find_out(data);

    if (i == fake_nic.buffers_out)
        return;
    ASSERT(handed_out[i]->tx_refs > 0);
    if (--handed_out[i]->tx_refs == 0 && handed_out[i]->owner == PKTBUF_LINGERS) {
        handed_out[i]->owner = PKTBUF_HELD;
        pktbuf_free(handed_out[i]);
    }
}

void pktbuf_stats(struct pktbuf_stats *out)
{
    *out = (struct pktbuf_stats){ .total = POOL_TOTAL, .free = POOL_TOTAL - fake_nic.buffers_out };
}

/* What the device writes into one buffer; `before` bytes of it where its header would be. */
static struct pktbuf *filled_buffer(const uint8_t *bytes, size_t len, size_t before)
{
    struct pktbuf *buf = pktbuf_alloc();

    ASSERT(buf != NULL && len <= PKTBUF_FRAME_MAX + before);
    buf->frame -= before;
    memcpy(buf->frame, bytes, len);
    buf->frame_len = (uint32_t)len;
    buf->next = NULL;
    buf->checked = false;
    ASAN_POISON_MEMORY_REGION(buf->frame + len + PKTBUF_TAIL, PKTBUF_FRAME_MAX + before - len);
    return buf;
}

void fake_nic_receive(const void *frame, size_t len)
{
    stack_input(filled_buffer(frame, len, 0));
}

void fake_nic_receive_merged(const uint8_t *frame, size_t len)
{
    size_t at = MIN(len, (size_t)PKTBUF_FRAME_MAX);
    struct pktbuf *first = filled_buffer(frame, at, 0), *last = first;

    first->checked = true;
    for (size_t n; at < len; at += n, last = last->next) {
        n = MIN(len - at, (size_t)PKTBUF_FRAME_MAX + NIC_TX_HEADROOM);
        last->next = filled_buffer(frame + at, n, NIC_TX_HEADROOM);
    }
    stack_input(first);
}

/* ---------------------------------------------------------------- the NIC */

void fake_nic_init(void)
{
    memset(&fake_nic, 0, sizeof(fake_nic));
    fake_nic.ring_room = 256;
    fake_nic.link_up = true;
}

void fake_nic_clear(void)
{
    fake_nic.sent_count = 0;
}

const uint8_t *nic_mac(const struct nic *nic)
{
    (void)nic;
    return fake_nic_mac_address;
}

unsigned nic_mtu(const struct nic *nic)
{
    (void)nic;
    return 1500;
}

bool nic_link_up(struct nic *nic)
{
    (void)nic;
    return fake_nic.link_up;
}

void nic_rx_refill(struct nic *nic)
{
    (void)nic;
    fake_nic.refills++;
    fake_nic.out_at_refill = fake_nic.buffers_out;
}

bool nic_broken(const struct nic *nic)
{
    (void)nic;
    return fake_nic.broken;
}

unsigned nic_tx_can(const struct nic *nic)
{
    (void)nic;
    return fake_nic.can;
}

/* ---- What a device does with a frame that is not finished (virtio 1.2 §5.1.6.2) */

static uint32_t sum16(const uint8_t *data, size_t len, uint32_t sum)
{
    for (size_t i = 0; i + 1 < len; i += 2)
        sum += (uint32_t)data[i] << 8 | data[i + 1];
    if (len & 1)
        sum += (uint32_t)data[len - 1] << 8;
    return sum;
}

static uint16_t fold16(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* From csum_start to the end, with the pseudo header's sum that stands in the field already. */
static void finish_checksum(struct sent_frame *f, const struct nic_tx_offload *offload)
{
    uint8_t *start = f->data + offload->csum_start;
    uint16_t sum = fold16(sum16(start, f->len - offload->csum_start, 0));

    put16(start + offload->csum_offset, (uint16_t)~sum);
}

static struct sent_frame *new_frame(void *token)
{
    struct sent_frame *f = &fake_nic.sent[fake_nic.sent_count++ % SENT_MAX];

    f->len = 0;
    f->segs = 0;
    f->token = token;
    return f;
}

/* The addresses' share does not change; the length's does (RFC 1624 by hand). */
static void fit_headers(struct sent_frame *f, const struct nic_tx_offload *offload, size_t whole,
                        uint32_t offset, bool last)
{
    uint8_t *ip = f->data + 14, *tcp = f->data + offload->csum_start;
    uint32_t old = (uint32_t)(whole - offload->csum_start),
             new = (uint32_t)(f->len - offload->csum_start);
    uint32_t seq = get32(tcp + 4) + offset;

    if (offload->ipv6) {
        put16(ip + 4, (uint32_t)f->len - 54);
    } else {
        put16(ip + 2, (uint32_t)f->len - 14);
        put16(ip + 10, 0);
        put16(ip + 10, (uint16_t)~fold16(sum16(ip, 20, 0)));
    }
    put16(tcp + 4, seq >> 16);
    put16(tcp + 6, seq);
    if (!last)
        tcp[13] &= (uint8_t)~9u; /* FIN, PSH: the last one's */
    put16(tcp + 16, fold16(((uint32_t)tcp[16] << 8 | tcp[17]) + (0xffff ^ old) + new));
    finish_checksum(f, offload);
}

static void cut_super(const uint8_t *whole, size_t len, const struct nic_tx_offload *offload,
                      void *token)
{
    size_t payload = len - offload->hdr_len;

    ASSERT(payload > offload->gso_size);
    fake_nic.supers++;
    for (size_t at = 0; at < payload; at += offload->gso_size) {
        size_t part = payload - at < offload->gso_size ? payload - at : offload->gso_size;
        struct sent_frame *f = new_frame(token);

        memcpy(f->data, whole, offload->hdr_len);
        memcpy(f->data + offload->hdr_len, whole + offload->hdr_len + at, part);
        f->len = offload->hdr_len + part;
        ASSERT(f->len <= 1514);
        fit_headers(f, offload, len, (uint32_t)at, at + part == payload);
    }
}

static void send_one(const uint8_t *whole, size_t len, const struct nic_seg *segs, unsigned count,
                     const struct nic_tx_offload *offload, void *token)
{
    struct sent_frame *f = new_frame(token);

    ASSERT(len <= 1514);
    memcpy(f->data, whole, len);
    f->len = len;
    f->segs = count;
    for (unsigned i = 0; i < count; i++)
        f->seg_data[i] = segs[i].data;
    if (offload->csum_start != 0)
        finish_checksum(f, offload);
}

static void keep_in_flight(const struct nic_seg *segs, unsigned count, const uint8_t *whole,
                           size_t len, void *token)
{
    struct in_flight *in = &fake_nic.in_flight[fake_nic.outstanding++];

    ASSERT(fake_nic.outstanding <= SENT_MAX);
    in->token = token;
    in->count = count;
    memcpy(in->segs, segs, count * sizeof(segs[0]));
    in->bytes = malloc(len);
    memcpy(in->bytes, whole, len);
}

/* Until now the device may have read it: nobody may have changed it (or freed it: ASan). */
static void check_in_flight(struct in_flight *in)
{
    size_t at = 0;

    for (unsigned i = 0; i < in->count; at += in->segs[i++].len)
        ASSERT(memcmp(in->bytes + at, in->segs[i].data, in->segs[i].len) == 0);
    free(in->bytes);
}

bool nic_tx(struct nic *nic, const struct nic_seg *segs, unsigned count,
            const struct nic_tx_offload *offload, void *token)
{
    static uint8_t whole[65550];
    size_t len = 0;

    (void)nic;
    ASSERT(count >= 1 && count <= NIC_TX_SEGS_MAX && token != NULL);
    ASSERT(offload->csum_start == 0 || (fake_nic.can & NIC_TX_CSUM));
    ASSERT(offload->gso_size == 0 || (fake_nic.can & (offload->ipv6 ? NIC_TX_TSO6 : NIC_TX_TSO4)));
    if (fake_nic.outstanding >= fake_nic.ring_room)
        return false;
    memset((uint8_t *)(uintptr_t)segs[0].data - NIC_TX_HEADROOM, 0xdd, NIC_TX_HEADROOM);
    for (unsigned i = 0; i < count; i++) {
        ASSERT(segs[i].len > 0 && len + segs[i].len <= sizeof(whole));
        memcpy(whole + len, segs[i].data, segs[i].len);
        len += segs[i].len;
    }
    if (offload->gso_size != 0)
        cut_super(whole, len, offload, token);
    else
        send_one(whole, len, segs, count, offload, token);
    keep_in_flight(segs, count, whole, len, token);
    return true;
}

void *nic_tx_reap(struct nic *nic)
{
    void *token;

    (void)nic;
    if (fake_nic.hold || fake_nic.outstanding == 0)
        return NULL;
    token = fake_nic.in_flight[0].token;
    check_in_flight(&fake_nic.in_flight[0]);
    fake_nic.outstanding--;
    memmove(fake_nic.in_flight, fake_nic.in_flight + 1,
            fake_nic.outstanding * sizeof(fake_nic.in_flight[0]));
    return token;
}

unsigned nic_tx_outstanding(const struct nic *nic)
{
    (void)nic;
    return fake_nic.outstanding;
}

void nic_flush(struct nic *nic)
{
    (void)nic;
    fake_nic.kicks++;
    fake_nic.sent_at_kick = fake_nic.sent_count;
}

/* ---------------------------------------------------------------- kernel services */

uint64_t config_u64(const char *key, uint64_t fallback, uint64_t min, uint64_t max)
{
    (void)key;
    ASSERT(min <= fallback && fallback <= max);
    return fallback;
}

bool fake_config_syncookies = true;

bool config_bool(const char *key, bool fallback)
{
    return strcmp(key, "tcp_syncookies") == 0 ? fake_config_syncookies : fallback;
}

static struct timer *armed[8];

void timer_setup(struct timer *timer, void (*fn)(void *arg), void *arg)
{
    *timer = (struct timer){ .fn = fn, .arg = arg };
}

void timer_cancel(struct timer *timer)
{
    for (unsigned i = 0; i < ARRAY_SIZE(armed); i++)
        if (armed[i] == timer)
            armed[i] = NULL;
    timer->armed = false;
}

void timer_set(struct timer *timer, uint64_t deadline_ns)
{
    timer_cancel(timer);
    timer->deadline_ns = deadline_ns;
    for (unsigned i = 0; i < ARRAY_SIZE(armed); i++) {
        if (armed[i] == NULL) {
            armed[i] = timer;
            timer->armed = true;
            return;
        }
    }
    panic("more timers than the fake has room for");
}

static struct timer *next_timer(void)
{
    struct timer *next = NULL;

    for (unsigned i = 0; i < ARRAY_SIZE(armed); i++)
        if (armed[i] != NULL && (next == NULL || armed[i]->deadline_ns < next->deadline_ns))
            next = armed[i];
    return next;
}

void fake_time_advance(unsigned ms)
{
    uint64_t end = fake_time_ns + ms * NS_PER_MS;
    struct timer *timer;

    while ((timer = next_timer()) != NULL && timer->deadline_ns <= end) {
        fake_time_ns = MAX(fake_time_ns, timer->deadline_ns);
        timer_cancel(timer);
        timer->fn(timer->arg);
    }
    fake_time_ns = end;
}

void softirq_disable(void) {}
void softirq_enable(void) {}

void *kmalloc(size_t bytes)
{
    return malloc(bytes);
}
void *kzalloc(size_t bytes)
{
    return calloc(1, bytes);
}
void kfree(void *p)
{
    free(p);
}

void nic_stats(const struct nic *nic, struct nic_stats *out)
{
    (void)nic;
    memset(out, 0, sizeof(*out));
}

uint32_t rand_u32(void)
{
    static uint32_t x = 1;

    return x = x * 1664525 + 1013904223;
}

void rand_bytes(void *buf, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        ((uint8_t *)buf)[i] = (uint8_t)(rand_u32() >> 24);
}
