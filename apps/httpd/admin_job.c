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
    const char *query;
    const char *rest; /* of the path */
    uint8_t *body;    /* of the request; NULL: none */
    size_t body_len;
    bool started;  /* it is main context's now, which frees it */
    char target[]; /* holds both texts */
};

#define JOB_OF(member_ptr, member)                                                                 \
    ((struct job *)(void *)((char *)(member_ptr)-offsetof(struct job, member)))

/* A map of 4 MiB may be 60 as JSON. What is beyond fails as it does when there is no memory: there
 * would be none for anybody else. */
#define PAGE_MAX (16u << 20)

static void write_page(struct console *con, const char *text, size_t len)
{
    struct made *made = &JOB_OF(con, console)->made;

    softirq_disable();
    made_write(made, text, len);
    if (made->bytes > PAGE_MAX) {
        made_free(made);
        made->failed = true;
    }
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

static void free_job(struct job *job)
{
    made_free(&job->made);
    kfree(job->body);
    kfree(job);
}

static void run(struct work *work)
{
    struct job *job = JOB_OF(work, work);
    unsigned status = 200;

    if (job->answer != NULL)
        status =
            job->page->make(&job->console, &(struct admin_request){ .rest = job->rest,
                                                                    .query = job->query,
                                                                    .body = job->body,
                                                                    .body_len = job->body_len });
    net_enter();
    if (job->answer != NULL)
        finish(job->answer, job, status);
    free_job(job);
    net_leave();
}

/* The connection did not wait; its request may not even have been whole. */
static void gone(struct answer *answer)
{
    struct job *job = answer->maker;

    job->answer = NULL;
    if (!job->started)
        free_job(job);
}

static void start(struct job *job)
{
    job->started = true;
    work_add(&job->work);
}

static void body_whole(struct answer *answer)
{
    struct job *job = answer->maker;

    answer->body_whole = NULL;
    job->body_len = answer->body_len;
    start(job);
}

/* The target, cut into what is behind the page's path and behind '?'; room for the body. */
static struct job *new_job(const struct http_request *request, const struct admin_page *page)
{
    size_t len = request->target_len - strlen("/_/") - strlen(page->path);
    size_t body = page->body_max > 0 ? request->content_length : 0;
    struct job *job = kzalloc(sizeof(*job) + len + 1);
    char *query;

    if (job == NULL)
        return NULL;
    if (body > 0 && (job->body = kmalloc(body)) == NULL) {
        kfree(job);
        return NULL;
    }
    memcpy(job->target, request->target + request->target_len - len, len);
    job->rest = job->target;
    query = memchr(job->target, '?', len);
    job->query = query != NULL ? query + 1 : job->target + len;
    if (query != NULL)
        *query = '\0';
    return job;
}

const struct response *admin_job_start(struct conn *conn, const struct http_request *request,
                                       const struct admin_page *page)
{
    struct answer *answer;
    struct job *job;

    if (request->target_len > ADMIN_TARGET_MAX)
        return response_for_status(414);
    answer = answer_new(conn);
    if (answer == NULL || (job = new_job(request, page)) == NULL)
        return NULL;
    job->work.run = run;
    job->console = (struct console){ .json = true, .write = write_page };
    job->page = page;
    job->answer = answer;
    answer->maker = job;
    answer->gone = gone;
    answer->making = true;
    if (job->body != NULL) {
        answer->body = job->body;
        answer->body_whole = body_whole;
    } else {
        start(job);
    }
    return &answer->response;
}
