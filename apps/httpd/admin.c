/* The admin area: who may come in, and which page it is. See admin.h. */
#include "admin.h"
#include "admin_access.h"
#include "admin_pages.h"
#include <kernel/lib.h>
#include <kernel/printk.h>
#include <string.h>

#define READS "Allow: GET, HEAD\r\n"

static const struct admin_page pages[] = {
    { .path = "stats.json", .type = "application/json", .make = admin_stats },
    { .path = "trace.json", .type = "application/json", .make = admin_trace },
    { .path = "metrics", .type = ADMIN_METRICS_TYPE, .make = admin_metrics },
    { .path = "control", .type = "application/json", .make = admin_control, .changes = true },
};

static bool is_path(const char *path, size_t len, const char *name)
{
    return strlen(name) == len && memcmp(path, name, len) == 0;
}

static const struct admin_page *find_page(const char *path, size_t len)
{
    for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
        if (is_path(path, len, pages[i].path))
            return &pages[i];
    return NULL;
}

static const struct response *respond_page(struct conn *conn, const struct http_request *request,
                                           const struct admin_page *page)
{
    if (page->changes) {
        if (request->method != HTTP_POST)
            return answer_message(conn, 405, "Allow: POST\r\n", "changes take POST alone\n");
        if (!admin_has_token(request))
            return response_for_status(401);
    } else if (request->method != HTTP_GET && request->method != HTTP_HEAD) {
        return answer_message(conn, 405, READS, "takes GET and HEAD\n");
    }
    return admin_job_start(conn, request, page);
}

/* The dashboard's own files. */
static const struct response *respond_file(struct conn *conn, const struct http_request *request,
                                           const char *path, size_t len)
{
    const struct response *file = site_find_admin(&httpd.site, path, len);

    if (file == NULL)
        return httpd.site.not_found;
    if (request->method != HTTP_GET && request->method != HTTP_HEAD)
        return answer_message(conn, 405, READS, "takes GET and HEAD\n");
    return request->conditional ? answer_select(conn, request, file) : file;
}

bool admin_is_for(const struct conn *conn, const struct http_request *request)
{
    return request->target_len >= 3 && memcmp(request->target, "/_/", 3) == 0 &&
           admin_allows(&conn->pcb->remote_ip);
}

const struct response *admin_respond(struct conn *conn, const struct http_request *request)
{
    const char *path = request->target + 3;
    const char *query = memchr(path, '?', request->target_len - 3);
    size_t len = query != NULL ? (size_t)(query - path) : request->target_len - 3;
    const struct admin_page *page = find_page(path, len);

    if (admin_is_cross_site(request))
        return response_for_status(403);
    if (page != NULL)
        return respond_page(conn, request, page);
    if (is_path(path, len, "events"))
        return admin_events(conn, request);
    if (is_path(path, len, "capture.pcapng"))
        return admin_capture(conn, request);
    return respond_file(conn, request, path, len);
}

void admin_init(void)
{
    admin_access_init();
    printk("httpd: admin page: http://<this machine>/_/#token=%s", admin_token());
}
