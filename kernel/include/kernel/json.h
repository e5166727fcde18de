/*
 * A JSON writer (RFC 8259) into a console: commas and escapes are its business, matching
 * begin/end the caller's (asserted). key is NULL inside arrays. Any context that may print.
 *
 *   json_begin(&j, out);                      {"name":"eth0","mtu":1500}
 *   json_str(&j, "name", "eth0");
 *   json_u64(&j, "mtu", 1500);
 *   json_end(&j);
 */
#ifndef KERNEL_JSON_H
#define KERNEL_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_DEPTH_MAX 16

struct json {
    void (*write)(void *arg, const char *text, size_t len);
    void *arg;
    unsigned depth;
    bool first[JSON_DEPTH_MAX]; /* nothing written at this depth yet */
    bool array[JSON_DEPTH_MAX]; /* what is open at this depth */
};

/* Start a document that is one object; json_end() closes it. */
void json_begin(struct json *j, void (*write)(void *arg, const char *text, size_t len), void *arg);
void json_end(struct json *j);

void json_object(struct json *j, const char *key);
void json_object_end(struct json *j);
void json_array(struct json *j, const char *key);
void json_array_end(struct json *j);

/* Bytes that are not UTF-8 become U+FFFD: the output is always valid. NULL gives null. */
void json_str(struct json *j, const char *key, const char *value);
void json_u64(struct json *j, const char *key, uint64_t value);
void json_i64(struct json *j, const char *key, int64_t value);
void json_bool(struct json *j, const char *key, bool value);
void json_null(struct json *j, const char *key);

#endif
