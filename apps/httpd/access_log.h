/*
 * The access log, in the combined format of Apache and nginx: off, to the console (and dmesg), or
 * into a ring of its own that the command `log` shows. One line in http_log_sample, and never more
 * than http_log_rate a second, so that it can stay on whatever the load is. Bottom half.
 */
#ifndef HTTPD_ACCESS_LOG_H
#define HTTPD_ACCESS_LOG_H

#include "conn.h"

enum access_log { ACCESS_LOG_OFF, ACCESS_LOG_CONSOLE, ACCESS_LOG_RING };

struct access_log_stats {
    uint64_t lines, sampled_out,
        limited; /* written; left out on purpose; for there were too many */
};
extern struct access_log_stats access_log_stats;

void access_log_init(void); /* http_log=, http_log_sample=, http_log_rate=. Boot */

extern enum access_log access_log_where;

/* The request gets conn->response (NULL, or still to be made: the status is not known yet). A
 * request of which there is not even a line: NULL. */
void access_log_write(const struct conn *conn, const struct http_request *request);

static inline void access_log(const struct conn *conn, const struct http_request *request)
{
    if (unlikely(access_log_where != ACCESS_LOG_OFF))
        access_log_write(conn, request);
}

#endif
