/*
 * The maps beside Linux's own: the same random operations to both, the same answers from both.
 * Where bpf(2) is not permitted, ours are compared with what Linux 6.18 answered when this was
 * recorded: a digest of each sequence, which a run beside Linux checks as well.
 */
#include "bpf_linux.h"
#include "fake_bpf.h"
#include "fakes.h"
#include "bpf/map.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define KEY_MAX    64u
#define CPUS_MAX   256u
#define DUMP_MAX   256u
#define OPERATIONS 4000u

static bool beside_linux;

struct both {
    struct bpf_map *ours;
    int linux_fd; /* -1: not compared with */
    uint32_t key_size, value_size;
    bool ordered; /* Linux's order of keys is ours */
    uint64_t digest;
};

static uint64_t sequence; /* of its own: the maps draw from fake_bpf_random() */

static uint32_t draw(uint32_t below)
{
    sequence = sequence * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(sequence >> 33) % below;
}

static void digest(struct both *b, const void *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) /* FNV-1a */
        b->digest = (b->digest ^ ((const uint8_t *)data)[i]) * 0x100000001b3ull;
}

static void digest_result(struct both *b, int result)
{
    digest(b, &result, sizeof(result));
}

/* Linux's value of the first CPU; all get the same. */
static int linux_read(const struct both *b, const void *key, void *value)
{
    static uint8_t values[CPUS_MAX * 64];
    int result = linux_map_lookup(b->linux_fd, key, values);

    memcpy(value, values, b->value_size);
    return result;
}

static int linux_write(const struct both *b, const void *key, const void *value, uint64_t flags)
{
    static uint8_t values[CPUS_MAX * 64];
    unsigned cpus = b->ours->ops->percpu ? linux_cpus() : 1;

    assert_true(cpus <= CPUS_MAX);
    for (unsigned i = 0; i < cpus; i++)
        memcpy(values + i * ((b->value_size + 7) / 8 * 8), value, b->value_size);
    return linux_map_update(b->linux_fd, key, values, flags);
}

static void do_read(struct both *b, const uint8_t *key)
{
    uint8_t ours[64] = { 0 }, theirs[64] = { 0 };
    int result = bpf_map_read(b->ours, key, ours);

    digest_result(b, result);
    if (result == 0)
        digest(b, ours, b->value_size);
    if (b->linux_fd < 0)
        return;
    assert_int_equal(linux_read(b, key, theirs), result);
    if (result == 0)
        assert_memory_equal(ours, theirs, b->value_size);
}

static void do_write(struct both *b, const uint8_t *key)
{
    uint64_t flags = draw(8) == 0 ? draw(10) : draw(3);
    uint8_t value[64];
    int result;

    for (unsigned i = 0; i < sizeof(value); i++)
        value[i] = (uint8_t)draw(256);
    result = bpf_map_write(b->ours, key, value, flags);
    digest_result(b, result);
    if (b->linux_fd >= 0)
        assert_int_equal(linux_write(b, key, value, flags), result);
}

static void do_remove(struct both *b, const uint8_t *key)
{
    int result = bpf_map_remove(b->ours, key);

    digest_result(b, result);
    if (b->linux_fd >= 0)
        assert_int_equal(linux_map_delete(b->linux_fd, key), result);
}

static void do_next(struct both *b, const uint8_t *key)
{
    uint8_t ours[KEY_MAX] = { 0 }, theirs[KEY_MAX] = { 0 };
    int result = bpf_map_next_key(b->ours, key, ours);

    if (!b->ordered)
        return;
    digest_result(b, result);
    digest(b, ours, b->key_size);
    if (b->linux_fd < 0)
        return;
    assert_int_equal(linux_map_next_key(b->linux_fd, key, theirs), result);
    assert_memory_equal(ours, theirs, b->key_size);
}

static uint32_t compare_size;

static int compare(const void *x, const void *y)
{
    return memcmp(x, y, compare_size);
}

/* All keys of Linux, or of ours, sorted. */
static unsigned dump(const struct both *b, bool theirs, uint8_t keys[][KEY_MAX])
{
    uint8_t *last = NULL;
    unsigned count = 0;

    for (; count < DUMP_MAX; last = keys[count++]) {
        memset(keys[count], 0, KEY_MAX);
        if ((theirs ? linux_map_next_key(b->linux_fd, last, keys[count])
                    : bpf_map_next_key(b->ours, last, keys[count])) != 0)
            break;
    }
    compare_size = b->key_size;
    qsort(keys, count, KEY_MAX, compare);
    return count;
}

static void compare_dumps(struct both *b)
{
    static uint8_t ours[DUMP_MAX][KEY_MAX], theirs[DUMP_MAX][KEY_MAX];
    unsigned count = dump(b, false, ours);

    digest(b, ours, count * KEY_MAX);
    if (b->linux_fd >= 0) {
        assert_int_equal(dump(b, true, theirs), count);
        assert_memory_equal(ours, theirs, count * KEY_MAX);
    }
    for (unsigned i = 0; i < count; i++)
        do_read(b, ours[i]);
}

/* Few different keys, so that they meet; of an lpm_trie prefixes that lie within one another. */
static void random_key(const struct both *b, uint8_t key[KEY_MAX])
{
    uint32_t number;

    memset(key, 0, KEY_MAX);
    switch (b->ours->def.type) {
    case BPF_MAP_TYPE_LPM_TRIE:
        number = draw(20) == 0 ? draw(100) * 8 : draw((b->key_size - 4) * 8 + 1);
        memcpy(key, &number, 4);
        for (unsigned i = 4; i < b->key_size; i++)
            key[i] = draw(3) == 0 ? (uint8_t)(0x80 >> draw(8)) : 0;
        break;
    case BPF_MAP_TYPE_ARRAY:
    case BPF_MAP_TYPE_PERCPU_ARRAY:
    case BPF_MAP_TYPE_DEVMAP:
        number = draw(b->ours->def.max_entries + 2);
        memcpy(key, &number, 4);
        break;
    default:
        key[draw(b->key_size)] = (uint8_t)draw(24);
    }
}

static void run(uint32_t type, uint32_t key_size, uint32_t value_size, uint32_t max_entries,
                uint32_t flags, uint64_t recorded)
{
    struct both b = { .linux_fd = -1,
                      .key_size = key_size,
                      .value_size = value_size,
                      .digest = 0xcbf29ce484222325ull };
    uint8_t key[KEY_MAX];

    b.ours = fake_bpf_map(type, key_size, value_size, max_entries, flags);
    b.ordered = type != BPF_MAP_TYPE_HASH && type != BPF_MAP_TYPE_PERCPU_HASH &&
                type != BPF_MAP_TYPE_LRU_HASH;
    if (beside_linux) {
        b.linux_fd = linux_map_create(type, key_size, value_size, max_entries, flags);
        assert_true(b.linux_fd >= 0);
    }
    sequence = type * 1000 + key_size;
    for (unsigned i = 0; i < OPERATIONS; i++) {
        random_key(&b, key);
        switch (draw(8)) {
        case 0:
        case 1:
        case 2:
            do_write(&b, key);
            break;
        case 3:
        case 4:
            do_remove(&b, key);
            break;
        case 5:
            do_next(&b, key);
            break;
        default:
            do_read(&b, key);
        }
        if (i % 256 == 0)
            compare_dumps(&b);
    }
    compare_dumps(&b);
    do_next(&b, NULL);
    if (b.digest != recorded)
        fprintf(stderr, "type %u, key %u: digest %#llx\n", type, key_size,
                (unsigned long long)b.digest);
    assert_true(b.digest == recorded);
    if (b.linux_fd >= 0)
        linux_close(b.linux_fd);
    bpf_map_put(b.ours);
}

static void test_arrays(void **state)
{
    (void)state;
    run(BPF_MAP_TYPE_ARRAY, 4, 8, 10, 0, 0xe6a31fc8bc482441ull);
    run(BPF_MAP_TYPE_ARRAY, 4, 13, 1, 0, 0x49e841e3cac0636bull);
    run(BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, 10, 0, 0xb3b9932729d3c6c7ull);
}

static void test_hashes(void **state)
{
    (void)state;
    run(BPF_MAP_TYPE_HASH, 4, 8, 16, 0, 0x7979a3af355bc7f4ull);
    run(BPF_MAP_TYPE_HASH, 13, 5, 64, BPF_F_NO_PREALLOC, 0xe266b64275be947full);
    run(BPF_MAP_TYPE_PERCPU_HASH, 8, 16, 32, 0, 0xfc4a1f0f78988c1cull);
    /* large enough that nothing is thrown out: there Linux only approximates */
    run(BPF_MAP_TYPE_LRU_HASH, 4, 8, 4096, 0, 0x55647566811380e6ull);
}

static void test_tries(void **state)
{
    (void)state;
    run(BPF_MAP_TYPE_LPM_TRIE, 4 + 4, 8, 50, BPF_F_NO_PREALLOC, 0xf7ee3d5f3e91c152ull);
    run(BPF_MAP_TYPE_LPM_TRIE, 4 + 16, 8, 200, BPF_F_NO_PREALLOC, 0x7c93af1c2ac8fdeull);
    run(BPF_MAP_TYPE_LPM_TRIE, 4 + 3, 4, 20, BPF_F_NO_PREALLOC, 0x75ba24de2be8ec66ull);
    run(BPF_MAP_TYPE_LPM_TRIE, 4 + 20, 4, 20, BPF_F_NO_PREALLOC, 0xce6f3390243e52aaull);
}

/* What Linux makes and what it refuses: type, key, value, entries, flags. The same, but for flags
 * that need what we do not have (they are refused), and sizes that we bound. */
static void test_creation(void **state)
{
    static const uint32_t types[] = { BPF_MAP_TYPE_HASH,        BPF_MAP_TYPE_ARRAY,
                                      BPF_MAP_TYPE_PROG_ARRAY,  BPF_MAP_TYPE_PERF_EVENT_ARRAY,
                                      BPF_MAP_TYPE_PERCPU_HASH, BPF_MAP_TYPE_PERCPU_ARRAY,
                                      BPF_MAP_TYPE_LRU_HASH,    BPF_MAP_TYPE_LPM_TRIE,
                                      BPF_MAP_TYPE_DEVMAP,      BPF_MAP_TYPE_XSKMAP,
                                      BPF_MAP_TYPE_RINGBUF };
    static const uint32_t sizes[] = { 0, 1, 4, 5, 8, 12 }, counts[] = { 0, 3, 4096, 6144, 12288 };
    struct both b = { .digest = 0xcbf29ce484222325ull };

    (void)state;
    for (unsigned i = 0; i < 11u * 6 * 6 * 5 * 10; i++) {
        struct bpf_map_def def = { types[i % 11], sizes[i / 11 % 6], sizes[i / 66 % 6],
                                   counts[i / 396 % 5], 1u << i / 1980 };
        const char *why;
        struct bpf_map *map;
        bool made;

        if (i / 1980 == 9)
            def.flags = 0;
        if (def.type == BPF_MAP_TYPE_LPM_TRIE)
            def.flags ^= BPF_F_NO_PREALLOC;
        map = bpf_map_create(&def, "", &why);
        made = map != NULL;
        if (made)
            bpf_map_put(map);
        digest(&b, &made, sizeof(made));
        if (beside_linux) {
            int fd = linux_map_create(def.type, def.key_size, def.value_size, def.max_entries,
                                      def.flags);

            if ((fd >= 0) != made)
                fprintf(stderr, "type %u key %u value %u entries %u flags %#x: Linux %d, we %s\n",
                        def.type, def.key_size, def.value_size, def.max_entries, def.flags, fd,
                        made ? "make it" : why);
            assert_int_equal(fd >= 0, made);
            if (fd >= 0)
                linux_close(fd);
        }
    }
    if (b.digest != 0x70b1614b55fafb85ull)
        fprintf(stderr, "creation: digest %#llx\n", (unsigned long long)b.digest);
    assert_true(b.digest == 0x70b1614b55fafb85ull);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_creation),
        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_hashes),
        cmocka_unit_test(test_tries),
    };

    beside_linux = linux_bpf_permitted();
    printf("%s\n", beside_linux ? "compared with this machine's Linux, through bpf(2)"
                                : "bpf(2) is not permitted here: compared with what was recorded "
                                  "from Linux 6.18");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
