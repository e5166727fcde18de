/* httpd without its admin area, whose pages are main context's, of which there is none here; but
 * for a page of its own, see fake_admin.h. */
#include "fake_admin.h"
#include <httpd/admin.h>
#include <stdlib.h>
#include <string.h>

bool fake_admin_takes;
unsigned fake_admin_whole, fake_admin_gone;
char fake_admin_body[256];

void admin_init(void) {}

bool admin_is_for(const struct conn *conn, const struct http_request *request)
{
    static const char path[] = "/_/take";

    (void)conn;
    return fake_admin_takes && request->method == HTTP_POST &&
           request->target_len == sizeof(path) - 1 &&
           memcmp(request->target, path, sizeof(path) - 1) == 0;
}

static void gone(struct answer *answer)
{
    free(answer->body);
    fake_admin_gone++;
}

static void whole(struct answer *answer)
{
    struct conn *conn = answer->conn;

    memcpy(fake_admin_body, answer->body, answer->body_len);
    fake_admin_body[answer->body_len] = '\0';
    free(answer->body);
    fake_admin_whole++;
    answer->gone = NULL;
    conn_set_response(conn, response_for_status(200), conn->persistence, conn->with_body);
    answer_drop(conn);
}

const struct response *admin_respond(struct conn *conn, const struct http_request *request)
{
    struct answer *answer = answer_new(conn);

    if (answer == NULL)
        return NULL;
    answer->making = true;
    answer->gone = gone;
    answer->body = malloc(request->content_length); /* all that was announced, and no more */
    answer->body_whole = whole;
    return &answer->response;
}
