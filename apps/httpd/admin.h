/*
 * The admin area, everything under /_/: the dashboard's files, and pages that are made when they
 * are asked for. Main context makes them (kernel/work.h), as it runs the console's commands, whose
 * output most of them are: what watches the server never stands in the way of what it serves.
 *
 *   admin.c          who may, and which page               admin_json.c     stats, trace, control
 *   admin_access.c   addresses, the token, other sites     admin_metrics.c  Prometheus' text
 *   admin_job.c      pages that main context makes         admin_events.c   Server-Sent Events
 *   admin_capture.c  the packets themselves
 */
#ifndef HTTPD_ADMIN_H
#define HTTPD_ADMIN_H

#include "conn.h"
#include <string.h>

/* Boot: admin= and admin_token=; says on the console how to get in. */
void admin_init(void);

static inline bool is_admin(const struct http_request *request)
{
    return request->target_len >= 3 && memcmp(request->target, "/_/", 3) == 0;
}

/*
 * The response for a request that is_admin(). Where it is still to be made, conn->answer->making is
 * set: conn_start_response() will be called when it is there. To those who may not come here it is
 * the site's 404, as if nothing was. NULL: no memory. Bottom half.
 */
const struct response *admin_respond(struct conn *conn, const struct http_request *request);

/* Is conn's answer still being made? */
static inline bool admin_is_making(const struct conn *conn)
{
    return conn->answer != NULL && conn->answer->making;
}

#endif
