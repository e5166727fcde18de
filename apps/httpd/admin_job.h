/*
 * Pages that main context makes: a request is left as work, the page is written as if to a console,
 * and goes out when it is complete, with its length.
 */
#ifndef HTTPD_ADMIN_JOB_H
#define HTTPD_ADMIN_JOB_H

#include "conn.h"
#include <kernel/console.h>

#define ADMIN_QUERY_MAX 2048

struct admin_page {
    const char *path; /* below /_/ */
    const char *type; /* Content-Type */
    /* Write the page; `query` is what stands behind '?', "" without. Returns the status. Main
     * context, softirqs enabled. */
    unsigned (*make)(struct console *con, const char *query);
    bool changes; /* POST with the token; else GET */
};

/* Have the page made for this connection. NULL: no memory; else conn->answer's response, which is
 * not there yet. Bottom half. */
const struct response *admin_job_start(struct conn *conn, const struct http_request *request,
                                       const struct admin_page *page);

#endif
