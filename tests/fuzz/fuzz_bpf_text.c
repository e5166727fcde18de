/* Keys and values of maps as text, which HTTP brings: exactly so many bytes, or one sentence. What
 * was taken, written as bytes and read again, is the same. */
#include "fuzz.h"
#include <net/bpf_text.h>

#define BYTES_MAX 64u

/* The first byte says what is to be read, the rest is the line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bpf_text_kind kind = { .what = "key" };
    char why[BPF_TEXT_WHY_MAX] = "", text[3 * BYTES_MAX + 1], line[4 + sizeof(text)];
    uint8_t *out, *again;
    char *terminated;

    if (size == 0)
        return 0;
    kind.bytes = data[0] % BYTES_MAX;
    kind.prefix = data[0] >= 128;
    terminated = malloc(size);
    memcpy(terminated, data + 1, size - 1);
    terminated[size - 1] = '\0';
    out = malloc(kind.bytes);
    again = malloc(kind.bytes);
    if (bpf_text_parse_line(&kind, terminated, out, why)) {
        MUST(why[0] == '\0');
        bpf_text_bytes(out, kind.bytes, text, sizeof(text));
        snprintf(line, sizeof(line), "hex %s", text);
        if (kind.bytes > 0) {
            MUST(bpf_text_parse_line(&kind, line, again, why));
            MUST(memcmp(out, again, kind.bytes) == 0);
        }
        bpf_text_key(&kind, data[0] & 1, out, text, sizeof(text));
        MUST(strlen(text) < sizeof(text));
    } else {
        MUST(why[0] != '\0' && memchr(why, '\0', sizeof(why)) != NULL);
    }
    free(terminated);
    free(again);
    free(out);
    return 0;
}
