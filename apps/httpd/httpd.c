/*
 * The web server: serves site.tar over HTTP/1.1, GET, HEAD and OPTIONS (RFC 9110, RFC 9112).
 *
 *   http_request  parses a request's head          http_path  makes its target a file's name
 *   site          name -> response, made at start  response   heads, dates, error pages
 *   conn          a connection's life              answer     what is made for one request
 *   admin         everything under /_/             cmd_http   the console's `http`
 */
#include "access_log.h"
#include "admin.h"
#include "httpd.h"
#include "response.h"
#include "site_cache.h"
#include <apps/app.h>
#include <kernel/boot.h>
#include <kernel/config.h>
#include <kernel/lib.h>
#include <kernel/page.h>
#include <kernel/printk.h>

struct httpd httpd;

static void read_settings(struct http_settings *settings)
{
    settings->limits.line_bytes = config_u64("http_max_line", 4096, 64, 65536);
    settings->limits.head_bytes = config_u64("http_max_header", 8192, 256, 65536);
    settings->limits.fields = (unsigned)config_u64("http_max_fields", 64, 1, 1000);
    settings->max_body = config_u64("http_max_body", 16u << 20, 0, 1ull << 40);
    settings->min_rate = config_u64("http_min_rate", 100, 0, 1u << 30);
    settings->max_requests = (unsigned)config_u64("http_max_requests", 0, 0, UINT32_MAX);
    settings->header_timeout_ns = config_u64("http_header_timeout_s", 10, 1, 3600) * NS_PER_SEC;
    settings->idle_timeout_ns = config_u64("http_idle_timeout_s", 60, 1, 3600) * NS_PER_SEC;
    settings->max_connections = (unsigned)config_u64("http_max_connections", 10000, 1, 12000);
    settings->max_per_address = (unsigned)config_u64("http_max_per_address", 0, 0, 12000);
    settings->discard = config_get("http_discard", NULL);
}

static void read_site_options(struct site_options *options)
{
    const char *wrong;

    options->security_fields = config_bool("http_security_headers", true);
    options->cache = config_get("http_cache", NULL);
    wrong = options->cache != NULL ? site_cache_check(options->cache) : NULL;
    if (wrong != NULL) {
        printk("httpd: http_cache=: %s; there is no Cache-Control", wrong);
        options->cache = NULL;
    }
}

/* The archive lies in the direct map, read-only, for as long as the system runs. */
static bool index_site(void)
{
    const struct boot_file *file = &boot_info()->site;
    const void *archive = file->bytes > 0 ? phys_to_virt(file->base) : "";
    struct site_options options;

    read_site_options(&options);
    if (!site_build(&httpd.site, archive, file->bytes, &options)) {
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
    access_log_init();
    admin_init();
    return index_site() && listen_on((u16_t)config_u64("http_port", 80, 1, 65535));
}

const struct app app = {
    .name = "httpd",
    .summary = "serves site.tar over HTTP/1.1",
    .start = httpd_start,
};
