#include "world.h"
#include <stdio.h>
#include <string.h>

const struct world_map world_maps[WORLD_MAPS] = {
    [M_OUT] = { "out", BPF_MAP_TYPE_ARRAY, 4, 64, 1, 0, .compared = true },
    [M_ARRAY] = { "array", BPF_MAP_TYPE_ARRAY, 4, 32, 4, 0, .compared = true },
    [M_HASH] = { "hash", BPF_MAP_TYPE_HASH, 4, 16, 4, 0, .compared = true },
    [M_HASH8] = { "hash8", BPF_MAP_TYPE_HASH, 8, 8, 4, 0, .compared = true },
    [M_LRU] = { "lru", BPF_MAP_TYPE_LRU_HASH, 4, 8, 64, 0, .compared = true },
    [M_PERCPU] = { "percpu", BPF_MAP_TYPE_PERCPU_ARRAY, 4, 16, 2, 0, .compared = true },
    [M_PERCPU_HASH] = { "percpu_hash", BPF_MAP_TYPE_PERCPU_HASH, 4, 8, 2, 0, .compared = true },
    [M_LPM] = { "lpm", BPF_MAP_TYPE_LPM_TRIE, 8, 8, 4, BPF_F_NO_PREALLOC, .compared = true },
    [M_PROGS] = { "progs", BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 4, 0, .frozen = false },
    [M_DEV] = { "dev", BPF_MAP_TYPE_DEVMAP, 4, 4, 4, 0, .frozen = false },
    [M_XSK] = { "xsk", BPF_MAP_TYPE_XSKMAP, 4, 4, 4, 0, .frozen = false },
    [M_RING] = { "ring", BPF_MAP_TYPE_RINGBUF, 0, 0, 4096, 0, .frozen = false },
    [M_PERF] = { "perf", BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 4, 4, 0, .frozen = false },
    [M_RDONLY] = { "rdonly", BPF_MAP_TYPE_ARRAY, 4, 16, 1, BPF_F_RDONLY_PROG, true, true },
    [M_WRONLY] = { "wronly", BPF_MAP_TYPE_ARRAY, 4, 16, 1, BPF_F_WRONLY_PROG, false, true },
    [M_BIG] = { "big", BPF_MAP_TYPE_ARRAY, 4, 1024, 1, 0, .frozen = false },
};

static void pattern(uint8_t *value, uint32_t bytes, unsigned seed)
{
    for (uint32_t i = 0; i < bytes; i++)
        value[i] = (uint8_t)(16 * seed + 1 + i);
}

static bool entry_numbered(uint8_t *key, uint32_t number)
{
    memcpy(key, &number, sizeof(number));
    return true;
}

bool world_entry(unsigned map, unsigned i, uint8_t *key, uint8_t *value)
{
    static const uint8_t readonly[16] = {
        8, 0, 0, 0, 255, 255, 255, 255, 3, 0, 0, 0, 0, 0, 0, 128
    };
    static const uint8_t prefixes[2][8] = { { 8, 0, 0, 0, 10 }, { 16, 0, 0, 0, 10, 1 } };

    memset(key, 0, WORLD_KEY_MAX);
    memset(value, 0, WORLD_VALUE_MAX);
    switch (map) {
    case M_OUT:
        pattern(value + 32, 32, 0);
        return i < 1;
    case M_WRONLY:
        return i < 1;
    case M_PERCPU:
        return i < 2 && entry_numbered(key, i);
    case M_ARRAY:
        pattern(value, 32, i);
        return i < 4 && entry_numbered(key, i);
    case M_HASH:
        pattern(value, 16, i + 1);
        return i < 2 && entry_numbered(key, i + 1);
    case M_HASH8:
        key[0] = 7;
        value[0] = 9;
        value[4] = 7;
        return i < 1;
    case M_PERCPU_HASH:
        value[0] = 5;
        return i < 1 && entry_numbered(key, 1);
    case M_LPM:
        if (i >= 2)
            return false;
        memcpy(key, prefixes[i], 8);
        value[0] = prefixes[i][0];
        return true;
    case M_RDONLY:
        memcpy(value, readonly, sizeof(readonly));
        return i < 1;
    default:
        return false;
    }
}

const struct bpf_insn *world_tail(unsigned slot, uint32_t *count)
{
    static const struct bpf_insn answer[] = { MOVI(R0, 42), EXIT() };
    static const struct bpf_insn writer[] = { MAPV(R1, M_OUT, 0), STI(DW, R1, 0, 9),
                                              MOVI(R0, XDP_DROP), EXIT() };

    *count = slot == 0 ? BPF_ASM_COUNT(answer) : slot == 2 ? BPF_ASM_COUNT(writer) : 0;
    return slot == 0 ? answer : slot == 2 ? writer : NULL;
}

void world_contents_add(struct world_contents *contents, const void *key, size_t key_bytes,
                        const void *value, size_t value_bytes)
{
    struct world_entry entry = { 0 };
    unsigned i = contents->count;

    if (i == WORLD_ENTRIES)
        return;
    memcpy(entry.key, key, key_bytes);
    memcpy(entry.value, value, value_bytes);
    while (i > 0 && memcmp(contents->entries[i - 1].key, entry.key, WORLD_KEY_MAX) > 0) {
        contents->entries[i] = contents->entries[i - 1];
        i--;
    }
    contents->entries[i] = entry;
    contents->count++;
}

void world_contents_first(unsigned map, struct world_contents *contents)
{
    uint8_t key[WORLD_KEY_MAX], value[WORLD_VALUE_MAX];

    memset(contents, 0, sizeof(*contents));
    for (unsigned i = 0; world_entry(map, i, key, value); i++)
        world_contents_add(contents, key, WORLD_KEY_MAX, value, WORLD_VALUE_MAX);
}

uint32_t world_maps_used(const struct bpf_insn *insns, uint32_t count)
{
    uint32_t maps = 0;

    for (uint32_t i = 0; i < count; i++) {
        bool names_map = insns[i].code == BPF_LD_IMM64 && (insns[i].src == BPF_PSEUDO_MAP_FD ||
                                                           insns[i].src == BPF_PSEUDO_MAP_VALUE);

        if (names_map && (uint32_t)insns[i].imm < WORLD_MAPS)
            maps |= 1u << insns[i].imm;
        if (insns[i].code == BPF_LD_IMM64)
            i++;
    }
    return maps >> M_PROGS & 1 ? maps | 1u << M_OUT : maps;
}

void world_input_make(struct world_input *input, uint32_t bytes, uint32_t meta_bytes)
{
    memset(input, 0, sizeof(*input));
    input->bytes = bytes + meta_bytes;
    input->meta_bytes = meta_bytes;
    for (uint32_t i = 0; i < input->bytes; i++)
        input->packet[i] = (uint8_t)(i < meta_bytes ? 0xa0 + i : i - meta_bytes);
}

static bool differ(const uint8_t *a, const uint8_t *b, size_t bytes, size_t *at)
{
    for (*at = 0; *at < bytes; ++*at) {
        if (a[*at] != b[*at])
            return true;
    }
    return false;
}

static bool contents_equal(unsigned map, const struct world_contents *a,
                           const struct world_contents *b, char *text, size_t room)
{
    const char *name = world_maps[map].name;
    size_t at;

    if (a->count != b->count) {
        snprintf(text, room, "%s has %u entries, not %u", name, a->count, b->count);
        return false;
    }
    for (unsigned i = 0; i < a->count; i++) {
        const struct world_entry *one = &a->entries[i], *two = &b->entries[i];

        if (differ(one->key, two->key, WORLD_KEY_MAX, &at)) {
            snprintf(text, room, "%s: other keys", name);
            return false;
        }
        if (differ(one->value, two->value, WORLD_VALUE_MAX, &at)) {
            uint64_t x, y;

            at &= ~(size_t)7;
            memcpy(&x, one->value + at, 8);
            memcpy(&y, two->value + at, 8);
            snprintf(text, room, "%s[%u..] at %zu: 0x%llx, not 0x%llx", name, one->key[0], at,
                     (unsigned long long)x, (unsigned long long)y);
            return false;
        }
    }
    return true;
}

bool world_outcome_equal(const struct world_outcome *a, const struct world_outcome *b,
                         uint32_t maps, char *text, size_t room)
{
    size_t at;

    if (a->ran != b->ran) {
        snprintf(text, room, "one of them did not run (%s%s)", a->reason, b->reason);
        return false;
    }
    if (a->retval != b->retval) {
        snprintf(text, room, "returns 0x%x, not 0x%x", a->retval, b->retval);
        return false;
    }
    if (a->bytes != b->bytes || a->meta_bytes != b->meta_bytes) {
        snprintf(text, room, "%u bytes (%u of metadata), not %u (%u)", a->bytes, a->meta_bytes,
                 b->bytes, b->meta_bytes);
        return false;
    }
    if (differ(a->packet, b->packet, a->bytes, &at)) {
        snprintf(text, room, "byte %zu of the packet: 0x%02x, not 0x%02x", at, a->packet[at],
                 b->packet[at]);
        return false;
    }
    for (unsigned i = 0; i < WORLD_MAPS; i++) {
        if ((maps >> i & 1) != 0 && world_maps[i].compared &&
            !contents_equal(i, &a->maps[i], &b->maps[i], text, room))
            return false;
    }
    return true;
}

/* What Linux says behind its reason. */
static bool is_statistics(const char *line)
{
    static const char *const starts[] = { "processed ", "verification time", "stack depth",
                                          "cur state:", "old state:" };

    for (unsigned i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        if (strncmp(line, starts[i], strlen(starts[i])) == 0)
            return true;
    }
    return false;
}

void world_reason(const char *log, char *reason, size_t room)
{
    const char *end = log + strlen(log), *line = end;

    reason[0] = 0;
    while (end > log) {
        line = end;
        while (line > log && line[-1] != '\n')
            line--;
        if (end > line && !is_statistics(line)) {
            snprintf(reason, room, "%.*s", (int)(end - line), line);
            return;
        }
        end = line > log ? line - 1 : log;
    }
}
