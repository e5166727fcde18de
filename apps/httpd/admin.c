/* The admin area: who may come in, and which page it is. See admin.h. */
#include "admin.h"
#include "admin_access.h"
#include "admin_pages.h"
#include <kernel/fmt.h>
#include <kernel/lib.h>
#include <kernel/printk.h>
#include <string.h>

#define READS "Allow: GET, HEAD\r\n"
#define JSON  "application/json"

static const struct admin_page pages[] = {
    { .path = "stats.json", .type = JSON, .make = admin_stats, .method = HTTP_GET },
    { .path = "trace.json", .type = JSON, .make = admin_trace, .method = HTTP_GET },
    { .path = "metrics", .type = ADMIN_METRICS_TYPE, .make = admin_metrics, .method = HTTP_GET },
    { .path = "control", .type = JSON, .make = admin_control, .method = HTTP_POST },
    { .path = "xdp", .type = JSON, .make = admin_xdp_show, .method = HTTP_GET },
    { .path = "xdp",
      .type = JSON,
      .make = admin_xdp_load,
      .method = HTTP_POST,
      .body_max = ADMIN_XDP_BYTES_MAX },
    { .path = "xdp", .type = JSON, .make = admin_xdp_unload, .method = HTTP_DELETE },
    { .path = "maps", .type = JSON, .make = admin_maps_list, .method = HTTP_GET },
    { .path = "maps/", .type = JSON, .make = admin_map_show, .method = HTTP_GET },
    { .path = "maps/",
      .type = JSON,
      .make = admin_map_write,
      .method = HTTP_POST,
      .body_max = ADMIN_MAP_BYTES_MAX },
    { .path = "maps/", .type = JSON, .make = admin_map_delete, .method = HTTP_DELETE },
};

static bool is_path(const char *path, size_t len, const char *name)
{
    return strlen(name) == len && memcmp(path, name, len) == 0;
}

/* Is this the page, or below it? */
static bool is_of_page(const struct admin_page *page, const char *path, size_t len)
{
    size_t own = strlen(page->path);

    return page->path[own - 1] == '/' ? len > own && memcmp(path, page->path, own) == 0
                                      : is_path(path, len, page->path);
}

/* The page for this method; NULL: there is none, and *others says whether there is for another. */
static const struct admin_page *find_page(const char *path, size_t len, enum http_method method,
                                          bool *others)
{
    *others = false;
    for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
        if (!is_of_page(&pages[i], path, len))
            continue;
        *others = true;
        if (pages[i].method == (method == HTTP_HEAD ? HTTP_GET : method))
            return &pages[i];
    }
    return NULL;
}

/* 405, with what the page does take. */
static const struct response *refuse_method(struct conn *conn, const char *path, size_t len)
{
    static const struct {
        enum http_method method;
        const char *name;
    } names[] = { { HTTP_GET, "GET, HEAD" }, { HTTP_POST, "POST" }, { HTTP_DELETE, "DELETE" } };
    char fields[64], text[64];
    size_t at = 0;
    bool unused;

    fields[0] = '\0';
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (find_page(path, len, names[i].method, &unused) != NULL)
            at += (size_t)fmt_snprintf(fields + at, sizeof(fields) - at, "%s%s",
                                       at == 0 ? "Allow: " : ", ", names[i].name);
    fmt_snprintf(text, sizeof(text), "takes %s\n", fields + strlen("Allow: "));
    fmt_snprintf(fields + at, sizeof(fields) - at, "\r\n");
    return answer_message(conn, 405, fields, text);
}

static const struct response *respond_page(struct conn *conn, const struct http_request *request,
                                           const struct admin_page *page)
{
    if (page->method != HTTP_GET && !admin_has_token(request))
        return response_for_status(401);
    if (page->body_max > 0 && request->chunked)
        return response_for_status(411);
    if (page->body_max > 0 && request->content_length > page->body_max)
        return response_for_status(413);
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
    const struct admin_page *page;
    bool others;

    if (admin_is_cross_site(request))
        return response_for_status(403);
    if (admin_is_map_events(path, len))
        return admin_map_events(conn, request);
    page = find_page(path, len, request->method, &others);
    if (page != NULL)
        return respond_page(conn, request, page);
    if (others)
        return refuse_method(conn, path, len);
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
