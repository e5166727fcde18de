/* The pcapng format: see pcapng.h. */
#include "pcapng.h"
#include <string.h>

/* Blocks (§4): type, length, what is in it, the length again. */
enum { INTERFACE = 1, STATISTICS = 5, PACKET = 6 };
#define SECTION 0x0a0d0d0au

#define BYTE_ORDER 0x1a2b3c4du
#define ETHERNET   1 /* LINKTYPE_ETHERNET */

/* Options (§3.5): code, length, value, padding. */
enum {
    END_OF_OPTIONS = 0,
    SECTION_USER_APPLICATION = 4,
    INTERFACE_NAME = 2,
    INTERFACE_MAC = 6,
    INTERFACE_RESOLUTION = 9,
    INTERFACE_OS = 12,
    PACKET_FLAGS = 2,
    STATISTICS_BEGUN = 2,
    STATISTICS_ENDED = 3,
    STATISTICS_SEEN = 4,    /* isb_ifrecv */
    STATISTICS_DROPPED = 7, /* isb_osdrop: by the system, after the filter */
    STATISTICS_MATCHED = 6, /* isb_filteraccept */
};
#define NANOSECONDS 9 /* if_tsresol: 10^-9 s */

struct writer {
    uint8_t *out;
    size_t len, block; /* written; where the block begins */
};

static void put(struct writer *w, const void *data, size_t len)
{
    memcpy(w->out + w->len, data, len);
    w->len += len;
}

static void put16(struct writer *w, uint16_t value)
{
    put(w, &value, sizeof(value));
}

static void put32(struct writer *w, uint32_t value)
{
    put(w, &value, sizeof(value));
}

static size_t padding(size_t len)
{
    return -len & 3;
}

static void pad(struct writer *w, size_t len)
{
    static const uint8_t zeros[3];

    put(w, zeros, padding(len));
}

static void option(struct writer *w, uint16_t code, const void *value, size_t len)
{
    put16(w, code);
    put16(w, (uint16_t)len);
    put(w, value, len);
    pad(w, len);
}

/* Text: as much as its place has room for. */
static void option_text(struct writer *w, uint16_t code, const char *text, size_t max)
{
    size_t len = strlen(text);

    option(w, code, text, len < max ? len : max);
}

/* A time (§4.6): its upper half first, whatever the byte order. */
static void put_time(struct writer *w, uint64_t ns)
{
    put32(w, (uint32_t)(ns >> 32));
    put32(w, (uint32_t)ns);
}

static void option_time(struct writer *w, uint16_t code, uint64_t ns)
{
    put16(w, code);
    put16(w, 8);
    put_time(w, ns);
}

static void begin(struct writer *w, uint32_t type)
{
    w->block = w->len;
    put32(w, type);
    put32(w, 0); /* its length: end() */
}

static void end(struct writer *w)
{
    uint32_t bytes;

    put32(w, END_OF_OPTIONS);
    bytes = (uint32_t)(w->len + 4 - w->block);
    memcpy(w->out + w->block + 4, &bytes, 4);
    put32(w, bytes);
}

size_t pcapng_begin(uint8_t out[PCAPNG_BEGIN_MAX], const struct pcapng_interface *interface)
{
    const uint8_t resolution = NANOSECONDS;
    struct writer w = { .out = out };

    begin(&w, SECTION);
    put32(&w, BYTE_ORDER);
    put16(&w, 1); /* version 1.0 */
    put16(&w, 0);
    put32(&w, UINT32_MAX); /* how long the section is: not known */
    put32(&w, UINT32_MAX);
    option_text(&w, SECTION_USER_APPLICATION, interface->description, 63);
    end(&w);

    begin(&w, INTERFACE);
    put16(&w, ETHERNET);
    put16(&w, 0);
    put32(&w, interface->snaplen);
    option_text(&w, INTERFACE_NAME, interface->name, 15);
    option(&w, INTERFACE_MAC, interface->mac, 6);
    option(&w, INTERFACE_RESOLUTION, &resolution, 1);
    option_text(&w, INTERFACE_OS, interface->description, 63);
    end(&w);
    return w.len;
}

/* Behind the bytes: padding, the flags with the direction, the end, the length again. */
size_t pcapng_packet_bytes(uint32_t kept)
{
    return PCAPNG_HEAD_BYTES + kept + padding(kept) + 8 + 4 + 4;
}

size_t pcapng_packet_head(uint8_t out[PCAPNG_HEAD_BYTES], uint64_t ns, uint32_t kept, uint32_t len)
{
    struct writer w = { .out = out };

    put32(&w, PACKET);
    put32(&w, (uint32_t)pcapng_packet_bytes(kept));
    put32(&w, 0); /* the interface */
    put_time(&w, ns);
    put32(&w, kept);
    put32(&w, len);
    return w.len;
}

size_t pcapng_packet_tail(uint8_t out[PCAPNG_TAIL_MAX], uint32_t kept,
                          enum pcapng_direction direction)
{
    uint32_t flags = direction;
    struct writer w = { .out = out };

    pad(&w, kept);
    option(&w, PACKET_FLAGS, &flags, sizeof(flags));
    put32(&w, END_OF_OPTIONS);
    put32(&w, (uint32_t)pcapng_packet_bytes(kept));
    return w.len;
}

size_t pcapng_end(uint8_t out[PCAPNG_END_MAX], const struct pcapng_totals *totals)
{
    struct writer w = { .out = out };

    begin(&w, STATISTICS);
    put32(&w, 0); /* the interface */
    put_time(&w, totals->ended_ns);
    option_time(&w, STATISTICS_BEGUN, totals->begun_ns);
    option_time(&w, STATISTICS_ENDED, totals->ended_ns);
    option(&w, STATISTICS_SEEN, &totals->seen, 8);
    option(&w, STATISTICS_MATCHED, &totals->matched, 8);
    option(&w, STATISTICS_DROPPED, &totals->dropped, 8);
    end(&w);
    return w.len;
}
