/* The numbers of the admin area's pages: see admin_numbers.h. */
#include "admin_numbers.h"
#include <kernel/softirq.h>
#include <kernel/time.h>

void admin_numbers_read(struct admin_numbers *out)
{
    softirq_disable();
    out->uptime_ns = time_ns();
    stack_nic_stats(&out->nic);
    napi_stats(&out->napi);
    stack_stats(&out->stack);
    pktbuf_stats(&out->pool);
    out->http = httpd.stats;
    cputime_read(&out->cpu);
    softirq_enable();
    out->interrupts = out->nic.rx_interrupts + out->nic.tx_interrupts + out->nic.config_interrupts;
    out->rx_drops = out->nic.rx_no_buffer + out->nic.rx_runt + out->nic.rx_over_length +
                    out->nic.rx_bad_length + out->nic.rx_bad_id + out->nic.rx_backlog_drop +
                    out->stack.rx_vlan + out->stack.rx_ethertype + out->stack.rx_other_host +
                    out->stack.rx_truncated + out->stack.rx_no_memory;
}
