/*
 * The store from a raw ring: what the program redirects (IPv4 without options or fragments, UDP to
 * kv_port) is answered in another frame of the same ring, headers and all. Bottom half.
 */
#include "kv_paths.h"
#include <apps/app.h>
#include <kernel/lib.h>
#include <net/stack.h>
#include <net/xsk.h>
#include <net/xsk_prog.h>
#include <string.h>

#define BURST      64u
#define RAW_FRAMES 512u

/* A frame of Ethernet, IPv4 without options, UDP (RFC 791, RFC 768). */
enum {
    ETH = 0,
    IP = 14,
    IP_TOTAL = IP + 2,
    IP_ID = IP + 4,
    IP_TTL = IP + 8,
    IP_SUM = IP + 10,
    IP_FROM = IP + 12,
    IP_TO = IP + 16,
    UDP = IP + 20,
    UDP_FROM = UDP,
    UDP_TO = UDP + 2,
    UDP_LEN = UDP + 4,
    UDP_SUM = UDP + 6,
    PAYLOAD = UDP + 8,
};

static struct xsk raw;
static uint16_t id;

static uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* The sum of big-endian words, an odd byte filled up with 0 (RFC 1071). */
static uint32_t sum16(const uint8_t *at, size_t len, uint32_t sum)
{
    for (; len > 1; at += 2, len -= 2)
        sum += get16(at);
    return len > 0 ? sum + ((uint32_t)at[0] << 8) : sum;
}

static uint16_t fold(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* The UDP checksum: the card's to make, of the pseudo header's sum that is left for it, or made. */
static void put_udp_sum(struct pktbuf *buf, size_t udp_len)
{
    uint8_t *f = buf->frame;
    uint32_t pseudo = sum16(f + IP_FROM, 8, 17 + (uint32_t)udp_len);
    uint16_t sum;

    if (xsk_can_checksum()) {
        put16(f + UDP_SUM, fold(pseudo));
        xsk_tx_checksum(buf, UDP, UDP_SUM - UDP);
        return;
    }
    put16(f + UDP_SUM, 0);
    sum = (uint16_t)~fold(sum16(f + UDP, udp_len, pseudo));
    put16(f + UDP_SUM, sum == 0 ? 0xffff : sum);
}

/* The headers of an answer of `len` bytes to the request in `from`. */
static void make_headers(struct pktbuf *buf, const uint8_t *from, size_t len)
{
    uint8_t *f = buf->frame;

    memcpy(f + ETH, from + ETH + 6, 6);
    memcpy(f + ETH + 6, from + ETH, 6);
    memcpy(f + ETH + 12, from + ETH + 12, 4); /* type, version, length, service */
    put16(f + IP_TOTAL, (unsigned)(PAYLOAD - IP + len));
    put16(f + IP_ID, id++);
    put16(f + IP_ID + 2, 0);
    f[IP_TTL] = 64;
    f[IP_TTL + 1] = 17;
    put16(f + IP_SUM, 0);
    memcpy(f + IP_FROM, from + IP_TO, 4);
    memcpy(f + IP_TO, from + IP_FROM, 4);
    put16(f + IP_SUM, (uint16_t)~fold(sum16(f + IP, UDP - IP, 0)));
    memcpy(f + UDP_FROM, from + UDP_TO, 2);
    memcpy(f + UDP_TO, from + UDP_FROM, 2);
    put16(f + UDP_LEN, (unsigned)(PAYLOAD - UDP + len));
    buf->frame_len = (uint32_t)(PAYLOAD + len);
    put_udp_sum(buf, PAYLOAD - UDP + len);
}

/*
 * What the program has looked at is looked at again: another one may have been loaded that
 * redirects what is not for us. The checksums are asked for as the stack would.
 */
static size_t payload_of(const struct pktbuf *buf)
{
    const uint8_t *f = buf->frame;
    size_t total, len;

    if (buf->frame_len < PAYLOAD || get16(f + ETH + 12) != 0x0800 || f[IP] != 0x45 ||
        (get16(f + IP_ID + 2) & 0x3fff) != 0 || f[IP_TTL + 1] != 17)
        return 0;
    total = get16(f + IP_TOTAL);
    len = get16(f + UDP_LEN);
    if (IP + total > buf->frame_len || len < PAYLOAD - UDP || UDP - IP + len > total ||
        fold(sum16(f + IP, UDP - IP, 0)) != 0xffff)
        return 0;
    if (!buf->checked && get16(f + UDP_SUM) != 0 &&
        fold(sum16(f + UDP, len, sum16(f + IP_FROM, 8, 17 + (uint32_t)len))) != 0xffff)
        return 0;
    return len - (PAYLOAD - UDP);
}

/* Answer what is in `buf` in `spare`. False: nothing is to be said. */
static bool answer(const struct pktbuf *buf, struct pktbuf *spare)
{
    size_t len = payload_of(buf);

    kv_path_stats.raw_datagrams++;
    if (len == 0) {
        kv_path_stats.raw_refused++;
        return false;
    }
    spare->frame = (uint8_t *)spare + PKTBUF_FRAME_OFFSET;
    len = kv_answer(buf->frame + PAYLOAD, len, spare->frame + PAYLOAD, &kv_counts);
    if (len == 0)
        return false;
    make_headers(spare, buf->frame, len);
    return true;
}

/* The frame that the next answer is written into: the last request's, once it has been read. */
static struct pktbuf *spare_frame;

static void kv_ready(struct xsk *xsk)
{
    enum cputime before = app_begin();
    struct pktbuf *bufs[BURST];
    unsigned n;

    while ((n = xsk_completed(xsk, bufs, BURST)) > 0)
        xsk_fill(xsk, bufs, n);
    while ((n = xsk_rx_burst(xsk, bufs, BURST)) > 0)
        for (unsigned i = 0; i < n; i++) {
            struct pktbuf *read = bufs[i];

            if (answer(read, spare_frame)) {
                xsk_tx_burst(xsk, &spare_frame, 1);
                spare_frame = read;
            } else {
                xsk_fill(xsk, &read, 1);
            }
        }
    app_end(before);
}

bool kv_raw_open(uint16_t port, const char **why)
{
    bool open;

    net_enter();
    open = raw.id != 0 || xsk_open(&raw, RAW_FRAMES, kv_ready, why);
    if (open && spare_frame == NULL)
        spare_frame = xsk_frame_take(&raw);
    net_leave();
    return open && xsk_prog_attach_udp(raw.id, port, why);
}

const struct xsk *kv_raw_socket(void)
{
    return raw.id != 0 ? &raw : NULL;
}
