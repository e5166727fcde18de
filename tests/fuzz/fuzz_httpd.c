/*
 * httpd as a whole: bytes in, responses out. The first two bytes seed how the rest is cut into
 * segments, when it is acknowledged, when time passes and when memory is short. What comes out must
 * be whole responses, and nothing may be left of the connection.
 */
#include "fuzz.h"
#include "fake_kmalloc.h"
#include "fake_tcp.h"
#include "fakes.h"
#include "tar.h"
#include <boot/bootinfo.h>
#include <httpd/conn.h>
#include <kernel/config.h>
#include <kernel/time.h>

static struct tar tar;

uint64_t time_unix(void)
{
    return 784111777;
}

uint64_t config_u64(const char *key, uint64_t fallback, uint64_t min, uint64_t max)
{
    MUST(min <= fallback && fallback <= max);
    return strcmp(key, "http_max_header") == 0 ? 700 : fallback;
}

const char *config_get(const char *key, const char *fallback)
{
    return strcmp(key, "http_discard") == 0 ? "/upload" : fallback;
}

bool config_bool(const char *key, bool fallback)
{
    (void)key;
    return fallback;
}

unsigned config_choice(const char *key, const char *const *names, unsigned fallback)
{
    (void)key;
    (void)names;
    return fallback;
}

uint32_t rand_u32(void)
{
    return 4;
}

void softirq_disable(void) {}
void softirq_enable(void) {}

char *ipaddr_ntoa_r(const ip_addr_t *address, char *buf, int size)
{
    (void)address;
    snprintf(buf, (size_t)size, "192.0.2.1");
    return buf;
}

const struct boot_info *boot_info(void)
{
    static struct boot_info info;

    info.site.base = (uint64_t)tar.data - BOOT_PHYSMAP_BASE;
    info.site.bytes = tar.bytes;
    return &info;
}

static void start(void)
{
    static char big[20000];

    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = (char)(i * 7 + i / 251);
    tar_file(&tar, "index.html", "<h1>home</h1>");
    tar_file(&tar, "index.html.gz", "GZ");
    tar_file(&tar, "a b", "blank");
    tar_file(&tar, "docs/index.html", "docs");
    tar_file(&tar, "empty", "");
    tar_file(&tar, "404.html", "none");
    tar_add(&tar, '0', "big", big, sizeof(big), 0);
    tar_end(&tar);
    MUST(httpd_start());
}

/* ---------------------------------------------------------------- what came out */

/* Whole responses, the last of which may be cut off where the connection was. HEAD's have no body:
 * the next response follows at once, or the end. */
static void check_responses(const char *text, size_t len, bool cut_off)
{
    while (len > 0) {
        const char *end = memmem(text, len, "\r\n\r\n", 4), *field;
        unsigned status = 0;
        size_t head, body = 0;

        if (end == NULL) {
            MUST(cut_off);
            return;
        }
        head = (size_t)(end + 4 - text);
        MUST(sscanf(text, "HTTP/1.1 %3u ", &status) == 1);
        MUST(status >= 100 && status < 600);
        field = memmem(text, head, "\r\nContent-Length: ", 18);
        MUST((field == NULL) == (status == 100 || status == 204 || status == 304));
        if (field != NULL)
            body = strtoul(field + 18, NULL, 10);
        text += head;
        len -= head;
        if (len == 0 || (len >= 9 && memcmp(text, "HTTP/1.1 ", 9) == 0))
            continue;
        if (body > len) {
            MUST(cut_off);
            return;
        }
        text += body;
        len -= body;
    }
}

/* ---------------------------------------------------------------- what goes in */

static unsigned seed;

static unsigned below(unsigned n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 16) % n;
}

static void something_happens(struct peer *peer)
{
    switch (below(8)) {
    case 0:
        peer_ack(peer, below(5000));
        break;
    case 1:
        fake_time_ns += below(3) * NS_PER_SEC;
        peer_poll(peer);
        break;
    case 2:
        fake_write_fail_all = below(2) == 0;
        break;
    case 3:
        fake_kmalloc_fail_in = below(4);
        break;
    default:
        peer_ack_all(peer);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool started;
    struct peer *peer;
    const char *text;
    bool cut_off;
    size_t len;
    unsigned before;

    if (!started)
        start();
    started = true;
    if (size < 2)
        return 0;
    seed = (unsigned)data[0] << 8 | data[1];
    before = fake_kmalloc_live;
    peer = peer_connect(1500 + below(20000));
    MUST(peer != NULL);
    for (size_t at = 2; at < size && !peer_app_done(peer);) {
        size_t n = 1 + below(below(4) == 0 ? 3 : 1400);

        n = n < size - at ? n : size - at;
        peer_send(peer, data + at, n, below(3));
        at += n;
        something_happens(peer);
    }
    fake_write_fail_all = false;
    fake_kmalloc_fail_in = 0;
    cut_off = peer_got_reset(peer);
    if (!peer_app_done(peer))
        peer_fin(peer);
    for (unsigned i = 0; i < 200 && !peer_app_done(peer); i++) {
        fake_time_ns += NS_PER_SEC;
        peer_ack_all(peer);
        peer_poll(peer);
    }
    MUST(peer_app_done(peer));
    cut_off |= peer_got_reset(peer);
    text = peer_received(peer, &len);
    check_responses(text, len, cut_off);
    peer_free(peer);
    MUST(fake_pbufs_live == 0 && fake_pcbs_live == 0);
    MUST(fake_kmalloc_live == before && httpd.stats.held_pbufs == 0 && httpd.stats.active == 0);
    return 0;
}
