/* Who may use the admin area: addresses, and for changes a token. Bottom half. */
#ifndef HTTPD_ADMIN_ACCESS_H
#define HTTPD_ADMIN_ACCESS_H

#include "http_request.h"
#include <lwip/ip_addr.h>
#include <stdbool.h>

#define ADMIN_TOKEN_MAX 64

/* admin= and admin_token=, or a token drawn at random. Boot. */
void admin_access_init(void);

/* Whether the address is in admin=. */
bool admin_allows(const ip_addr_t *address);

/* Whether the request shows the token: "Authorization: Bearer <token>" (RFC 6750 §2.1). The
 * comparison takes as long for a token that is nearly right as for any other of its length. */
bool admin_has_token(const struct http_request *request);

/*
 * Whether another site's page sent it (the user's browser may go where that page could not): told
 * by Sec-Fetch-Site, or an Origin that is not the Host. And a Host that is a name of others is one
 * that a page may have had pointed here (DNS rebinding): only addresses, localhost and hostname=
 * are ours.
 */
bool admin_is_cross_site(const struct http_request *request);

const char *admin_token(void);

#endif
