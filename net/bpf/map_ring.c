/*
 * ringbuf and perf_event_array: see events.h.
 *
 * Positions count bytes and never go back; a position modulo the size is the place in memory. Each
 * event is a header of 8 bytes and its bytes, rounded up to 8, as Linux counts them, so that as
 * many fit. An event is one piece of memory, also where it crosses the end: Linux maps the ring
 * twice in a row for that, here the memory is twice as long. Only the one event that crosses uses
 * the second half, and there is never more than one such in the ring.
 */
#include "events.h"
#include "map_impl.h"
#include <string.h>

#define BUSY      (1u << 31) /* reserved, not yet submitted; as BPF_RINGBUF_BUSY_BIT */
#define DISCARDED (1u << 30)
#define BYTES_MAX (UINT32_MAX / 4) /* of an event: Linux's RINGBUF_MAX_RECORD_SZ */

struct ring {
    uint64_t consumer, producer;
    uint64_t size; /* a power of two */
    uint64_t lost;
};

struct header {
    uint32_t bytes; /* and BUSY, DISCARDED */
    uint32_t unused;
};
_Static_assert(sizeof(struct header) == 8, "Linux's BPF_RINGBUF_HDR_SZ");

static bool ring_init(struct bpf_map *map, uint64_t size, const char **why)
{
    struct ring *ring = bpf_map_alloc(map, sizeof(*ring), why);

    map->own = ring;
    if (ring == NULL)
        return false;
    if (2 * size > BPF_MAP_BYTES_MAX)
        return bpf_map_fail(why, "a ringbuf has at most 2 MiB");
    ring->size = size;
    return bpf_map_alloc_memory(map, 2 * size, why);
}

static bool ringbuf_init(struct bpf_map *map, const char **why)
{
    const struct bpf_map_def *def = &map->def;

    if (def->key_size != 0 || def->value_size != 0)
        return bpf_map_fail(why, "key_size and value_size of a ringbuf are 0");
    if (!IS_POWER_OF_TWO(def->max_entries) || def->max_entries % PAGE_SIZE != 0)
        return bpf_map_fail(why, "max_entries of a ringbuf, its bytes, is a power of two and "
                                 "a multiple of 4096");
    if (def->flags & ~BPF_F_NUMA_NODE)
        return bpf_map_fail(why, "map_flags that a ringbuf does not have");
    return ring_init(map, def->max_entries, why);
}

static bool perf_init(struct bpf_map *map, const char **why)
{
    const struct bpf_map_def *def = &map->def;

    if (def->key_size != 4 || def->value_size != 4)
        return bpf_map_fail(why, "key_size and value_size of a perf_event_array are 4");
    if (def->flags & ~(BPF_F_NUMA_NODE | BPF_F_RDONLY | BPF_F_WRONLY))
        return bpf_map_fail(why, "map_flags that a perf_event_array does not have");
    return ring_init(map, BPF_PERF_RING_BYTES, why);
}

static struct header *header_at(const struct bpf_map *map, const struct ring *ring, uint64_t pos)
{
    return (struct header *)((uint8_t *)map->memory + (pos & (ring->size - 1)));
}

static uint64_t room_of(uint64_t bytes)
{
    return ALIGN_UP(bytes + sizeof(struct header), 8);
}

void *bpf_ring_reserve(struct bpf_map *map, uint64_t bytes)
{
    struct ring *ring = map->own;
    struct header *header = header_at(map, ring, ring->producer);

    if (bytes > BYTES_MAX || ring->producer + room_of(bytes) - ring->consumer > ring->size - 1) {
        ring->lost++;
        return NULL;
    }
    header->bytes = (uint32_t)bytes | BUSY;
    ring->producer += room_of(bytes);
    return header + 1;
}

void bpf_ring_submit(void *event)
{
    struct header *header = (struct header *)event - 1;

    header->bytes &= ~BUSY;
}

void bpf_ring_discard(void *event)
{
    struct header *header = (struct header *)event - 1;

    header->bytes = (header->bytes & ~BUSY) | DISCARDED;
}

struct bpf_ring_state bpf_ring_state(const struct bpf_map *map)
{
    const struct ring *ring = map->own;

    return (struct bpf_ring_state){ ring->consumer, ring->producer, ring->size };
}

bool bpf_events_has(const struct bpf_map *map)
{
    return map->def.type == BPF_MAP_TYPE_RINGBUF || map->def.type == BPF_MAP_TYPE_PERF_EVENT_ARRAY;
}

bool bpf_events_read(struct bpf_map *map, void *buf, size_t room, struct bpf_event *event)
{
    struct ring *ring = map->own;

    *event = (struct bpf_event){ .lost = ring->lost };
    while (ring->consumer != ring->producer) {
        const struct header *header = header_at(map, ring, ring->consumer);

        if (header->bytes & BUSY)
            return false;
        ring->consumer += room_of(header->bytes & ~DISCARDED);
        if (header->bytes & DISCARDED)
            continue;
        event->bytes = header->bytes;
        memcpy(buf, header + 1, MIN(event->bytes, room));
        return true;
    }
    return false;
}

/* What is not there answers ENOTSUPP. An entry of a perf_event_array is a CPU's event in Linux,
 * which a process opens and puts in: here all are open, as it were. */
const struct bpf_map_ops bpf_ringbuf_ops = {
    .type_name = "ringbuf",
    .init = ringbuf_init,
};

const struct bpf_map_ops bpf_perf_event_array_ops = {
    .type_name = "perf_event_array",
    .init = perf_init,
};
