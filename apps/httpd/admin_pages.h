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

/* XDP programs: what is attached (as `xdp list -j`); an object, which is verified and attached in
 * its place, as ?name= (and &prog=); nothing in its place. */
#define ADMIN_XDP_BYTES_MAX (1u << 20)
unsigned admin_xdp_show(struct console *con, const struct admin_request *request);
unsigned admin_xdp_load(struct console *con, const struct admin_request *request);
unsigned admin_xdp_unload(struct console *con, const struct admin_request *request);

/* Their maps: all of them (`map list -j`); one's entries (`map dump NAME -j`); entries to be
 * written, in JSON (map_json.h); an entry away, ?key=. */
#define ADMIN_MAP_BYTES_MAX (64u << 10)
unsigned admin_maps_list(struct console *con, const struct admin_request *request);
unsigned admin_map_show(struct console *con, const struct admin_request *request);
unsigned admin_map_write(struct console *con, const struct admin_request *request);
unsigned admin_map_delete(struct console *con, const struct admin_request *request);

/* Bottom half: what a program sends out by a ringbuf or a perf_event_array, as it comes:
 * maps/NAME/events. */
bool admin_is_map_events(const char *path, size_t len);
const struct response *admin_map_events(struct conn *conn, const struct http_request *request);

/* Bottom half: a stream of Server-Sent Events, one a second. */
const struct response *admin_events(struct conn *conn, const struct http_request *request);

/* Bottom half: the frames that pass the NIC, as a pcapng file that comes as they do. */
const struct response *admin_capture(struct conn *conn, const struct http_request *request);

#endif
