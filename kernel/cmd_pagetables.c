/*
 * `pagetables`: the address space as the CPU sees it at this moment, like Linux's
 * /sys/kernel/debug/page_tables/kernel. What is not listed is not mapped: the NULL page and the
 * guard pages below the stacks show as gaps.
 */
#include "paging.h"
#include <kernel/console.h>
#include <kernel/fmt.h>

static const char *rights_text(unsigned rights)
{
    static const char *const texts[] = { "r--", "rw-", "r-x", "rwx" };

    return texts[rights & (MAP_WRITE | MAP_EXECUTE)];
}

_Static_assert(MAP_WRITE == 1 && MAP_EXECUTE == 2, "texts[] above");

static const char *cache_text(unsigned rights)
{
    return rights & MAP_UNCACHED ? "uncached" : "cached";
}

/* Above 2^53 a number would not survive every JSON reader. */
static void json_address(struct json *j, const char *key, uint64_t address)
{
    char text[20];

    fmt_snprintf(text, sizeof(text), "0x%016llx", (unsigned long long)address);
    json_str(j, key, text);
}

static void pagetables_json(struct console *con)
{
    struct pagetable_range range;
    uint64_t cursor = 0;
    struct json j;

    console_json(con, &j);
    json_array(&j, "ranges");
    while (paging_next(&cursor, &range)) {
        json_object(&j, NULL);
        json_address(&j, "start", range.start);
        json_address(&j, "end", range.start + range.bytes);
        json_u64(&j, "bytes", range.bytes);
        json_u64(&j, "page_bytes", range.page_bytes);
        json_str(&j, "rights", rights_text(range.rights));
        json_str(&j, "cache", cache_text(range.rights));
        json_str(&j, "what", paging_name(range.start));
        json_object_end(&j);
    }
    json_array_end(&j);
    json_u64(&j, "wx_pages", paging_check_wx());
    json_end(&j);
}

static int cmd_pagetables(struct console *con, int argc, char **argv)
{
    struct pagetable_range range;
    uint64_t cursor = 0, wx_pages;

    (void)argv;
    if (argc > 1)
        return console_error(con, "takes no arguments");
    if (con->json) {
        pagetables_json(con);
        return 0;
    }
    console_printf(con, "%-16s  %-16s  %10s  %5s  %s\n", "start", "end", "KiB", "pages", "what");
    while (paging_next(&cursor, &range))
        console_printf(
            con, "%016llx  %016llx  %10llu  %4lluK  %s %-8s  %s\n", (unsigned long long)range.start,
            (unsigned long long)(range.start + range.bytes), (unsigned long long)range.bytes / 1024,
            (unsigned long long)range.page_bytes / 1024, rights_text(range.rights),
            cache_text(range.rights), paging_name(range.start));
    wx_pages = paging_check_wx();
    console_printf(con, "pages that are writable and executable: %llu\n",
                   (unsigned long long)wx_pages);
    return 0;
}
CONSOLE_COMMAND(pagetables, "pagetables", "the address space, by range and rights", cmd_pagetables);
