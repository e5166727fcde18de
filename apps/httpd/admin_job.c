/* Pages that main context makes: see admin_job.h. */
#include "admin_job.h"
#include "admin.h"
#include <kernel/fmt.h>
#include <kernel/kmalloc.h>
#include <kernel/lib.h>
#include <kernel/softirq.h>
#include <string.h>
#include <kernel/work.h>
#include <net/stack.h>

struct job {
    struct work work;
    struct console console; /* writes to `made` */
    struct made made;
    struct answer *answer; /* NULL: nobody waits any more */
    const struct admin_page *page;
    char query[];
};

#define JOB_OF(member_ptr, member)                                                                 \
    ((struct job *)(void *)((char *)(member_ptr)-offsetof(struct job, member)))

static void write_page(struct console *con, const char *text, size_t len)
{
    softirq_disable();
    made_write(&JOB_OF(con, console)->made, text, len);
    softirq_enable();
}

static void finish(struct answer *answer, struct job *job, unsigned status)
{
    struct conn *conn = answer->conn;

    answer->maker = NULL;
    answer->gone = NULL;
    answer->making = false;
    if (job->made.failed) {
        conn_set_response(conn, response_for_status(503), RESPONSE_CLOSE, conn->with_body);
        answer_drop(conn);
    } else {
        answer->response.status = status;
        answer->response.head_len = (size_t)fmt_snprintf(
            answer->head, sizeof(answer->head),
            "HTTP/1.1 %u %s\r\nContent-Length: %llu\r\nContent-Type: "
            "%s\r\n" RESPONSE_PRIVATE_FIELDS,
            status, response_reason(status), (unsigned long long)job->made.bytes, job->page->type);
        if (conn->with_body)
            made_join(&answer->made, &job->made);
    }
    if (conn->state != CONN_MAKING)
        return; /* the request's body is not here yet */
    conn_start_response(conn);
    conn_kick(conn);
}

static void run(struct work *work)
{
    struct job *job = JOB_OF(work, work);
    unsigned status = 200;

    if (job->answer != NULL)
        status = job->page->make(&job->console, job->query);
    net_enter();
    if (job->answer != NULL)
        finish(job->answer, job, status);
    made_free(&job->made);
    kfree(job);
    net_leave();
}

/* The connection did not wait. */
static void gone(struct answer *answer)
{
    struct job *job = answer->maker;

    job->answer = NULL;
}

const struct response *admin_job_start(struct conn *conn, const struct http_request *request,
                                       const struct admin_page *page)
{
    const char *query = memchr(request->target, '?', request->target_len);
    size_t len = query == NULL ? 0 : (size_t)(request->target + request->target_len - query - 1);
    struct answer *answer = answer_new(conn);
    struct job *job;

    if (answer == NULL)
        return NULL;
    if (len > ADMIN_QUERY_MAX || (job = kzalloc(sizeof(*job) + len + 1)) == NULL)
        return len > ADMIN_QUERY_MAX ? response_for_status(414) : NULL;
    if (len > 0)
        memcpy(job->query, query + 1, len);
    job->work.run = run;
    job->console = (struct console){ .json = true, .write = write_page };
    job->page = page;
    job->answer = answer;
    answer->maker = job;
    answer->gone = gone;
    answer->making = true;
    work_add(&job->work);
    return &answer->response;
}
