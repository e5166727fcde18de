/* What the files of the command `map` share: words, and an entry that is read and printed. Main
 * context. */
#ifndef NET_CMD_MAP_H
#define NET_CMD_MAP_H

#include "bpf/map.h"
#include <kernel/console.h>
#include <net/bpf_text.h>

/* The words that have not been looked at. */
struct map_words {
    char **word;
    int count;
};

/* Takes the next word if it is this one. */
bool map_word_is(struct map_words *w, const char *word);
char *map_next_word(struct map_words *w); /* NULL: there are no more */

/* Decimal digits and no more. */
bool map_decimal(const char *text, uint64_t max, uint64_t *value);

/* What the map's keys are as text. */
struct bpf_text_kind map_key_kind(const struct bpf_map *map);

struct map_entry {
    struct bpf_map *map;
    uint8_t key[BPF_KEY_MAX];
    uint8_t *values; /* bpf_map_user_bytes(), from bpf_mem_alloc() */
    size_t each;     /* bytes from one CPU's to the next */
    unsigned count;
};

/* False: it was said that there is no memory. */
bool map_entry_open(struct console *con, struct map_entry *e, struct bpf_map *map);
void map_entry_print(struct console *con, const struct map_entry *e);
void map_entry_json(struct json *j, const char *name, const struct map_entry *e);

/* Begin an answer with the map's id and name. */
void map_json_begin(struct console *con, struct json *j, const struct bpf_map *map);

/* A string of hexadecimal bytes of any number. */
void map_json_hex(struct json *j, const char *name, const uint8_t *bytes, size_t count);

/* `map events MAP [count]` */
int map_events(struct console *con, struct bpf_map *map, struct map_words *w);

#endif
