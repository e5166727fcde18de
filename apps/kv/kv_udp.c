/* The store through lwIP: a UDP socket like any other. Bottom half. */
#include "kv_paths.h"
#include <apps/app.h>
#include <drivers/trace.h>
#include <kernel/lib.h>
#include <lwip/udp.h>
#include <string.h>

/* The request in one piece; an Ethernet frame's worth, more is refused as a bad command would be.
 */
static uint8_t request[1500];

static void answer(struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *to, u16_t port)
{
    struct pbuf *reply = pbuf_alloc(PBUF_TRANSPORT, KV_REPLY_MAX, PBUF_RAM);
    size_t len;

    if (reply == NULL)
        return; /* lwIP counts it; the client asks again */
    len = kv_answer(request, pbuf_copy_partial(p, request, sizeof(request), 0), reply->payload,
                    &kv_counts);
    if (len > 0) {
        pbuf_realloc(reply, (u16_t)len);
        udp_sendto(pcb, reply, to, port);
        trace_point(TRACE_RESPONSE);
    }
    pbuf_free(reply);
}

static void kv_recv(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from,
                    u16_t from_port)
{
    enum cputime before = app_begin();

    (void)arg;
    trace_point(TRACE_APP);
    kv_path_stats.lwip_datagrams++;
    answer(pcb, p, from, from_port);
    pbuf_free(p);
    app_end(before);
}

bool kv_udp_start(uint16_t port, const char **why)
{
    struct udp_pcb *pcb = udp_new_ip_type(IPADDR_TYPE_ANY);

    *why = "cannot take its UDP port";
    if (pcb == NULL || udp_bind(pcb, IP_ANY_TYPE, port) != ERR_OK)
        return false;
    udp_recv(pcb, kv_recv, NULL);
    return true;
}
