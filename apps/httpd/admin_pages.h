/* The pages of the admin area, each in its file. */
#ifndef HTTPD_ADMIN_PAGES_H
#define HTTPD_ADMIN_PAGES_H

#include "admin_job.h"

/* Main context: `make` of a struct admin_page. */

/* What the console's commands answer to -j, each as a member with its name. */
unsigned admin_stats(struct console *con, const struct admin_request *request);
/* The packets that were traced last: `trace show -j`. */
unsigned admin_trace(struct console *con, const struct admin_request *request);
/* Changes: one setting as name=value (docs/dashboard.md); answers as the command of that name. */
unsigned admin_control(struct console *con, const struct admin_request *request);
/* Prometheus' text format, version 0.0.4. */
#define ADMIN_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"
unsigned admin_metrics(struct console *con, const struct admin_request *request);

/* Bottom half: a stream of Server-Sent Events, one a second. */
const struct response *admin_events(struct conn *conn, const struct http_request *request);

/* Bottom half: the frames that pass the NIC, as a pcapng file that comes as they do. */
const struct response *admin_capture(struct conn *conn, const struct http_request *request);

#endif
