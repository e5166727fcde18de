/*
 * Random numbers: ChaCha20 with fast key erasure (D. J. Bernstein, "Fast-key-erasure
 * random-number generators", 2017). Each refill begins with a new key made by the old one, and
 * bytes are wiped as they are handed out: who reads this memory later learns nothing of what
 * was given before.
 *
 * The network stack's initial sequence numbers and ports hang on it (RFC 6528), so the log says
 * plainly where the seed came from.
 */
#include "chacha20.h"
#include <kernel/acpi.h>
#include <kernel/barrier.h>
#include <kernel/boot.h>
#include <kernel/context.h>
#include <kernel/cpu.h>
#include <kernel/io.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/rand.h>
#include <kernel/softirq.h>
#include <string.h>

#define POOL_BLOCKS    8
#define POOL_BYTES     (POOL_BLOCKS * CHACHA20_BLOCK_BYTES)
#define RDRAND_TRIES   10 /* Intel's DRNG guide §5.2.1: ten failures in a row mean it is broken */
#define RDSEED_TRIES   1000
#define JITTER_SAMPLES 2048

enum source { SOURCE_JITTER, SOURCE_RDRAND, SOURCE_RDSEED };

static uint8_t key[CHACHA20_KEY_BYTES];
static uint8_t pool[POOL_BYTES];
static size_t pool_left; /* bytes at the pool's end not handed out yet */
static enum source source;
static bool seeded;

/* Wipes that the compiler may not take out as stores that nobody reads. */
static void wipe(void *p, size_t bytes)
{
    memset(p, 0, bytes);
    barrier();
}

static bool rdrand64(uint64_t *out)
{
    bool ok;

    for (unsigned i = 0; i < RDRAND_TRIES; i++) {
        __asm__ volatile("rdrand %0; setc %1" : "=r"(*out), "=qm"(ok) : : "cc");
        if (ok)
            return true;
    }
    return false;
}

static bool rdseed64(uint64_t *out)
{
    bool ok;

    for (unsigned i = 0; i < RDSEED_TRIES; i++) {
        __asm__ volatile("rdseed %0; setc %1" : "=r"(*out), "=qm"(ok) : : "cc");
        if (ok)
            return true;
        cpu_relax(); /* it fills slower than we can ask */
    }
    return false;
}

/* Key = key xor words, through one ChaCha20 block: never weaker than either. */
static void mix(const uint64_t words[4])
{
    static const uint8_t nonce[CHACHA20_NONCE_BYTES];
    uint8_t block[CHACHA20_BLOCK_BYTES];
    uint8_t bytes[CHACHA20_KEY_BYTES];

    memcpy(bytes, words, sizeof(bytes));
    for (size_t i = 0; i < CHACHA20_KEY_BYTES; i++)
        key[i] ^= bytes[i];
    chacha20_block(key, 0, nonce, block);
    memcpy(key, block, sizeof(key));
    wipe(block, sizeof(block));
    wipe(bytes, sizeof(bytes));
}

/* A generator that always says the same is broken (some CPUs' is, after a suspend). */
static bool seed_from(bool (*read)(uint64_t *out))
{
    uint64_t words[4] = { 0 };
    bool ok = true;

    for (unsigned i = 0; ok && i < ARRAY_SIZE(words); i++)
        ok = read(&words[i]);
    ok = ok && !(words[0] == words[1] && words[1] == words[2]);
    if (ok)
        mix(words);
    wipe(words, sizeof(words));
    return ok;
}

/* How long a read of a device takes varies with the bus, the clocks of the two sides and, in a
 * virtual machine, with all that the host does. All of it goes in; how much is unknowable. */
static void seed_from_jitter(void)
{
    uint16_t port = acpi_info()->pm_timer_port;
    uint64_t words[4] = { 0 };
    uint64_t last = rdtsc();

    for (unsigned i = 0; i < JITTER_SAMPLES; i++) {
        uint64_t *word = &words[i % 4];
        uint64_t now;

        if (port != 0)
            (void)in32(port);
        else
            (void)in8(0x61); /* any slow port: the speaker's, there on every PC */
        now = rdtsc();
        *word = (*word << 7 | *word >> 57) ^ (now - last);
        last = now;
        if (i % 64 == 63)
            mix(words);
    }
    wipe(words, sizeof(words));
}

void rand_init(void)
{
    const struct boot_info *info = boot_info();
    uint64_t machine[4] = { rdtsc(), info->unix_time, info->tsc_entry, info->tsc_exit };

    mix(machine); /* worth little, but never nothing */
    if (cpu_features.rdseed && seed_from(rdseed64))
        source = SOURCE_RDSEED;
    else if (cpu_features.rdrand && seed_from(rdrand64))
        source = SOURCE_RDRAND;
    else
        seed_from_jitter();
    seeded = true;
    if (source == SOURCE_JITTER)
        printk("rand: no RDSEED/RDRAND; seeded from timing jitter: predictable to an attacker who "
               "can watch or control the host's timing");
    else
        printk("rand: seeded from %s", source == SOURCE_RDSEED ? "RDSEED" : "RDRAND");
}

/*
 * The nonce needs no secrecy, only to differ: the TSC and, where there is one, the CPU's
 * generator, so that two machines resumed from one snapshot go different ways.
 */
static void refill(void)
{
    uint8_t nonce[CHACHA20_NONCE_BYTES];
    uint64_t fresh = 0;
    uint32_t tsc = (uint32_t)rdtsc();

    if (source != SOURCE_JITTER && cpu_features.rdrand)
        (void)rdrand64(&fresh);
    memcpy(nonce, &tsc, sizeof(tsc));
    memcpy(nonce + sizeof(tsc), &fresh, sizeof(fresh));
    for (uint32_t i = 0; i < POOL_BLOCKS; i++)
        chacha20_block(key, i, nonce, pool + i * CHACHA20_BLOCK_BYTES);
    memcpy(key, pool, sizeof(key));
    wipe(pool, sizeof(key));
    pool_left = POOL_BYTES - sizeof(key);
}

static void take(uint8_t *out, size_t bytes)
{
    while (bytes > 0) {
        uint8_t *from;
        size_t n;

        if (pool_left == 0)
            refill();
        n = MIN(bytes, pool_left);
        from = pool + POOL_BYTES - pool_left;
        memcpy(out, from, n);
        wipe(from, n);
        pool_left -= n;
        out += n;
        bytes -= n;
    }
}

void rand_bytes(void *buf, size_t bytes)
{
    enum context context = context_current();

    ASSERT(seeded && context != CONTEXT_IRQ);
    if (context == CONTEXT_SOFTIRQ) {
        take(buf, bytes);
        return;
    }
    softirq_disable(); /* the network stack's draws must not come in the middle of this one */
    take(buf, bytes);
    softirq_enable();
}

uint32_t rand_u32(void)
{
    uint32_t v;

    rand_bytes(&v, sizeof(v));
    return v;
}

const char *rand_source(void)
{
    static const char *const names[] = { "jitter", "rdrand", "rdseed" };

    return names[source];
}
