/* `map events`: what programs have sent out, as it comes: see cmd_map.h. */
#include "bpf/events.h"
#include "cmd_map.h"
#include <kernel/lib.h>
#include <kernel/time.h>
#include <net/stack.h>

#define EVENT_BYTES 256u
#define EVENTS_MAX  1000u
#define EVENT_POLL  (20 * NS_PER_MS)

struct event {
    struct bpf_event info;
    uint8_t bytes[EVENT_BYTES];
};

static bool next_event(struct bpf_map *map, struct event *event)
{
    bool found;

    net_enter();
    found = bpf_events_read(map, event->bytes, sizeof(event->bytes), &event->info);
    net_leave();
    return found;
}

/* What there is now: a line of JSON has an end. */
static void events_json(struct console *con, struct bpf_map *map, uint64_t count)
{
    struct event event = { .info.lost = 0 };
    struct json j;

    map_json_begin(con, &j, map);
    json_array(&j, "events");
    for (; count > 0 && next_event(map, &event); count--) {
        json_object(&j, NULL);
        json_u64(&j, "bytes", event.info.bytes);
        map_json_hex(&j, "data", event.bytes, MIN(event.info.bytes, EVENT_BYTES));
        json_object_end(&j);
    }
    json_array_end(&j);
    json_u64(&j, "lost", event.info.lost);
    json_end(&j);
}

/* So many, as they come, or until Ctrl-C; under `watch` those that there are. */
static void events_text(struct console *con, struct bpf_map *map, uint64_t count)
{
    char text[3 * EVENT_BYTES + 1];
    struct event event = { .info.lost = 0 };
    uint64_t lost = 0;

    while (count > 0) {
        if (next_event(map, &event)) {
            console_printf(
                con, "%uB: %s%s\n", event.info.bytes,
                bpf_text_bytes(event.bytes, MIN(event.info.bytes, EVENT_BYTES), text, sizeof(text)),
                event.info.bytes > EVENT_BYTES ? " ..." : "");
            count--;
        } else if (con->rates != NULL || !console_wait(con, time_ns() + EVENT_POLL, false)) {
            break;
        }
        if (event.info.lost != lost) {
            lost = event.info.lost;
            console_printf(con, "lost so far: %llu\n", (unsigned long long)lost);
        }
    }
}

int map_events(struct console *con, struct bpf_map *map, struct map_words *w)
{
    const char *word = map_next_word(w);
    uint64_t count = con->json ? EVENTS_MAX : UINT64_MAX;

    if (!bpf_events_has(map))
        return console_error(con, "%s: a %s has no events", map->name, map->ops->type_name);
    if (word != NULL && (!map_decimal(word, EVENTS_MAX, &count) || count == 0))
        return console_error(con, "%s is no count from 1 to %u", word, EVENTS_MAX);
    if (con->json)
        events_json(con, map, count);
    else
        events_text(con, map, count);
    return 0;
}
