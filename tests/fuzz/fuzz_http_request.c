/* Request heads: what the parser says of a text is what it says of each longer one, and it stays
 * within it. */
#include "fuzz.h"
#include <httpd/http_request.h>

static const struct http_limits limits = { .line_bytes = 200, .head_bytes = 600, .fields = 8 };

static int parse(const uint8_t *data, size_t size, struct http_request *out)
{
    char *text = exactly(data, size);
    int r = http_request_parse(text, size, &limits, out);

    if (r > 0) {
        MUST((size_t)r <= size && r <= (int)limits.head_bytes);
        MUST(memcmp(text + r - 4, "\r\n\r\n", 4) == 0);
        MUST(out->noted <= HTTP_NOTES_MAX);
        for (unsigned i = 0; i < out->noted; i++) {
            struct http_text value = out->notes[i].value;

            MUST(value.at >= text && value.at + value.len <= text + r);
        }
        MUST(out->line.at >= text && out->line.at + out->line.len < text + r);
        MUST(out->line.len <= limits.line_bytes);
        MUST(!out->chunked || out->content_length == 0);
    }
    free(text);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_request out;
    int whole = parse(data, size, &out), before = 0;

    for (size_t n = 0; n < size; n++) {
        int r = parse(data, n, &out);

        MUST(before == 0 || r == before); /* once decided it stays so */
        before = r;
    }
    MUST(before == 0 || before == whole);
    return 0;
}
