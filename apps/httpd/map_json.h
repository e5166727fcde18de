/*
 * What is POSTed to /_/maps/NAME: one entry, or an array of entries.
 *
 *   { "key": K, "value": V, "flags": "any" | "exist" | "noexist" }
 *
 * K and V are a number, a text as the console takes it ("10.0.0.0/8", "u32 5", "hex 0a 00"), or an
 * array of bytes. Each is made a line of words (net/bpf_text.h). Parsed by jsmn. Pure code.
 */
#ifndef HTTPD_MAP_JSON_H
#define HTTPD_MAP_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAP_JSON_LINE_MAX   6144u /* characters of a key or value as a line of words */
#define MAP_JSON_TOKENS_MAX 8192u

struct map_json_entry {
    char key[MAP_JSON_LINE_MAX], value[MAP_JSON_LINE_MAX];
    const char *flags; /* "any" where it is not said */
};

struct map_json; /* room to parse in */
size_t map_json_bytes(void);

/* Read a text; false: *why is a constant sentence, and there are no entries. */
bool map_json_open(struct map_json *json, const char *text, size_t len, const char **why);

/* The next entry. 1: in *entry; 0: there are no more; -1: it is none, *why says it. */
int map_json_next(struct map_json *json, struct map_json_entry *entry, const char **why);

#endif
