/*
 * `ss`: TCP sockets, in the layout of iproute2's `ss -t`. As there, listeners and connections
 * that are opening or gone (TIME-WAIT) are shown with -a only. Main context.
 */
#include "addr.h"
#include "tcp_banks.h"
#include "tcp_timewait.h"
#include <kernel/console.h>
#include <kernel/fmt.h>
#include <kernel/kmalloc.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/tcp.h>
#include <net/stack.h>
#include <string.h>

struct socket {
    enum tcp_state state;
    uint32_t recv_q, send_q;
    ip_addr_t local_ip, remote_ip;
    uint16_t local_port, remote_port; /* remote 0: a listener has none */
};

struct sockets {
    struct socket *row;
    unsigned count, max;
};

static const char *const state_names[] = {
    [CLOSED] = "UNCONN",         [LISTEN] = "LISTEN",         [SYN_SENT] = "SYN-SENT",
    [SYN_RCVD] = "SYN-RECV",     [ESTABLISHED] = "ESTAB",     [FIN_WAIT_1] = "FIN-WAIT-1",
    [FIN_WAIT_2] = "FIN-WAIT-2", [CLOSE_WAIT] = "CLOSE-WAIT", [CLOSING] = "CLOSING",
    [LAST_ACK] = "LAST-ACK",     [TIME_WAIT] = "TIME-WAIT",
};

static unsigned listener_count(void)
{
    unsigned n = 0;

    for (const struct tcp_pcb_listen *l = tcp_listen_pcbs.listen_pcbs; l != NULL; l = l->next)
        n++;
    return n;
}

static unsigned connection_count(void)
{
    unsigned n = 0;

    for (struct tcp_pcb *pcb = tcp_banks_next(NULL); pcb != NULL; pcb = tcp_banks_next(pcb))
        n++;
    return n;
}

/* Bytes not acknowledged yet. Once our FIN is, lastack stands beyond the last byte. */
static uint32_t send_queue(const struct tcp_pcb *pcb)
{
    int32_t bytes = (int32_t)(pcb->snd_lbb - pcb->lastack);

    return bytes > 0 ? (uint32_t)bytes : 0;
}

static void add_connections(struct sockets *s, bool all)
{
    for (struct tcp_pcb *pcb = tcp_banks_next(NULL); pcb != NULL; pcb = tcp_banks_next(pcb))
        if ((all || pcb->state != TIME_WAIT) && s->count < s->max)
            s->row[s->count++] = (struct socket){
                .state = pcb->state,
                .recv_q = TCP_WND_MAX(pcb) - MIN(pcb->rcv_wnd, TCP_WND_MAX(pcb)),
                .send_q = send_queue(pcb),
                .local_ip = pcb->local_ip,
                .remote_ip = pcb->remote_ip,
                .local_port = pcb->local_port,
                .remote_port = pcb->remote_port,
            };
}

static void add_time_wait(struct sockets *s)
{
    const struct timewait *tw = timewait_next(NULL);

    for (; tw != NULL && s->count < s->max; tw = timewait_next(tw))
        s->row[s->count++] = (struct socket){
            .state = TIME_WAIT,
            .local_ip = tw->local,
            .remote_ip = tw->remote,
            .local_port = tw->local_port,
            .remote_port = tw->remote_port,
        };
}

static void add_listeners(struct sockets *s, const struct tcp_pcb_listen *pcb)
{
    for (; pcb != NULL && s->count < s->max; pcb = pcb->next)
        s->row[s->count++] = (struct socket){
            .state = LISTEN,
            .recv_q = pcb->accepts_pending, /* as ss: waiting to be accepted, and the limit */
            .send_q = pcb->backlog,
            .local_ip = pcb->local_ip,
            .local_port = pcb->local_port,
        };
}

/* Copy what is shown, so that printing, which waits, does not hold up the stack. False: no
 * memory. The rows are kfree()d by the caller. */
static bool take_snapshot(struct sockets *s, bool all, bool listeners)
{
    net_enter();
    s->count = 0;
    s->max = listener_count() + connection_count() + tcp_timewait_count();
    s->row = kmalloc((s->max + 1) * sizeof(*s->row));
    if (s->row != NULL) {
        if (all || listeners)
            add_listeners(s, tcp_listen_pcbs.listen_pcbs);
        if (all || !listeners)
            add_connections(s, all);
        if (all)
            add_time_wait(s);
    }
    net_leave();
    return s->row != NULL;
}

/* "10.0.2.15:80", "[fe80::1]:80", "*:80" */
#define ENDPOINT_MAX (ADDR_TEXT_MAX + 10)
static const char *endpoint(const ip_addr_t *ip, uint16_t port, bool peer_of_listener,
                            char text[ENDPOINT_MAX])
{
    char addr[ADDR_TEXT_MAX], number[8] = "*";
    bool v6 = IP_IS_V6_VAL(*ip);

    if (!peer_of_listener)
        fmt_snprintf(number, sizeof(number), "%u", port);
    if (IP_IS_ANY_TYPE_VAL(*ip))
        fmt_snprintf(text, ENDPOINT_MAX, "*:%s", number);
    else
        fmt_snprintf(text, ENDPOINT_MAX, v6 ? "[%s]:%s" : "%s:%s", addr_format(ip, addr), number);
    return text;
}

static bool shown(const struct socket *s, bool all)
{
    return all || s->state != SYN_RCVD;
}

static void ss_text(struct console *con, const struct sockets *s, bool all)
{
    char local[ENDPOINT_MAX], peer[ENDPOINT_MAX];

    console_printf(con, "%-10s %-6s %-6s %25s %25s\n", "State", "Recv-Q", "Send-Q",
                   "Local Address:Port", "Peer Address:Port");
    for (const struct socket *row = s->row; row < s->row + s->count; row++) {
        bool listener = row->state == LISTEN;

        if (!shown(row, all))
            continue;
        console_printf(con, "%-10s %-6u %-6u %25s %25s\n", state_names[row->state], row->recv_q,
                       row->send_q, endpoint(&row->local_ip, row->local_port, false, local),
                       endpoint(listener ? &row->local_ip : &row->remote_ip, row->remote_port,
                                listener, peer));
    }
}

static void ss_json(struct console *con, const struct sockets *s, bool all)
{
    char addr[ADDR_TEXT_MAX];
    struct json j;

    console_json(con, &j);
    json_array(&j, "sockets");
    for (const struct socket *row = s->row; row < s->row + s->count; row++) {
        if (!shown(row, all))
            continue;
        json_object(&j, NULL);
        json_str(&j, "state", state_names[row->state]);
        json_u64(&j, "recv_q", row->recv_q);
        json_u64(&j, "send_q", row->send_q);
        json_str(&j, "local",
                 IP_IS_ANY_TYPE_VAL(row->local_ip) ? "*" : addr_format(&row->local_ip, addr));
        json_u64(&j, "local_port", row->local_port);
        if (row->state != LISTEN) {
            json_str(&j, "peer", addr_format(&row->remote_ip, addr));
            json_u64(&j, "peer_port", row->remote_port);
        }
        json_object_end(&j);
    }
    json_array_end(&j);
    json_end(&j);
}

static int cmd_ss(struct console *con, int argc, char **argv)
{
    bool all = false, listeners = false;
    struct sockets s;

    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-' || argv[i][1] == '\0')
            return console_error(con, "takes options only: -a all, -l listening");
        for (const char *c = argv[i] + 1; *c != '\0'; c++) {
            if (*c == 'a')
                all = true;
            else if (*c == 'l')
                listeners = true;
            else if (*c != 't' && *c != 'n') /* it is always TCP, and always numbers */
                return console_error(con, "no option -%c; there are -a all, -l listening", *c);
        }
    }
    if (!take_snapshot(&s, all, listeners))
        return console_error(con, "out of memory");
    if (con->json)
        ss_json(con, &s, all);
    else
        ss_text(con, &s, all);
    net_enter();
    kfree(s.row);
    net_leave();
    return 0;
}
CONSOLE_COMMAND(ss, "ss [-a] [-l]", "TCP connections; -l listening sockets, -a all", cmd_ss);
