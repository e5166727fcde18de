/*
 * Small objects: one slab of 16 KiB after another for each size class, a header at its start and
 * objects behind it. A freed object goes to the front of its slab's list, so that the next one of
 * that size is in the cache.
 *
 * How kfree() knows what it is given: a slab is aligned to its size, so its header is found by
 * masking, and no object of a slab ever starts on a page boundary (the header's size sees to it),
 * while a large block, which is the page allocator's, always does.
 *
 * A bit for each object says whether it is handed out: a second kfree() of it, a pointer into the
 * middle of it, or an overwritten list is noticed at once, in every build. With TOPHALF_DEBUG
 * freed memory is also filled, and what has been written to it since is noticed by the next
 * kmalloc() that gets it.
 */
#include <kernel/context.h>
#include <kernel/kmalloc.h>
#include <kernel/lib.h>
#include <kernel/page.h>
#include <kernel/panic.h>
#include <string.h>

#define SLAB_ORDER  2
#define SLAB_BYTES  (PAGE_SIZE << SLAB_ORDER)
#define SLAB_MAGIC  0x62616c73u /* "slab" */
#define SHIFT_MIN   4           /* 16 bytes */
#define SHIFT_MAX   11          /* 2048 bytes */
#define CLASSES     (SHIFT_MAX - SHIFT_MIN + 1)
#define OBJECTS_MAX (SLAB_BYTES >> SHIFT_MIN)
#define POISON      0xa5u
#define POISON_WORD 0xa5a5a5a5a5a5a5a5ull

struct object {
    struct object *next; /* while it is free */
};

struct slab {
    uint32_t magic;
    uint8_t shift;   /* log2 of the objects' size */
    uint16_t used;   /* objects handed out */
    uint16_t carved; /* objects that have been handed out once: those behind are untouched */
    struct object *free;
    struct slab *next, *prev; /* in the class's list, while neither full nor empty */
    uint64_t pad;             /* makes the header an odd multiple of 16 */
    uint64_t in_use[OBJECTS_MAX / 64];
};

_Static_assert(sizeof(struct slab) == 176 && sizeof(struct slab) % 32 == 16,
               "objects of 32 bytes and more can not start on a page boundary");

struct size_class {
    struct slab *partial; /* slabs with both free and used objects */
    struct slab *spare;   /* at most one empty slab is kept */
};

static struct size_class classes[CLASSES];
static struct kmalloc_stats stats;
static uint64_t slab_count, slab_used_bytes, large_bytes;

static unsigned capacity(unsigned shift)
{
    return (unsigned)((SLAB_BYTES - sizeof(struct slab)) >> shift);
}

static void *object_at(struct slab *slab, unsigned index)
{
    return (char *)(slab + 1) + ((size_t)index << slab->shift);
}

static bool is_page_aligned(const void *p)
{
    return (uintptr_t)p % PAGE_SIZE == 0;
}

static bool test_used(const struct slab *slab, unsigned index)
{
    return slab->in_use[index / 64] >> (index % 64) & 1;
}

static void flip_used(struct slab *slab, unsigned index)
{
    slab->in_use[index / 64] ^= 1ull << (index % 64);
}

/* The object's index; panics when p is not the start of one. */
static unsigned index_of(const struct slab *slab, const void *p)
{
    size_t offset = (size_t)((const char *)p - (const char *)(slab + 1));

    /* A pointer into the header gives an offset that is far too large. */
    if (offset % (1ul << slab->shift) != 0 || offset >> slab->shift >= slab->carved)
        panic("kmalloc: %p is not an object of its slab (%u bytes each)", p, 1u << slab->shift);
    return (unsigned)(offset >> slab->shift);
}

/* ---- poison */

#ifdef TOPHALF_DEBUG
static void poison(void *p, unsigned shift)
{
    memset((char *)p + sizeof(struct object), POISON, (1ul << shift) - sizeof(struct object));
}

static void check_poison(const void *p, unsigned shift)
{
    const uint64_t *word = p;

    for (size_t i = sizeof(struct object) / 8; i < (1ul << shift) / 8; i++)
        if (word[i] != POISON_WORD)
            panic("kmalloc: %p was written at byte %zu after it was freed", p, i * 8);
}
#else
static void poison(void *p, unsigned shift)
{
    (void)p;
    (void)shift;
}

static void check_poison(const void *p, unsigned shift)
{
    (void)p;
    (void)shift;
}
#endif

/* ---- slabs */

static void partial_push(struct slab *slab)
{
    struct size_class *class = &classes[slab->shift - SHIFT_MIN];

    slab->prev = NULL;
    slab->next = class->partial;
    if (slab->next != NULL)
        slab->next->prev = slab;
    class->partial = slab;
}

static void partial_remove(struct slab *slab)
{
    struct size_class *class = &classes[slab->shift - SHIFT_MIN];

    if (slab->prev != NULL)
        slab->prev->next = slab->next;
    else
        class->partial = slab->next;
    if (slab->next != NULL)
        slab->next->prev = slab->prev;
}

static struct slab *slab_new(unsigned shift)
{
    struct slab *slab = page_alloc(SLAB_ORDER);

    if (slab == NULL)
        return NULL;
    memset(slab, 0, sizeof(*slab));
    slab->magic = SLAB_MAGIC;
    slab->shift = (uint8_t)shift;
    slab_count++;
    return slab;
}

static void slab_release(struct slab *slab)
{
    slab->magic = 0; /* so that a stale pointer is told from a live one */
    slab_count--;
    page_free(slab, SLAB_ORDER);
}

/* A slab with a free object for the head of the partial list, which is empty. */
static __attribute__((noinline)) struct slab *slab_get(struct size_class *class, unsigned shift)
{
    struct slab *slab = class->spare;

    class->spare = NULL;
    if (slab == NULL)
        slab = slab_new(shift);
    if (slab != NULL)
        partial_push(slab);
    return slab;
}

static struct slab *slab_with_room(unsigned shift)
{
    struct size_class *class = &classes[shift - SHIFT_MIN];

    return likely(class->partial != NULL) ? class->partial : slab_get(class, shift);
}

static bool slab_is_full(const struct slab *slab)
{
    return slab->free == NULL && slab->carved == capacity(slab->shift);
}

/* The next object that was never handed out; the three of 16 bytes on a page boundary are none. */
static void *carve(struct slab *slab)
{
    void *p = object_at(slab, slab->carved++);

    return is_page_aligned(p) ? object_at(slab, slab->carved++) : p;
}

static void *take_object(struct slab *slab)
{
    struct object *p = slab->free;
    bool from_list = p != NULL;
    unsigned index;

    if (from_list) {
        index = index_of(slab, p);
        check_poison(p, slab->shift);
    } else {
        p = carve(slab);
        index = slab->carved - 1u;
    }
    if (test_used(slab, index))
        panic("kmalloc: the free list of slab %p leads to an object in use", (void *)slab);
    if (from_list)
        slab->free = p->next;
    flip_used(slab, index);
    slab->used++;
    return p;
}

static void put_object(struct slab *slab, struct object *p)
{
    unsigned index = index_of(slab, p);

    if (!test_used(slab, index))
        panic("kfree: %p is free already", (void *)p);
    flip_used(slab, index);
    poison(p, slab->shift);
    p->next = slab->free;
    slab->free = p;
    slab->used--;
}

/* ---- the interface */

static unsigned shift_for(size_t bytes)
{
    if (bytes <= 1u << SHIFT_MIN)
        return SHIFT_MIN;
    return 64 - (unsigned)__builtin_clzl(bytes - 1);
}

static void *alloc_small(unsigned shift)
{
    struct slab *slab = slab_with_room(shift);
    void *p;

    if (slab == NULL)
        return NULL;
    p = take_object(slab);
    if (slab_is_full(slab))
        partial_remove(slab);
    slab_used_bytes += 1ul << shift;
    return p;
}

static __attribute__((noinline)) void *alloc_large(size_t bytes)
{
    unsigned order = 0;
    void *p;

    while (order <= PAGE_ORDER_MAX && PAGE_SIZE << order < bytes)
        order++;
    p = order <= PAGE_ORDER_MAX ? page_alloc(order) : NULL;
    if (p != NULL)
        large_bytes += PAGE_SIZE << order;
    return p;
}

void *kmalloc(size_t bytes)
{
    void *p;

    ASSERT(context_may_allocate());
    p = bytes <= 1u << SHIFT_MAX ? alloc_small(shift_for(bytes)) : alloc_large(bytes);
    if (p != NULL)
        stats.allocs++;
    else
        stats.failures++;
    return p;
}

void *kzalloc(size_t bytes)
{
    void *p = kmalloc(bytes);

    return p != NULL ? memset(p, 0, bytes) : NULL;
}

static __attribute__((noinline)) void free_large(void *p)
{
    unsigned order = page_order(p);

    large_bytes -= PAGE_SIZE << order;
    page_free(p, order);
}

static void free_small(void *p)
{
    struct slab *slab = (struct slab *)ALIGN_DOWN((uintptr_t)p, SLAB_BYTES);
    struct size_class *class;
    bool was_full;

    if (slab->magic != SLAB_MAGIC)
        panic("kfree: %p is not from kmalloc", p);
    was_full = slab_is_full(slab);
    put_object(slab, p);
    slab_used_bytes -= 1ul << slab->shift;

    class = &classes[slab->shift - SHIFT_MIN];
    if (slab->used > 0) {
        if (was_full)
            partial_push(slab);
        return;
    }
    if (!was_full)
        partial_remove(slab);
    if (class->spare == NULL)
        class->spare = slab;
    else
        slab_release(slab);
}

void kfree(void *p)
{
    if (p == NULL)
        return;
    ASSERT(context_may_allocate());
    if (is_page_aligned(p))
        free_large(p);
    else
        free_small(p);
    stats.frees++;
}

void kmalloc_init(void)
{
    memset(classes, 0, sizeof(classes));
    memset(&stats, 0, sizeof(stats));
    slab_count = slab_used_bytes = large_bytes = 0;
}

void kmalloc_stats(struct kmalloc_stats *out)
{
    *out = stats;
    out->used_bytes = slab_used_bytes + large_bytes;
    out->cached_bytes = slab_count * SLAB_BYTES - slab_used_bytes;
}
