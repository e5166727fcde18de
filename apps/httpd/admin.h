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

/* Boot: admin= and admin_token=; says on the console how to get in. */
void admin_init(void);

/* Is it a page of the admin area, and may who asks come there? For all others it is a path that the
 * site does not have. Bottom half. */
bool admin_is_for(const struct conn *conn, const struct http_request *request);

/*
 * The response for a request that admin_is_for(). Where it is still to be made,
 * conn->answer->making is set: conn_start_response() will be called when it is there. NULL: no
 * memory. Bottom half.
 */
const struct response *admin_respond(struct conn *conn, const struct http_request *request);

/* Is conn's answer still being made? */
static inline bool admin_is_making(const struct conn *conn)
{
    return conn->answer != NULL && conn->answer->making;
}

#endif
