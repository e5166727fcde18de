/*
 * `stats`: every counter of the packet path, from the ring upwards, one "name: value" a line and
 * grouped, as `ethtool -S` prints them; and lwIP's pools as a row of `free`. Main context.
 */
#include "rx_adapt.h"
#include "stack_priv.h"
#include "tcp_timewait.h"
#include "watchdog.h"
#include <drivers/nic.h>
#include <kernel/console.h>
#include <kernel/fmt.h>
#include <kernel/lib.h>
#include <kernel/meminfo.h>
#include <kernel/panic.h>
#include <kernel/serial.h>
#include <kernel/time.h>
#include <kernel/reset.h>
#include <lwip/memp.h>
#include <lwip/priv/memp_priv.h>
#include <lwip/stats.h>
#include <net/copies.h>
#include <net/napi.h>
#include <net/stack.h>
#include <net/xdp.h>
#include <net/xsk.h>
#include <string.h>

struct row {
    const char *group, *name;
    uint64_t value;
    bool gauge; /* so much now: goes up and down, and has no rate */
};

/* All counters at one moment. Filled with softirqs off, printed (which waits) with them on. */
#define ROWS_MAX 320
static struct {
    struct row row[ROWS_MAX];
    unsigned count;
    uint64_t time_ns;
} table;

static void add(const char *group, const char *name, uint64_t value)
{
    ASSERT(table.count < ROWS_MAX);
    table.row[table.count++] = (struct row){ group, name, value, false };
}

static void add_gauge(const char *group, const char *name, uint64_t value)
{
    add(group, name, value);
    table.row[table.count - 1].gauge = true;
}

struct field {
    const char *name;
    size_t offset;
    bool gauge;
};
#define FIELD(type, member)                                                                        \
    {                                                                                              \
        .name = #member, .offset = offsetof(struct type, member)                                   \
    }

#define GAUGE(type, member)                                                                        \
    {                                                                                              \
        .name = #member, .offset = offsetof(struct type, member), .gauge = true                    \
    }

static void add_u64(const char *group, const void *base, const struct field *field, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        (field[i].gauge ? add_gauge : add)(
            group, field[i].name,
            *(const uint64_t *)(const void *)((const char *)base + field[i].offset));
}

static void add_lwip(const char *group, const void *base, const struct field *field, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        add(group, field[i].name,
            *(const STAT_COUNTER *)(const void *)((const char *)base + field[i].offset));
}

/* Per queue, as the virtio-net driver of Linux names them for `ethtool -S`. */
#define QUEUE(name_, member)                                                                       \
    {                                                                                              \
        .name = name_, .offset = offsetof(struct nic_stats, member)                                \
    }

static const struct field nic_rx_fields[] = {
    QUEUE("rx_queue_0_packets", rx_packets),
    QUEUE("rx_queue_0_bytes", rx_bytes),
    QUEUE("rx_queue_0_interrupts", rx_interrupts),
    QUEUE("rx_queue_0_kicks", rx_kicks),
    QUEUE("rx_queue_0_csum_ok", rx_csum_ok),
    QUEUE("rx_queue_0_gso", rx_gso),
    QUEUE("rx_queue_0_merged", rx_merged),
    QUEUE("rx_queue_0_drop_no_buffer", rx_no_buffer),
    QUEUE("rx_queue_0_drop_backlog", rx_backlog_drop),
    QUEUE("rx_queue_0_drop_runt", rx_runt),
    QUEUE("rx_queue_0_drop_over_length", rx_over_length),
    QUEUE("rx_queue_0_drop_bad_length", rx_bad_length),
    QUEUE("rx_queue_0_drop_ring", rx_bad_id),
};

static const struct field nic_tx_fields[] = {
    QUEUE("tx_queue_0_packets", tx_packets),
    QUEUE("tx_queue_0_bytes", tx_bytes),
    QUEUE("tx_queue_0_csum", tx_csum),
    QUEUE("tx_queue_0_gso", tx_gso),
    QUEUE("tx_queue_0_interrupts", tx_interrupts),
    QUEUE("tx_queue_0_kicks", tx_kicks),
    QUEUE("tx_queue_0_ring_full", tx_ring_full),
    QUEUE("tx_queue_0_drop_ring", tx_bad_id),
    QUEUE("config_interrupts", config_interrupts),
    QUEUE("device_resets", device_resets),
};

#define POLLING(name_, member)                                                                     \
    {                                                                                              \
        .name = name_, .offset = offsetof(struct napi_stats, member)                               \
    }

static const struct field napi_fields[] = {
    POLLING("rx_queue_0_polls", polls),
    POLLING("rx_queue_0_empty_polls", empty_polls),
    POLLING("rx_queue_0_budget_exhausted", budget_exhausted),
    POLLING("rx_queue_0_rearms", rearms),
    POLLING("rx_queue_0_rearm_races", rearm_races),
    POLLING("rx_queue_0_deferrals", deferrals),
    POLLING("rx_queue_0_time_squeeze", time_squeeze),
    POLLING("rx_mode_switches", mode_switches),
};

#define XDP(name_, member)                                                                         \
    {                                                                                              \
        .name = name_, .offset = offsetof(struct xdp_stats, member)                                \
    }

static const struct field xdp_fields[] = {
    XDP("rx_queue_0_xdp_packets", packets),
    XDP("rx_queue_0_xdp_drops", drops),
    XDP("rx_queue_0_xdp_tx", tx),
    XDP("rx_queue_0_xdp_redirects", redirects),
    XDP("rx_queue_0_xdp_aborted", aborted),
    XDP("rx_queue_0_xdp_tx_errors", tx_errors),
    XDP("rx_queue_0_xdp_redirect_errors", redirect_errors),
    XDP("rx_queue_0_xdp_frags_drop", frags_drop),
    XDP("rx_queue_0_xdp_csum_made", csum_made),
};

static const struct field watchdog_fields[] = {
    FIELD(watchdog_stats, rx_stalls),  FIELD(watchdog_stats, tx_stalls),
    FIELD(watchdog_stats, kicks),      FIELD(watchdog_stats, rearms),
    FIELD(watchdog_stats, idle_kicks), FIELD(watchdog_stats, resets),
    FIELD(watchdog_stats, recoveries), FIELD(watchdog_stats, recovery_fails),
};

static const struct field stack_fields[] = {
    FIELD(stack_stats, rx_frames),
    FIELD(stack_stats, rx_predicted),
    FIELD(stack_stats, rx_vlan),
    FIELD(stack_stats, rx_ethertype),
    FIELD(stack_stats, rx_other_host),
    FIELD(stack_stats, rx_truncated),
    GAUGE(stack_stats, rx_held),
    FIELD(stack_stats, rx_copied),
    FIELD(stack_stats, rx_no_memory),
    FIELD(stack_stats, rx_reclaims),
    FIELD(stack_stats, rx_aborts),
    FIELD(stack_stats, rx_split_fragments),
    FIELD(stack_stats, rx_split_dhcp),
    FIELD(stack_stats, icmp_limited),
    FIELD(stack_stats, icmp_echo_limited),
    FIELD(stack_stats, icmp6_mtu_ignored),
    FIELD(stack_stats, nd6_bad_options),
    FIELD(stack_stats, nd6_redirects),
    FIELD(stack_stats, tcp_bad_options),
    FIELD(stack_stats, tcp_bad_acks),
    FIELD(stack_stats, tcp_mss_ignored),
    FIELD(stack_stats, tcp_beyond_window),
    FIELD(stack_stats, tcp_challenge_acks),
    FIELD(stack_stats, tcp_acks_skipped),
    FIELD(stack_stats, tcp_evicted),
    FIELD(stack_stats, tcp_listen_overflows),
    FIELD(stack_stats, tcp_half_open_evicted),
    FIELD(stack_stats, tcp_syncookies_sent),
    FIELD(stack_stats, tcp_syncookies_recv),
    FIELD(stack_stats, tcp_syncookies_failed),
    FIELD(stack_stats, tx_frames),
    FIELD(stack_stats, tx_templated),
    FIELD(stack_stats, tx_ring_full),
    FIELD(stack_stats, tx_copied),
    FIELD(stack_stats, tx_cuts),
    FIELD(stack_stats, tx_cut_copied),
    FIELD(stack_stats, tx_no_memory),
    FIELD(stack_stats, tx_no_device),
};

static const struct field timewait_fields[] = {
    FIELD(tcp_timewait_stats, entered),
    FIELD(tcp_timewait_stats, reused),
    FIELD(tcp_timewait_stats, evicted),
    FIELD(tcp_timewait_stats, acks),
};

static const struct field copies_fields[] = {
    FIELD(copies_stats, rx_bytes),
    FIELD(copies_stats, tx_bytes),
    FIELD(copies_stats, rx_failed),
};

static const struct field xsk_fields[] = {
    FIELD(xsk_stats, rx_packets),
    FIELD(xsk_stats, rx_bytes),
    FIELD(xsk_stats, tx_packets),
    FIELD(xsk_stats, tx_bytes),
    FIELD(xsk_stats, rx_fill_ring_empty_descs),
    FIELD(xsk_stats, tx_stalls),
};

static const struct field proto_fields[] = {
    FIELD(stats_proto, recv),   FIELD(stats_proto, xmit),    FIELD(stats_proto, drop),
    FIELD(stats_proto, chkerr), FIELD(stats_proto, lenerr),  FIELD(stats_proto, memerr),
    FIELD(stats_proto, rterr),  FIELD(stats_proto, proterr), FIELD(stats_proto, opterr),
    FIELD(stats_proto, err),
};

static const struct field mld_fields[] = {
    FIELD(stats_igmp, recv),    FIELD(stats_igmp, xmit),   FIELD(stats_igmp, drop),
    FIELD(stats_igmp, chkerr),  FIELD(stats_igmp, lenerr), FIELD(stats_igmp, memerr),
    FIELD(stats_igmp, proterr),
};

static const struct field serial_fields[] = {
    FIELD(serial_stats, rx_bytes),
    FIELD(serial_stats, tx_bytes),
    FIELD(serial_stats, rx_overruns),
    FIELD(serial_stats, tx_dropped),
};

/* Names of lwIP's pools, in the order of memp_t: "TCP_PCB_used" and so on. */
struct pool_names {
    const char *used, *max, *total, *failed;
};
static const struct pool_names pool_names[] = {
#define LWIP_MEMPOOL(name, num, size, desc)                                                        \
    { #name "_used", #name "_max", #name "_total", #name "_failed" },
#include <lwip/priv/memp_std.h>
};
_Static_assert(ARRAY_SIZE(pool_names) == MEMP_MAX, "one name a pool");

/* What the protocols dropped for checksums that the card had not checked. */
static uint64_t checksum_drops(void)
{
    return (uint64_t)lwip_stats.ip.chkerr + lwip_stats.udp.chkerr + lwip_stats.tcp.chkerr +
           lwip_stats.icmp.chkerr + lwip_stats.icmp6.chkerr;
}

static void collect_driver(void)
{
    struct nic_stats nic;
    struct pktbuf_stats pool;
    struct napi_stats napi;
    struct rx_adapt_stats adapt;
    struct xdp_stats xdp;

    stack_nic_stats(&nic);
    xdp_stats(&xdp);
    napi_stats(&napi);
    rx_adapt_stats(&adapt);
    add_u64("nic", &nic, nic_rx_fields, ARRAY_SIZE(nic_rx_fields));
    add("nic", "rx_queue_0_drop_checksum", checksum_drops());
    add_u64("nic", &xdp, xdp_fields, ARRAY_SIZE(xdp_fields));
    add_u64("nic", &napi, napi_fields, ARRAY_SIZE(napi_fields));
    add("nic", "rx_regime_switches", adapt.switches);
    add_u64("nic", &nic, nic_tx_fields, ARRAY_SIZE(nic_tx_fields));
    pktbuf_stats(&pool);
    add_gauge("pktbuf", "total", pool.total);
    add_gauge("pktbuf", "free", pool.free);
    add("pktbuf", "empty", pool.empty);
}

static void collect_watchdog(void)
{
    struct watchdog_stats stats;

    watchdog_stats(&stats);
    add_u64("watchdog", &stats, watchdog_fields, ARRAY_SIZE(watchdog_fields));
}

static void collect_xsk(void)
{
    struct xsk_stats stats;

    xsk_stats(&stats);
    add_u64("xsk", &stats, xsk_fields, ARRAY_SIZE(xsk_fields));
}

static void collect_lwip(void)
{
    const struct {
        const char *group;
        const struct stats_proto *proto;
    } protos[] = {
        { "etharp", &lwip_stats.etharp },   { "ip", &lwip_stats.ip },
        { "ip_frag", &lwip_stats.ip_frag }, { "icmp", &lwip_stats.icmp },
        { "udp", &lwip_stats.udp },         { "tcp", &lwip_stats.tcp },
        { "ip6", &lwip_stats.ip6 },         { "ip6_frag", &lwip_stats.ip6_frag },
        { "icmp6", &lwip_stats.icmp6 },     { "nd6", &lwip_stats.nd6 },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(protos); i++)
        add_lwip(protos[i].group, protos[i].proto, proto_fields, ARRAY_SIZE(proto_fields));
    add_lwip("mld6", &lwip_stats.mld6, mld_fields, ARRAY_SIZE(mld_fields));
    for (unsigned i = 0; i < MEMP_MAX; i++) {
        const struct stats_mem *pool = lwip_stats.memp[i];

        add_gauge("memp", pool_names[i].used, pool->used);
        add_gauge("memp", pool_names[i].max, pool->max);
        add_gauge("memp", pool_names[i].total, memp_pools[i]->num);
        add("memp", pool_names[i].failed, pool->err);
    }
}

static void collect_serial(void)
{
    struct serial_stats serial;

    serial_stats(&serial);
    add_u64("serial", &serial, serial_fields, ARRAY_SIZE(serial_fields));
}

static void collect(void)
{
    struct stack_stats glue;

    table.count = 0;
    net_enter();
    table.time_ns = time_ns();
    collect_driver();
    collect_watchdog();
    stack_stats(&glue);
    add_u64("stack", &glue, stack_fields, ARRAY_SIZE(stack_fields));
    add_gauge("timewait", "count", tcp_timewait_count());
    add_u64("timewait", &tcp_timewait_stats, timewait_fields, ARRAY_SIZE(timewait_fields));
    add_u64("copies", &copies_stats, copies_fields, ARRAY_SIZE(copies_fields));
    collect_xsk();
    collect_lwip();
    net_leave();
    collect_serial();
}

#define VALUE_WIDTH 48
#define RATE_WIDTH  14

static void row_text(struct console *con, const struct row *row)
{
    char value[96], rate[CONSOLE_RATE_MAX] = "";

    fmt_snprintf(value, sizeof(value), "     %s: %llu", row->name, (unsigned long long)row->value);
    if (!row->gauge)
        console_rate_text(con, row->value, RATE_WIDTH, rate);
    console_printf(con, "%-*s%s\n", rate[0] != '\0' ? VALUE_WIDTH : 0, value, rate);
}

static void stats_text(struct console *con, const char *only)
{
    const char *group = "";

    for (unsigned i = 0; i < table.count; i++) {
        const struct row *row = &table.row[i];

        if (only != NULL && strcmp(only, row->group) != 0)
            continue;
        if (strcmp(group, row->group) != 0)
            console_printf(con, "%s:\n", row->group);
        group = row->group;
        row_text(con, row);
    }
}

static void stats_json(struct console *con, const char *only)
{
    const char *group = "";
    struct json j;

    console_json(con, &j);
    json_u64(&j, "time_ns", table.time_ns);
    for (unsigned i = 0; i < table.count; i++) {
        const struct row *row = &table.row[i];

        if (only != NULL && strcmp(only, row->group) != 0)
            continue;
        if (strcmp(group, row->group) != 0) {
            if (*group != '\0')
                json_object_end(&j);
            json_object(&j, row->group);
        }
        group = row->group;
        json_u64(&j, row->name, row->value);
    }
    if (*group != '\0')
        json_object_end(&j);
    json_end(&j);
}

/* The i-th group's name: for Tab, and to check an argument. */
static const char *group_name(unsigned i)
{
    static const char *const names[] = { "nic",    "pktbuf", "watchdog", "stack", "timewait",
                                         "copies", "xsk",    "etharp",   "ip",    "ip_frag",
                                         "icmp",   "udp",    "tcp",      "ip6",   "ip6_frag",
                                         "icmp6",  "nd6",    "mld6",     "memp",  "serial" };

    return i < ARRAY_SIZE(names) ? names[i] : NULL;
}

static int cmd_stats(struct console *con, int argc, char **argv)
{
    const char *only = argc > 1 ? argv[1] : NULL;
    bool known = only == NULL;

    for (unsigned i = 0; !known && group_name(i) != NULL; i++)
        known = strcmp(group_name(i), only) == 0;
    if (!known || argc > 2)
        return console_error(con, "no group %s; Tab lists them", argc > 2 ? argv[2] : only);
    collect();
    if (con->json)
        stats_json(con, only);
    else
        stats_text(con, only);
    return 0;
}
CONSOLE_COMMAND_COMPLETE(stats, "stats [group]", "counters of the NIC, NAPI and every protocol",
                         cmd_stats, group_name);

/* Counters only: what lwIP's pools have in use, and had at most, it goes by. */
static void stats_reset(void)
{
    if (stack.nic != NULL)
        nic_reset_stats(stack.nic);
    stack_reset_stats();
    copies_stats = (struct copies_stats){ 0 };
    for (unsigned i = 0; i < MEMP_MAX; i++)
        lwip_stats.memp[i]->err = 0;
    lwip_stats.etharp = lwip_stats.ip = lwip_stats.ip_frag = lwip_stats.icmp = lwip_stats.udp =
        lwip_stats.tcp = lwip_stats.ip6 = lwip_stats.ip6_frag = lwip_stats.icmp6 = lwip_stats.nd6 =
            (struct stats_proto){ 0 };
    lwip_stats.mld6 = (struct stats_igmp){ 0 };
}
RESETTABLE(stats, stats_reset);

static void lwip_meminfo(struct meminfo *out)
{
    for (unsigned i = 0; i < MEMP_MAX; i++) {
        out->total_bytes += (uint64_t)memp_pools[i]->num * memp_pools[i]->size;
        out->used_bytes += (uint64_t)lwip_stats.memp[i]->used * memp_pools[i]->size;
    }
    out->free_bytes = out->total_bytes - out->used_bytes;
}
MEMINFO_ROW(lwip, "lwIP", lwip_meminfo);
