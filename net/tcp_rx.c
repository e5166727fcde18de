/* TCP's short way in: see tcp_rx.h. */
#include "tcp_rx.h"
#include "stack_priv.h"
#include "tcp_predict.h"
#include "wire.h"
#include <drivers/trace.h>
#include <kernel/lib.h>
#include <lwip/ip.h>
#include <lwip/pbuf.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/prot/ethernet.h>
#include <lwip/prot/ip4.h>
#include <lwip/stats.h>

/* What Ethernet and IP ask for; returns the bytes behind IP's header, or 0. */
static unsigned tcp_bytes_of(const struct pktbuf *buf)
{
    const u8_t *frame = buf->frame, *ip = frame + WIRE_IP;
    unsigned bytes;

    if (buf->frame_len < WIRE_TCP || buf->next != NULL ||
        wire_get32(frame) != wire_get32(stack.netif.hwaddr) ||
        wire_get16(frame + 4) != wire_get16(stack.netif.hwaddr + 4) ||
        wire_get16(frame + 12) != PP_HTONS(ETHTYPE_IP) || ip[0] != 0x45 ||
        (wire_get16(ip + 6) & PP_HTONS(IP_OFFMASK | IP_MF)) != 0 || ip[9] != IP_PROTO_TCP ||
        wire_get32(ip + 16) != ip4_addr_get_u32(netif_ip4_addr(&stack.netif)))
        return 0;
    bytes = lwip_ntohs(wire_get16(ip + 2));
    if (bytes <= IP_HLEN || bytes > buf->frame_len - WIRE_IP || !wire_ip_adds_up(ip))
        return 0;
    return bytes - IP_HLEN;
}

/* RFC 1122 §3.2.1.3: no host has such an address, and none may be answered. (lwIP lets 0.0.0.0
 * pass, for DHCP's sake.) */
static bool source_is_no_host(const u8_t *ip)
{
    ip4_addr_t source = { .addr = wire_get32(ip + 12) };

    return ip4_addr_isbroadcast(&source, &stack.netif) || ip4_addr_ismulticast(&source);
}

/* As ip4_input() ends. */
static __attribute__((noinline)) void hand_to_tcp(struct pktbuf *buf, unsigned tcp_bytes)
{
    const u8_t *ip = buf->frame + WIRE_IP;

    IP_STATS_INC(ip.recv);
    stack.stats.rx_frames++;
    if (unlikely(source_is_no_host(ip))) {
        IP_STATS_INC(ip.drop);
        pktbuf_free(buf);
        return;
    }
    trace_point(TRACE_IP);
    stack_rx_checksum(buf);
    ip_data.current_netif = ip_data.current_input_netif = &stack.netif;
    ip_data.current_ip4_header = (const struct ip_hdr *)(const void *)ip;
    ip_data.current_ip_header_tot_len = IP_HLEN;
    ip_addr_set_ip4_u32_val(ip_data.current_iphdr_src, wire_get32(ip + 12));
    ip_addr_set_ip4_u32_val(ip_data.current_iphdr_dest, wire_get32(ip + 16));
    tcp_input(stack_rx_payload(buf, WIRE_TCP, (u16_t)tcp_bytes), &stack.netif);
    ip_data.current_netif = ip_data.current_input_netif = NULL;
    ip_data.current_ip4_header = NULL;
}

bool tcp_rx(struct pktbuf *buf)
{
    unsigned tcp_bytes = tcp_bytes_of(buf);

    if (tcp_bytes == 0)
        return false;
    if (likely(tcp_predict(buf, tcp_bytes)))
        return true;
    hand_to_tcp(buf, tcp_bytes);
    return true;
}
