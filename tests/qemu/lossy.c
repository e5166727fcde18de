/*
 * A bad link for the tests: moves Ethernet frames between two ends, and on the way drops,
 * duplicates, corrupts, reorders and delays some of them, by a seeded generator.
 *
 *   lossy KIND:FD KIND:FD
 *
 * KIND says how frames travel on the inherited descriptor FD:
 *   stream  a byte stream, each frame behind its length as four big-endian bytes (what QEMU's
 *           -netdev stream speaks)
 *   tap     a tap device: one frame for each read() and write()
 *   vnet    a tap device with IFF_VNET_HDR: the same behind a 10-byte virtio-net header (virtio 1.2
 *           §5.1.6, without num_buffers), frames of up to 64 KiB
 *
 * At first every frame is passed on. Each line on standard input gives the rates from then on:
 *
 *   SEED DROP DUPLICATE CORRUPT REORDER DELAY
 *
 * in percent of the frames of each direction, and is answered by a line of JSON with what was done
 * since the last one. Each direction has a generator of its own, so that what becomes of its n-th
 * frame does not depend on the other's. Ends with standard input.
 *
 * Corrupted is one byte of an IP packet, never of the Ethernet header or of ARP, which have no
 * checksum that we could rely on. A frame whose checksum is still to be computed (NEEDS_CSUM) would
 * get a right one for wrong data: it is dropped instead, as a card drops what its cable corrupted.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MAX     (1u << 17)
#define OUT_MAX       (16u << 20) /* bytes that wait for a stream to take them */
#define BATCH         64          /* frames of one end before the other has its turn */
#define VNET_BYTES    10
#define NEEDS_CSUM    1
#define ETHER_BYTES   14
#define OVERTAKEN_MAX 8        /* a reordered frame goes behind so many at most */
#define HELD_NS       20000000 /* or after this long; also the longest delay */

enum kind { STREAM, TAP, VNET };

struct rates {
    double drop, duplicate, corrupt, reorder, delay; /* 0 to 1 */
};

struct held {
    struct held *next;
    uint64_t due_ns;
    unsigned overtakers; /* due when so many have passed, too; 0: by time alone */
    size_t len;
    uint8_t frame[];
};

struct counts {
    uint64_t frames, dropped, duplicated, corrupted, reordered, delayed, overflowed, largest;
};

/* One end, and the direction that begins there. */
struct end {
    enum kind kind;
    int fd;
    uint8_t *in, *out; /* of a stream: read but incomplete, to be written */
    size_t in_len, out_len, out_at;
    uint64_t random;
    struct held *held; /* in no order: a few at most */
    struct counts counts;
};

static struct rates rates;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). */
static uint64_t random64(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static bool chance(struct end *from, double rate)
{
    return (double)(random64(&from->random) >> 11) < rate * 0x1p53;
}

/* ------------------------------------------------------------ out */

static void flush(struct end *to)
{
    while (to->out_at < to->out_len) {
        ssize_t n = write(to->fd, to->out + to->out_at, to->out_len - to->out_at);

        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0) /* the other side has ended: so will we, when our input does */
            break;
        to->out_at += (size_t)n;
    }
    to->out_at = to->out_len = 0;
}

static void put(struct end *from, struct end *to, const uint8_t *frame, size_t len)
{
    if (to->kind != STREAM) {
        if (write(to->fd, frame, len) < 0)
            from->counts.overflowed++;
        return;
    }
    if (to->out_at > OUT_MAX / 2) {
        memmove(to->out, to->out + to->out_at, to->out_len - to->out_at);
        to->out_len -= to->out_at;
        to->out_at = 0;
    }
    if (to->out_len + 4 + len > OUT_MAX) {
        from->counts.overflowed++;
        return;
    }
    for (unsigned i = 0; i < 4; i++)
        to->out[to->out_len++] = (uint8_t)(len >> (24 - 8 * i));
    memcpy(to->out + to->out_len, frame, len);
    to->out_len += len;
}

/* ------------------------------------------------------------ the fates of a frame */

static void hold(struct end *from, const uint8_t *frame, size_t len, bool reorder)
{
    struct held *h = malloc(sizeof(*h) + len);

    if (h == NULL)
        die("malloc");
    h->due_ns = now_ns() + (reorder ? HELD_NS : random64(&from->random) % HELD_NS);
    h->overtakers = reorder ? 1 + (unsigned)(random64(&from->random) % OVERTAKEN_MAX) : 0;
    h->len = len;
    memcpy(h->frame, frame, len);
    h->next = from->held;
    from->held = h;
}

/* Let go what is due; returns the milliseconds until the next one is, or -1. */
static int release(struct end *from, struct end *to)
{
    uint64_t now = now_ns(), next = UINT64_MAX;

    for (struct held **at = &from->held; *at != NULL;) {
        struct held *h = *at;

        if (h->due_ns <= now) {
            *at = h->next;
            put(from, to, h->frame, h->len);
            free(h);
        } else {
            next = h->due_ns < next ? h->due_ns : next;
            at = &h->next;
        }
    }
    return next == UINT64_MAX ? -1 : (int)((next - now) / 1000000 + 1);
}

static void overtake(struct end *from)
{
    for (struct held *h = from->held; h != NULL; h = h->next)
        if (h->overtakers > 0 && --h->overtakers == 0)
            h->due_ns = 0;
}

/* True where the frame may go on, changed. */
static bool corrupt(struct end *from, uint8_t *frame, size_t len)
{
    size_t before = from->kind == VNET ? VNET_BYTES : 0;
    const uint8_t *type = frame + before + ETHER_BYTES - 2;
    uint64_t r = random64(&from->random);

    if (len <= before + ETHER_BYTES ||
        ((type[0] << 8 | type[1]) != 0x0800 && (type[0] << 8 | type[1]) != 0x86dd))
        return true;
    from->counts.corrupted++;
    if (before > 0 && (frame[0] & NEEDS_CSUM))
        return false;
    before += ETHER_BYTES;
    frame[before + (r >> 8) % (len - before)] ^= (uint8_t)(1 + r % 255);
    return true;
}

static void pass(struct end *from, struct end *to, uint8_t *frame, size_t len)
{
    from->counts.frames++;
    if (len > from->counts.largest)
        from->counts.largest = len;
    if (chance(from, rates.drop)) {
        from->counts.dropped++;
        return;
    }
    if (chance(from, rates.duplicate)) {
        from->counts.duplicated++;
        put(from, to, frame, len);
    }
    if (chance(from, rates.corrupt) && !corrupt(from, frame, len))
        return;
    if (chance(from, rates.reorder)) {
        from->counts.reordered++;
        hold(from, frame, len, true);
    } else if (chance(from, rates.delay)) {
        from->counts.delayed++;
        hold(from, frame, len, false);
    } else {
        put(from, to, frame, len);
        overtake(from);
        release(from, to);
    }
}

/* ------------------------------------------------------------ in */

/* False when the end has come to its end. */
static bool take_stream(struct end *from, struct end *to)
{
    ssize_t n = read(from->fd, from->in + from->in_len, 2 * FRAME_MAX - from->in_len);
    size_t at = 0;

    if (n <= 0)
        return n < 0 && errno == EAGAIN;
    from->in_len += (size_t)n;
    while (from->in_len - at >= 4) {
        uint8_t *p = from->in + at;
        size_t len = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];

        if (len > FRAME_MAX)
            return false;
        if (from->in_len - at < 4 + len)
            break;
        pass(from, to, p + 4, len);
        at += 4 + len;
    }
    memmove(from->in, from->in + at, from->in_len - at);
    from->in_len -= at;
    return true;
}

static bool take(struct end *from, struct end *to)
{
    if (from->kind == STREAM)
        return take_stream(from, to);
    for (unsigned i = 0; i < BATCH; i++) {
        ssize_t n = read(from->fd, from->in, FRAME_MAX);

        if (n <= 0)
            return n < 0 && (errno == EAGAIN || errno == EIO); /* EIO: the interface is down */
        pass(from, to, from->in, (size_t)n);
    }
    return true;
}

/* ------------------------------------------------------------ what we are told */

static void print_counts(struct end *ends)
{
    for (unsigned i = 0; i < 2; i++) {
        const struct counts *c = &ends[i].counts;

        printf("%s{\"frames\":%ju,\"dropped\":%ju,\"duplicated\":%ju,\"corrupted\":%ju,"
               "\"reordered\":%ju,\"delayed\":%ju,\"overflowed\":%ju,\"largest\":%ju}",
               i == 0 ? "[" : ",", (uintmax_t)c->frames, (uintmax_t)c->dropped,
               (uintmax_t)c->duplicated, (uintmax_t)c->corrupted, (uintmax_t)c->reordered,
               (uintmax_t)c->delayed, (uintmax_t)c->overflowed, (uintmax_t)c->largest);
    }
    printf("]\n");
    fflush(stdout);
}

/* False at the end of the input. A line comes in one piece: a pipe keeps short writes whole. */
static bool take_order(struct end *ends)
{
    char line[256];
    double percent[5];
    unsigned long long seed;
    ssize_t n = read(STDIN_FILENO, line, sizeof(line) - 1);

    if (n <= 0)
        return false;
    line[n] = '\0';
    if (sscanf(line, "%llu %lf %lf %lf %lf %lf", &seed, &percent[0], &percent[1], &percent[2],
               &percent[3], &percent[4]) != 6) {
        fprintf(stderr, "lossy: bad line: %s", line);
        exit(2);
    }
    rates = (struct rates){ percent[0] / 100, percent[1] / 100, percent[2] / 100, percent[3] / 100,
                            percent[4] / 100 };
    print_counts(ends);
    for (unsigned i = 0; i < 2; i++) {
        ends[i].random = seed * 2 + i;
        ends[i].counts = (struct counts){ 0 };
    }
    return true;
}

static struct end make_end(const char *text)
{
    const char *colon = strchr(text, ':');
    struct end e = { .kind = text[0] == 's' ? STREAM : text[0] == 't' ? TAP : VNET };

    if (colon == NULL) {
        fprintf(stderr, "lossy: %s: must be KIND:FD\n", text);
        exit(2);
    }
    e.fd = atoi(colon + 1);
    e.in = malloc(2 * FRAME_MAX);
    e.out = malloc(OUT_MAX);
    if (e.in == NULL || e.out == NULL || fcntl(e.fd, F_SETFL, O_NONBLOCK) != 0)
        die(text);
    return e;
}

static int until_due(struct end *ends)
{
    int a = release(&ends[0], &ends[1]), b = release(&ends[1], &ends[0]);

    return a < 0 || (b >= 0 && b < a) ? b : a;
}

int main(int argc, char **argv)
{
    struct end ends[2];

    if (argc != 3) {
        fprintf(stderr, "usage: lossy KIND:FD KIND:FD\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    for (unsigned i = 0; i < 2; i++)
        ends[i] = make_end(argv[1 + i]);
    for (;;) {
        struct pollfd polled[3] = { { .fd = STDIN_FILENO, .events = POLLIN } };
        int timeout = until_due(ends);

        for (unsigned i = 0; i < 2; i++) {
            if (ends[i].kind == STREAM)
                flush(&ends[i]);
            polled[1 + i] = (struct pollfd){
                .fd = ends[i].fd,
                .events = (short)(POLLIN | (ends[i].out_len > 0 ? POLLOUT : 0)),
            };
        }
        if (poll(polled, 3, timeout) < 0 && errno != EINTR)
            die("poll");
        if (polled[0].revents != 0 && !take_order(ends))
            return 0;
        for (unsigned i = 0; i < 2; i++)
            if ((polled[1 + i].revents & (POLLIN | POLLHUP)) && !take(&ends[i], &ends[!i]))
                return 0;
    }
}
