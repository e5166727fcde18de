/*
 * Deadlines: who may keep a connection, and for how long without being of use. What one client does
 * costs the others nothing but the memory of its connection, so all that is needed is that each
 * state ends:
 *
 *   IDLE       http_idle_timeout_s
 *   HEAD       http_header_timeout_s for all of it, however steadily it comes (slowloris)
 *   BODY       http_idle_timeout_s without progress, and http_min_rate from the grace on (R.U.D.Y.)
 *   ANSWERING  the same, of what the peer acknowledges (slow read)
 */
#include "conn.h"

/* A transfer's rate is not looked at before: slow start, a lost packet. */
#define RATE_GRACE_NS (10 * NS_PER_SEC)

/* Bytes in so much time: too few? */
static bool is_too_slow(const struct conn *conn, uint64_t age_ns)
{
    /* In milliseconds, so that the product fits whatever the time. */
    return age_ns > RATE_GRACE_NS &&
           conn->moved * 1000 < httpd.settings.min_rate * (age_ns / NS_PER_MS);
}

/* A stream ends when its maker says so; it is the peer's turn only when something is on its way. */
static bool waits_for_its_maker(const struct conn *conn)
{
    return conn->answer != NULL && conn->answer->stream && conn->unacked == 0;
}

enum conn_verdict conn_deadlines(const struct conn *conn)
{
    uint64_t now = time_ns();
    uint64_t age_ns = now - conn->began_ns;
    bool idle = now - conn->since_ns > httpd.settings.idle_timeout_ns;
    bool is_stream = conn->answer != NULL && conn->answer->stream;

    switch (conn->state) {
    case CONN_IDLE:
        return idle ? CONN_CLOSE : CONN_GO_ON;
    case CONN_HEAD:
        return age_ns > httpd.settings.header_timeout_ns ? CONN_TIMEOUT : CONN_GO_ON;
    case CONN_BODY:
        return idle || is_too_slow(conn, age_ns) ? CONN_TIMEOUT : CONN_GO_ON;
    case CONN_ANSWERING:
        if (waits_for_its_maker(conn))
            return CONN_GO_ON;
        return idle || (!is_stream && is_too_slow(conn, age_ns)) ? CONN_ABORT : CONN_GO_ON;
    case CONN_MAKING:
    case CONN_LINGERING:
        break;
    }
    return CONN_GO_ON;
}
