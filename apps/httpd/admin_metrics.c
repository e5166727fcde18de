/*
 * /_/metrics in Prometheus' text format (version 0.0.4): names by its conventions (a unit behind
 * the name, _total behind counters, base units), histograms as buckets by powers of two. Main
 * context.
 */
#include "admin_numbers.h"
#include "admin_pages.h"
#include <kernel/hist.h>
#include <kernel/lib.h>
#include <kernel/softirq.h>
#include <kernel/time.h>
#include <string.h>

enum kind { COUNTER, GAUGE };

struct metric {
    const char *name; /* without the prefix */
    const char *labels;
    const char *help; /* NULL: one more of the metric before */
    enum kind kind;
    size_t offset; /* of a uint64_t in struct admin_numbers */
};

#define AT(member) offsetof(struct admin_numbers, member)
static const struct metric metrics[] = {
    { "http_requests_total", "", "Requests with a complete head.", COUNTER, AT(http.requests) },
    { "http_responses_total", "{class=\"2xx\"}", "Responses begun, by class of status.", COUNTER,
      AT(http.responses[2]) },
    { "http_responses_total", "{class=\"3xx\"}", NULL, COUNTER, AT(http.responses[3]) },
    { "http_responses_total", "{class=\"4xx\"}", NULL, COUNTER, AT(http.responses[4]) },
    { "http_responses_total", "{class=\"5xx\"}", NULL, COUNTER, AT(http.responses[5]) },
    { "http_sent_bytes_total", "", "Heads and bodies given to TCP.", COUNTER, AT(http.bytes) },
    { "http_connections_accepted_total", "", "Connections taken.", COUNTER, AT(http.accepted) },
    { "http_connections_refused_total", "", "Connections refused: too many, or no memory.", COUNTER,
      AT(http.refused) },
    { "http_connections_closed_total", "{reason=\"idle\"}", "Connections that we ended.", COUNTER,
      AT(http.idle_closed) },
    { "http_connections_closed_total", "{reason=\"stalled\"}", NULL, COUNTER, AT(http.stalled) },
    { "http_connections_closed_total", "{reason=\"reset\"}", NULL, COUNTER, AT(http.reset) },
    { "network_receive_packets_total", "", "Frames taken off the receive ring.", COUNTER,
      AT(nic.rx_packets) },
    { "network_receive_bytes_total", "", "Bytes of these frames.", COUNTER, AT(nic.rx_bytes) },
    { "network_receive_drop_total", "{reason=\"no_buffer\"}",
      "Received and dropped, by reason; no_buffer counts refills that found none.", COUNTER,
      AT(nic.rx_no_buffer) },
    { "network_receive_drop_total", "{reason=\"runt\"}", NULL, COUNTER, AT(nic.rx_runt) },
    { "network_receive_drop_total", "{reason=\"over_length\"}", NULL, COUNTER,
      AT(nic.rx_over_length) },
    { "network_receive_drop_total", "{reason=\"bad_length\"}", NULL, COUNTER,
      AT(nic.rx_bad_length) },
    { "network_receive_drop_total", "{reason=\"ring\"}", NULL, COUNTER, AT(nic.rx_bad_id) },
    { "network_receive_drop_total", "{reason=\"backlog\"}", NULL, COUNTER,
      AT(nic.rx_backlog_drop) },
    { "network_receive_drop_total", "{reason=\"vlan\"}", NULL, COUNTER, AT(stack.rx_vlan) },
    { "network_receive_drop_total", "{reason=\"ethertype\"}", NULL, COUNTER,
      AT(stack.rx_ethertype) },
    { "network_receive_drop_total", "{reason=\"other_host\"}", NULL, COUNTER,
      AT(stack.rx_other_host) },
    { "network_receive_drop_total", "{reason=\"truncated\"}", NULL, COUNTER,
      AT(stack.rx_truncated) },
    { "network_receive_drop_total", "{reason=\"no_memory\"}", NULL, COUNTER,
      AT(stack.rx_no_memory) },
    { "network_transmit_packets_total", "", "Frames given to the card.", COUNTER,
      AT(nic.tx_packets) },
    { "network_transmit_bytes_total", "", "Bytes of these frames.", COUNTER, AT(nic.tx_bytes) },
    { "network_transmit_ring_full_total", "", "Times that the transmit ring was full.", COUNTER,
      AT(nic.tx_ring_full) },
    { "network_interrupts_total", "{queue=\"rx\"}", "Interrupts of the card.", COUNTER,
      AT(nic.rx_interrupts) },
    { "network_interrupts_total", "{queue=\"tx\"}", NULL, COUNTER, AT(nic.tx_interrupts) },
    { "network_kicks_total", "{queue=\"rx\"}", "Notifications to the card.", COUNTER,
      AT(nic.rx_kicks) },
    { "network_kicks_total", "{queue=\"tx\"}", NULL, COUNTER, AT(nic.tx_kicks) },
    { "network_device_resets_total", "", "Times that the card had to be reset.", COUNTER,
      AT(nic.device_resets) },
    { "napi_polls_total", "", "Polls of the receive ring.", COUNTER, AT(napi.polls) },
    { "napi_empty_polls_total", "", "Of these, such as found nothing.", COUNTER,
      AT(napi.empty_polls) },
    { "napi_budget_exhausted_total", "", "Polls that used their budget up.", COUNTER,
      AT(napi.budget_exhausted) },
    { "napi_rearms_total", "", "Times that polling ended and the interrupt was switched on.",
      COUNTER, AT(napi.rearms) },
    { "napi_rearm_races_total", "", "Of these, such as found a packet after all.", COUNTER,
      AT(napi.rearm_races) },
    { "napi_time_squeeze_total", "", "Rounds ended by their bounds with packets waiting.", COUNTER,
      AT(napi.time_squeeze) },
    { "tcp_listen_overflows_total", "", "SYNs that found a listener's backlog full.", COUNTER,
      AT(stack.tcp_listen_overflows) },
    { "tcp_half_open_evicted_total", "", "Half-open connections forgotten for newer ones.", COUNTER,
      AT(stack.tcp_half_open_evicted) },
    { "tcp_syncookies_total", "{result=\"sent\"}", "SYN cookies.", COUNTER,
      AT(stack.tcp_syncookies_sent) },
    { "tcp_syncookies_total", "{result=\"received\"}", NULL, COUNTER,
      AT(stack.tcp_syncookies_recv) },
    { "tcp_syncookies_total", "{result=\"failed\"}", NULL, COUNTER,
      AT(stack.tcp_syncookies_failed) },
    { "tcp_challenge_acks_total", "", "ACKs sent where something may be forged.", COUNTER,
      AT(stack.tcp_challenge_acks) },
    { "icmp_limited_total", "{kind=\"error\"}", "ICMP messages not sent: there were too many.",
      COUNTER, AT(stack.icmp_limited) },
    { "icmp_limited_total", "{kind=\"echo\"}", NULL, COUNTER, AT(stack.icmp_echo_limited) },
    { "tcp_evicted_total", "", "Connections that their app had left, ended to make room.", COUNTER,
      AT(stack.tcp_evicted) },
    { "receive_buffers_held", "", "Receive buffers that the stack or the app keeps.", GAUGE,
      AT(stack.rx_held) },
};

static void begin(struct console *con, const char *name, const char *help, const char *type)
{
    console_printf(con, "# HELP tophalf_%s %s\n# TYPE tophalf_%s %s\n", name, help, name, type);
}

static void put_metrics(struct console *con, const struct admin_numbers *n)
{
    for (size_t i = 0; i < ARRAY_SIZE(metrics); i++) {
        const struct metric *m = &metrics[i];
        uint64_t value = *(const uint64_t *)(const void *)((const char *)n + m->offset);

        if (m->help != NULL)
            begin(con, m->name, m->help, m->kind == COUNTER ? "counter" : "gauge");
        console_printf(con, "tophalf_%s%s %llu\n", m->name, m->labels, (unsigned long long)value);
    }
}

static void put_gauge(struct console *con, const char *name, const char *help, uint64_t value)
{
    begin(con, name, help, "gauge");
    console_printf(con, "tophalf_%s %llu\n", name, (unsigned long long)value);
}

/* Nanoseconds as seconds. */
#define SECONDS "%llu.%09llu"
#define AS_SECONDS(ns)                                                                             \
    (unsigned long long)((ns) / NS_PER_SEC), (unsigned long long)((ns) % NS_PER_SEC)

static void put_cpu(struct console *con, const struct admin_numbers *n)
{
    begin(con, "cpu_seconds_total", "CPU time by what it went to.", "counter");
    for (unsigned i = 0; i < CPUTIME_COUNT; i++)
        console_printf(con, "tophalf_cpu_seconds_total{mode=\"%s\"} " SECONDS "\n",
                       cputime_name((enum cputime)i), AS_SECONDS(n->cpu.ns[i]));
}

static void put_modes(struct console *con)
{
    begin(con, "receive_mode", "How packets are received: 1 for the mode that is on.", "gauge");
    for (unsigned i = 0; rx_mode_name(i) != NULL; i++)
        console_printf(con, "tophalf_receive_mode{mode=\"%s\"} %u\n", rx_mode_name(i),
                       napi_mode() == i);
}

/* ---------------------------------------------------------------- histograms */

static bool in_time(const struct hist_entry *e)
{
    return strcmp(e->unit, "ns") == 0;
}

static void put_bucket(struct console *con, const struct hist_entry *e, uint64_t high,
                       uint64_t count)
{
    const char *unit = in_time(e) ? "seconds" : e->unit;

    if (in_time(e))
        console_printf(con, "tophalf_%s_%s_bucket{le=\"" SECONDS "\"} %llu\n", e->name, unit,
                       AS_SECONDS(high), (unsigned long long)count);
    else
        console_printf(con, "tophalf_%s_%s_bucket{le=\"%llu\"} %llu\n", e->name, unit,
                       (unsigned long long)high, (unsigned long long)count);
}

static void put_hist(struct console *con, const struct hist_entry *e)
{
    static struct hist h; /* too large for the stack */
    const char *unit = in_time(e) ? "seconds" : e->unit;
    uint64_t seen = 0;

    softirq_disable();
    h = *e->hist;
    softirq_enable();
    console_printf(con, "# HELP tophalf_%s_%s %s.\n# TYPE tophalf_%s_%s histogram\n", e->name, unit,
                   e->title, e->name, unit);
    for (unsigned row = 0; row < HIST_ROWS - 1; row++) {
        seen += hist_row_count(&h, row);
        put_bucket(con, e, hist_row_high(&h, row), seen);
    }
    console_printf(con, "tophalf_%s_%s_bucket{le=\"+Inf\"} %llu\n", e->name, unit,
                   (unsigned long long)h.count);
    if (in_time(e))
        console_printf(con, "tophalf_%s_%s_sum " SECONDS "\n", e->name, unit, AS_SECONDS(h.sum));
    else
        console_printf(con, "tophalf_%s_%s_sum %llu\n", e->name, unit, (unsigned long long)h.sum);
    console_printf(con, "tophalf_%s_%s_count %llu\n", e->name, unit, (unsigned long long)h.count);
}

unsigned admin_metrics(struct console *con, const struct admin_request *request)
{
    static struct admin_numbers n;

    (void)request;
    admin_numbers_read(&n);
    put_metrics(con, &n);
    put_gauge(con, "http_connections", "Connections that are open.", n.http.active);
    put_gauge(con, "packet_buffers", "Packet buffers that there are.", n.pool.total);
    put_gauge(con, "packet_buffers_free", "Packet buffers that are free.", n.pool.free);
    begin(con, "uptime_seconds", "Time since boot.", "gauge");
    console_printf(con, "tophalf_uptime_seconds " SECONDS "\n", AS_SECONDS(n.uptime_ns));
    put_cpu(con, &n);
    put_modes(con);
    for (const struct hist_entry *e = hist_entries_start; e < hist_entries_end; e++)
        put_hist(con, e);
    return 200;
}
