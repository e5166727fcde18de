/*
 * Pages that main context makes: a request is left as work, the page is written as if to a console,
 * and goes out when it is complete, with its length.
 */
#ifndef HTTPD_ADMIN_JOB_H
#define HTTPD_ADMIN_JOB_H

#include "conn.h"
#include <kernel/console.h>

#define ADMIN_TARGET_MAX 2048

/* What is asked of a page. */
struct admin_request {
    const char *rest;  /* of the path, behind the page's own, as it was sent */
    const char *query; /* what stands behind '?', "" without */
    const uint8_t *body;
    size_t body_len;
};

struct admin_page {
    const char *path; /* below /_/; with a slash at its end it stands for all that is below, too */
    const char *type; /* Content-Type */
    /* Write the page. Returns the status. Main context, softirqs enabled. */
    unsigned (*make)(struct console *con, const struct admin_request *request);
    enum http_method method; /* HTTP_GET (and HEAD); all others change something: with the token */
    size_t body_max;         /* bytes of the request's body that it takes; 0: none */
};

/* Have the page made for this connection. NULL: no memory; else conn->answer's response, which is
 * not there yet. Bottom half. */
const struct response *admin_job_start(struct conn *conn, const struct http_request *request,
                                       const struct admin_page *page);

#endif
