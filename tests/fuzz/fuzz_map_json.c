/* Entries of maps in JSON: what is read ends, and stays within the lines that there are. */
#include "fuzz.h"
#include <httpd/map_json.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct map_json_entry entry;
    struct map_json *json = malloc(map_json_bytes());
    char *text = exactly(data, size);
    const char *why = NULL;
    int next = 1;

    MUST(json != NULL);
    if (map_json_open(json, text, size, &why)) {
        while ((next = map_json_next(json, &entry, &why)) > 0) {
            MUST(entry.key[0] != '\0' && strnlen(entry.key, MAP_JSON_LINE_MAX) < MAP_JSON_LINE_MAX);
            MUST(entry.value[0] != '\0' &&
                 strnlen(entry.value, MAP_JSON_LINE_MAX) < MAP_JSON_LINE_MAX);
        }
        MUST(next == 0 || why != NULL);
    } else {
        MUST(why != NULL);
    }
    free(text);
    free(json);
    return 0;
}
