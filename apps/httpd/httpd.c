/*
 * The web server: serves site.tar over HTTP/1.1, GET and HEAD (RFC 9110, RFC 9112).
 *
 *   http_request  parses a request's head          http_path  makes its target a file's name
 *   site          name -> response, made at start  response   heads, dates, error pages
 *   conn          a connection's life              cmd_http   the console's `http`
 */
#include "httpd.h"
#include "response.h"
#include <apps/app.h>
#include <kernel/boot.h>
#include <kernel/config.h>
#include <kernel/lib.h>
#include <kernel/page.h>
#include <kernel/printk.h>

struct httpd httpd;

static void read_settings(struct http_settings *settings)
{
    settings->header_timeout_ns = config_u64("http_header_timeout_s", 10, 1, 3600) * NS_PER_SEC;
    settings->idle_timeout_ns = config_u64("http_idle_timeout_s", 60, 1, 3600) * NS_PER_SEC;
    settings->max_connections = (unsigned)config_u64("http_max_connections", 10000, 1, 12000);
    settings->discard = config_get("http_discard", NULL);
}

/* The archive lies in the direct map, read-only, for as long as the system runs. */
static bool index_site(void)
{
    const struct boot_file *file = &boot_info()->site;
    const void *archive = file->bytes > 0 ? phys_to_virt(file->base) : "";

    if (!site_build(&httpd.site, archive, file->bytes)) {
        printk("httpd: no memory for the index of site.tar");
        return false;
    }
    if (httpd.site.error != NULL)
        printk("httpd: site.tar: %s; serving what stands before that", httpd.site.error);
    printk("httpd: %u files, %llu KiB", httpd.site.files,
           (unsigned long long)(httpd.site.bytes >> 10));
    return true;
}

static bool listen_on(u16_t port)
{
    struct tcp_pcb *bound = tcp_new_ip_type(IPADDR_TYPE_ANY); /* IPv4 and IPv6 */
    struct tcp_pcb *listener = NULL;

    if (bound != NULL && tcp_bind(bound, IP_ANY_TYPE, port) == ERR_OK)
        listener = tcp_listen(bound);
    if (listener == NULL) {
        printk("httpd: cannot listen on port %u", port);
        if (bound != NULL)
            tcp_close(bound);
        return false;
    }
    tcp_accept(listener, conn_accept);
    printk("httpd: listening on port %u", port);
    return true;
}

bool httpd_start(void)
{
    read_settings(&httpd.settings);
    response_init();
    return index_site() && listen_on((u16_t)config_u64("http_port", 80, 1, 65535));
}

const struct app app = {
    .name = "httpd",
    .summary = "serves site.tar over HTTP/1.1",
    .start = httpd_start,
};
