/*
 * `free`: memory, in the layout of procps' free. "used" leaves out free objects that kmalloc keeps
 * in its pages ("cached"), so that it comes back to the same number when all has been freed.
 */
#include <kernel/console.h>
#include <kernel/kmalloc.h>
#include <kernel/lib.h>
#include <kernel/meminfo.h>
#include <kernel/page.h>
#include <kernel/softirq.h>
#include <string.h>

extern const struct meminfo_row meminfo_rows_start[], meminfo_rows_end[]; /* linker.ld */

#define POOLS_MAX 16

struct memory {
    uint64_t total, used, free, cached;
    unsigned pool_count;
    struct pool {
        const char *name;
        struct meminfo info;
    } pool[POOLS_MAX];
};

static void kmalloc_meminfo(struct meminfo *out)
{
    struct kmalloc_stats stats;

    kmalloc_stats(&stats);
    out->total_bytes = stats.used_bytes + stats.cached_bytes;
    out->used_bytes = stats.used_bytes;
    out->free_bytes = stats.cached_bytes;
}
MEMINFO_ROW(kmalloc, "Kmalloc", kmalloc_meminfo);

/* All of it at one moment: softirqs off. */
static void collect(struct memory *m)
{
    struct page_stats pages;
    struct kmalloc_stats small;

    softirq_disable();
    page_stats(&pages);
    kmalloc_stats(&small);
    m->total = pages.total_bytes;
    m->free = pages.free_bytes;
    m->cached = small.cached_bytes;
    m->used = m->total - m->free - m->cached;
    m->pool_count = 0;
    for (const struct meminfo_row *row = meminfo_rows_start; row < meminfo_rows_end; row++) {
        struct pool *pool = &m->pool[m->pool_count];

        if (m->pool_count == POOLS_MAX)
            break;
        pool->name = row->name;
        pool->info = (struct meminfo){ 0 };
        row->fill(&pool->info);
        m->pool_count++;
    }
    softirq_enable();
}

static void free_json(struct console *con, const struct memory *m)
{
    struct json j;

    console_json(con, &j);
    json_object(&j, "memory");
    json_u64(&j, "total_bytes", m->total);
    json_u64(&j, "used_bytes", m->used);
    json_u64(&j, "free_bytes", m->free);
    json_u64(&j, "cached_bytes", m->cached);
    json_u64(&j, "available_bytes", m->free + m->cached);
    json_object_end(&j);
    json_array(&j, "pools");
    for (const struct pool *pool = m->pool; pool < m->pool + m->pool_count; pool++) {
        json_object(&j, NULL);
        json_str(&j, "name", pool->name);
        json_u64(&j, "total_bytes", pool->info.total_bytes);
        json_u64(&j, "used_bytes", pool->info.used_bytes);
        json_u64(&j, "free_bytes", pool->info.free_bytes);
        json_object_end(&j);
    }
    json_array_end(&j);
    json_end(&j);
}

static unsigned long long kib(uint64_t bytes)
{
    return bytes / 1024;
}

static int cmd_free(struct console *con, int argc, char **argv)
{
    struct memory m;

    (void)argv;
    if (argc > 1)
        return console_error(con, "takes no arguments");
    collect(&m);
    if (con->json) {
        free_json(con, &m);
        return 0;
    }
    console_printf(con, "%19s%12s%12s%12s%12s\n", "total", "used", "free", "cached", "available");
    console_printf(con, "%-8s%11llu%12llu%12llu%12llu%12llu\n", "Mem:", kib(m.total), kib(m.used),
                   kib(m.free), kib(m.cached), kib(m.free + m.cached));
    for (const struct pool *pool = m.pool; pool < m.pool + m.pool_count; pool++) {
        console_printf(con, "%s:%*s%11llu%12llu%12llu\n", pool->name,
                       7 - (int)MIN(strlen(pool->name), (size_t)7), "", kib(pool->info.total_bytes),
                       kib(pool->info.used_bytes), kib(pool->info.free_bytes));
    }
    return 0;
}
CONSOLE_COMMAND(free, "free", "memory in KiB: what is used, free, and kept for reuse", cmd_free);
