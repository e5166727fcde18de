/* What site.c looks up and site_build.c makes. */
#ifndef HTTPD_SITE_ENTRY_H
#define HTTPD_SITE_ENTRY_H

#include "http_encoding.h"
#include "site.h"

/* In front of the names that no request's path can have: what is resolved begins with no slash. */
#define SITE_HIDDEN "/"
#define SITE_FOLDER "_/" /* the admin area's, in the archive */
#define SITE_ADMIN  SITE_HIDDEN SITE_FOLDER

/* One name of one file; the path's text stands behind the struct, terminated. */
struct site_entry {
    struct site_entry *next; /* in its bucket */
    uint32_t hash;           /* hash_bytes(): the names are ours, nobody makes the chains long */
    bool plain;              /* what http_path_resolve() makes of the path is the path */
    size_t path_len;
    const char *path;
    struct response response;

    struct http_text etag, type; /* as the archive's index tells them; at == NULL: it does not */
    char *head_text;             /* the response's, if it is this entry's to free */
    struct response *encoded;    /* this file as another's variant: its head follows it */
    const struct response *variants[HTTP_ENCODINGS];
};

#endif
