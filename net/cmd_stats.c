/*
 * `stats`: every counter of the packet path, from the ring upwards, one "name: value" a line and
 * grouped, as `ethtool -S` prints them; and lwIP's pools as a row of `free`. Main context.
 */
#include "stack_priv.h"
#include <drivers/nic.h>
#include <kernel/console.h>
#include <kernel/lib.h>
#include <kernel/meminfo.h>
#include <kernel/panic.h>
#include <kernel/serial.h>
#include <lwip/memp.h>
#include <lwip/priv/memp_priv.h>
#include <lwip/stats.h>
#include <net/napi.h>
#include <net/stack.h>
#include <string.h>

struct row {
    const char *group, *name;
    uint64_t value;
};

/* All counters at one moment. Filled with softirqs off, printed (which waits) with them on. */
#define ROWS_MAX 320
static struct {
    struct row row[ROWS_MAX];
    unsigned count;
} table;

static void add(const char *group, const char *name, uint64_t value)
{
    ASSERT(table.count < ROWS_MAX);
    table.row[table.count++] = (struct row){ group, name, value };
}

struct field {
    const char *name;
    size_t offset;
};
#define FIELD(type, member)                                                                        \
    {                                                                                              \
        .name = #member, .offset = offsetof(struct type, member)                                   \
    }

static void add_u64(const char *group, const void *base, const struct field *field, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        add(group, field[i].name,
            *(const uint64_t *)(const void *)((const char *)base + field[i].offset));
}

static void add_lwip(const char *group, const void *base, const struct field *field, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        add(group, field[i].name,
            *(const STAT_COUNTER *)(const void *)((const char *)base + field[i].offset));
}

static const struct field nic_fields[] = {
    FIELD(nic_stats, rx_packets),     FIELD(nic_stats, rx_bytes),
    FIELD(nic_stats, rx_no_buffer),   FIELD(nic_stats, rx_runt),
    FIELD(nic_stats, rx_over_length), FIELD(nic_stats, rx_bad_length),
    FIELD(nic_stats, rx_bad_id),      FIELD(nic_stats, rx_interrupts),
    FIELD(nic_stats, rx_kicks),       FIELD(nic_stats, tx_packets),
    FIELD(nic_stats, tx_bytes),       FIELD(nic_stats, tx_ring_full),
    FIELD(nic_stats, tx_bad_id),      FIELD(nic_stats, tx_interrupts),
    FIELD(nic_stats, tx_kicks),       FIELD(nic_stats, config_interrupts),
    FIELD(nic_stats, device_resets),
};

static const struct field napi_fields[] = {
    FIELD(napi_stats, polls),   FIELD(napi_stats, empty_polls),
    FIELD(napi_stats, packets), FIELD(napi_stats, budget_exhausted),
    FIELD(napi_stats, rearms),  FIELD(napi_stats, rearm_races),
};

static const struct field stack_fields[] = {
    FIELD(stack_stats, rx_frames),
    FIELD(stack_stats, rx_vlan),
    FIELD(stack_stats, rx_ethertype),
    FIELD(stack_stats, rx_other_host),
    FIELD(stack_stats, rx_truncated),
    FIELD(stack_stats, rx_held),
    FIELD(stack_stats, rx_reclaims),
    FIELD(stack_stats, rx_aborts),
    FIELD(stack_stats, tx_frames),
    FIELD(stack_stats, tx_ring_full),
    FIELD(stack_stats, tx_too_many_segments),
    FIELD(stack_stats, tx_no_memory),
    FIELD(stack_stats, tx_no_device),
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

static void collect_driver(void)
{
    struct nic_stats nic = { 0 };
    struct pktbuf_stats pool;
    struct napi_stats napi;

    if (stack.nic != NULL)
        nic_stats(stack.nic, &nic);
    add_u64("nic", &nic, nic_fields, ARRAY_SIZE(nic_fields));
    pktbuf_stats(&pool);
    add("pktbuf", "total", pool.total);
    add("pktbuf", "free", pool.free);
    add("pktbuf", "empty", pool.empty);
    napi_stats(&napi);
    add_u64("napi", &napi, napi_fields, ARRAY_SIZE(napi_fields));
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

        add("memp", pool_names[i].used, pool->used);
        add("memp", pool_names[i].max, pool->max);
        add("memp", pool_names[i].total, memp_pools[i]->num);
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
    collect_driver();
    stack_stats(&glue);
    add_u64("stack", &glue, stack_fields, ARRAY_SIZE(stack_fields));
    collect_lwip();
    net_leave();
    collect_serial();
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
        console_printf(con, "     %s: %llu\n", row->name, (unsigned long long)row->value);
    }
}

static void stats_json(struct console *con, const char *only)
{
    const char *group = "";
    struct json j;

    console_json(con, &j);
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
    static const char *const names[] = { "nic",     "pktbuf", "napi", "stack", "etharp", "ip",
                                         "ip_frag", "icmp",   "udp",  "tcp",   "ip6",    "ip6_frag",
                                         "icmp6",   "nd6",    "mld6", "memp",  "serial" };

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

static void lwip_meminfo(struct meminfo *out)
{
    for (unsigned i = 0; i < MEMP_MAX; i++) {
        out->total_bytes += (uint64_t)memp_pools[i]->num * memp_pools[i]->size;
        out->used_bytes += (uint64_t)lwip_stats.memp[i]->used * memp_pools[i]->size;
    }
    out->free_bytes = out->total_bytes - out->used_bytes;
}
MEMINFO_ROW(lwip, "lwIP", lwip_meminfo);
