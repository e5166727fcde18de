/*
 * UDP discard (RFC 863): takes datagrams and does nothing with them, or as much as one is told:
 * sink_work_us= makes each cost that many microseconds of CPU, in the place of an application that
 * has something to do. With it the CPU, not the network, is what an overload meets: the lecture's
 * "problem of interrupts" can then be seen on an emulator that is itself slow at receiving
 * (docs/receive-path.md).
 */
#include <apps/app.h>
#include <drivers/trace.h>
#include <kernel/config.h>
#include <kernel/console.h>
#include <kernel/printk.h>
#include <kernel/time.h>
#include <lwip/udp.h>

#define WORK_US_MAX 10000

static struct {
    uint16_t port;
    uint64_t work_ns;
    uint64_t datagrams, bytes;
} sink;

static void sink_recv(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from,
                      u16_t from_port)
{
    enum cputime before = app_begin();

    (void)arg;
    (void)pcb;
    (void)from;
    (void)from_port;
    trace_point(TRACE_APP);
    sink.datagrams++;
    sink.bytes += p->tot_len;
    if (sink.work_ns > 0)
        time_spin_ns(sink.work_ns);
    pbuf_free(p);
    app_end(before);
}

static bool sink_start(void)
{
    struct udp_pcb *pcb = udp_new_ip_type(IPADDR_TYPE_ANY);

    sink.port = (uint16_t)config_u64("sink_port", 9, 1, 65535);
    sink.work_ns = NS_PER_US * config_u64("sink_work_us", 0, 0, WORK_US_MAX);
    if (pcb == NULL || udp_bind(pcb, IP_ANY_TYPE, sink.port) != ERR_OK) {
        printk("sink: cannot take UDP port %u", sink.port);
        return false;
    }
    udp_recv(pcb, sink_recv, NULL);
    printk("sink: discarding what comes to UDP port %u", sink.port);
    return true;
}

const struct app app = {
    .name = "sink",
    .summary = "takes UDP datagrams and discards them (RFC 863)",
    .start = sink_start,
};

static int cmd_sink(struct console *con, int argc, char **argv)
{
    struct json j;

    (void)argv;
    if (argc > 1)
        return console_error(con, "takes no arguments");
    if (con->json) {
        console_json(con, &j);
        json_u64(&j, "port", sink.port);
        json_u64(&j, "work_us", sink.work_ns / NS_PER_US);
        json_u64(&j, "datagrams", sink.datagrams);
        json_u64(&j, "bytes", sink.bytes);
        json_end(&j);
    } else {
        console_printf(con, "%llu datagrams, %llu bytes on UDP port %u; %llu us of work for each\n",
                       (unsigned long long)sink.datagrams, (unsigned long long)sink.bytes,
                       sink.port, (unsigned long long)(sink.work_ns / NS_PER_US));
    }
    return 0;
}
CONSOLE_COMMAND(sink, "sink", "what was discarded", cmd_sink);
