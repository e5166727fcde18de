/*
 * A key-value store that speaks memcached's UDP protocol, to compare three places to answer from:
 *
 *   lwip   a UDP socket of the stack                                        (kv_udp.c)
 *   xsk    a raw ring: the app gets the frames, and makes all headers itself (kv_raw.c)
 *   xdp    the driver's receive path: a program answers GETs from the map, and passes what misses,
 *          and everything else, up to lwIP                                  (apps/xdp/kv.bpf.c)
 *
 * `kv path NAME` switches while requests come; the store is the same.
 */
#include "kv_paths.h"
#include "kv_store.h"
#include <apps/app.h>
#include <kernel/config.h>
#include <kernel/console.h>
#include <kernel/printk.h>
#include <kernel/reset.h>
#include <kernel/softirq.h>
#include <net/xdp.h>
#include <net/xdp_load.h>
#include <net/xsk.h>
#include <string.h>

#define XDP_OBJECT "kv.o"

enum kv_path { KV_LWIP, KV_XSK, KV_XDP };
static const char *const path_names[] = { "lwip", "xsk", "xdp", NULL };

struct kv_counts kv_counts;
struct kv_path_stats kv_path_stats;

static struct {
    uint16_t port;
    enum kv_path path;
} kv;

static bool path_enter(enum kv_path path, const char **why)
{
    switch (path) {
    case KV_XSK:
        return kv_raw_open(kv.port, why);
    case KV_XDP:
        return xdp_attach_object(XDP_OBJECT, why);
    default:
        xdp_detach();
        return true;
    }
}

static bool kv_start(void)
{
    enum kv_path path;
    const char *why;

    kv.port = (uint16_t)config_u64("kv_port", KV_PORT, 1, 65535);
    path = (enum kv_path)config_choice("kv_path", path_names, KV_LWIP);
    if (!kv_store_open(&why) || !kv_udp_start(kv.port, &why)) {
        printk("kv: %s", why);
        return false;
    }
    if (path != KV_LWIP && !path_enter(path, &why)) {
        printk("kv: kv_path=%s: %s: taking lwip", path_names[path], why);
        path = KV_LWIP;
    }
    kv.path = path;
    printk("kv: memcached's protocol on UDP port %u, path %s", kv.port, path_names[path]);
    return true;
}

const struct app app = {
    .name = "kv",
    .summary = "a key-value store with memcached's UDP protocol: lwIP, raw ring or XDP",
    .start = kv_start,
};

/* ---- The console ---- */

static const char *complete_path(unsigned i)
{
    return i == 0 ? "path" : NULL;
}

static int set_path(struct console *con, const char *name)
{
    unsigned path = 0;
    const char *why;

    while (path_names[path] != NULL && strcmp(path_names[path], name) != 0)
        path++;
    if (path_names[path] == NULL)
        return console_error(con, "no path '%s': lwip, xsk or xdp", name);
    if (!path_enter((enum kv_path)path, &why))
        return console_error(con, "path %s: %s", name, why);
    kv.path = (enum kv_path)path;
    return 0;
}

struct kv_view {
    struct kv_counts counts;
    struct kv_path_stats paths;
    uint32_t entries;
    bool accounted;
};

static void look(struct kv_view *view)
{
    softirq_disable();
    view->counts = kv_counts;
    view->paths = kv_path_stats;
    view->entries = kv_store_entries();
    view->accounted = kv_raw_socket() == NULL || xsk_accounted(kv_raw_socket(), 1);
    softirq_enable();
}

static void print_json(struct console *con, const struct kv_view *view)
{
    struct json j;

    console_json(con, &j);
    json_str(&j, "path", path_names[kv.path]);
    json_u64(&j, "port", kv.port);
    json_u64(&j, "entries", view->entries);
    json_u64(&j, "gets", view->counts.gets);
    json_u64(&j, "hits", view->counts.hits);
    json_u64(&j, "misses", view->counts.misses);
    json_u64(&j, "sets", view->counts.sets);
    json_u64(&j, "deletes", view->counts.deletes);
    json_u64(&j, "errors", view->counts.errors);
    json_u64(&j, "bad_datagrams", view->counts.bad_datagrams);
    json_u64(&j, "lwip_datagrams", view->paths.lwip_datagrams);
    json_u64(&j, "raw_datagrams", view->paths.raw_datagrams);
    json_u64(&j, "raw_refused", view->paths.raw_refused);
    json_bool(&j, "accounted", view->accounted);
    json_end(&j);
}

static void print_count(struct console *con, const char *name, uint64_t value)
{
    char rate[CONSOLE_RATE_MAX];

    console_printf(con, "%-16s %12llu%s\n", name, (unsigned long long)value,
                   console_rate_text(con, value, 14, rate));
}

static void print_text(struct console *con, const struct kv_view *view)
{
    console_printf(con, "path %s, UDP port %u, %u of %u entries; raw frames %s\n",
                   path_names[kv.path], kv.port, view->entries, KV_ENTRIES_MAX,
                   view->accounted ? "accounted for" : "LOST");
    print_count(con, "gets", view->counts.gets);
    print_count(con, "hits", view->counts.hits);
    print_count(con, "misses", view->counts.misses);
    print_count(con, "sets", view->counts.sets);
    print_count(con, "deletes", view->counts.deletes);
    print_count(con, "errors", view->counts.errors);
    print_count(con, "bad_datagrams", view->counts.bad_datagrams);
    print_count(con, "lwip_datagrams", view->paths.lwip_datagrams);
    print_count(con, "raw_datagrams", view->paths.raw_datagrams);
    print_count(con, "raw_refused", view->paths.raw_refused);
    console_printf(con, "(what the XDP program answers is counted by it: xdp show, map dump)\n");
}

static int cmd_kv(struct console *con, int argc, char **argv)
{
    struct kv_view view;

    if (argc == 3 && strcmp(argv[1], "path") == 0) {
        if (set_path(con, argv[2]) != 0)
            return 1;
    } else if (argc > 1) {
        return console_error(con, "usage: kv [path lwip|xsk|xdp]");
    }
    look(&view);
    (con->json ? print_json : print_text)(con, &view);
    return 0;
}
CONSOLE_COMMAND_COMPLETE(kv, "kv [path lwip|xsk|xdp]", "the key-value store, and where it answers",
                         cmd_kv, complete_path);

static void kv_reset_stats(void)
{
    kv_counts = (struct kv_counts){ 0 };
    kv_path_stats = (struct kv_path_stats){ 0 };
}
RESETTABLE(kv, kv_reset_stats);
