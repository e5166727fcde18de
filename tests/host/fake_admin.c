/* httpd without its admin area: its pages are main context's, of which there is none here. */
#include <httpd/admin.h>

void admin_init(void) {}

bool admin_is_for(const struct conn *conn, const struct http_request *request)
{
    (void)conn;
    (void)request;
    return false;
}

const struct response *admin_respond(struct conn *conn, const struct http_request *request)
{
    (void)conn;
    (void)request;
    return httpd.site.not_found;
}
