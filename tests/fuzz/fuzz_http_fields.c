/* The fields that choose an answer: Range, conditions, Accept-Encoding, dates. The first byte is
 * the file's size; the rest are the fields. */
#include "fuzz.h"
#include <httpd/http_conditional.h>
#include <httpd/http_date.h>
#include <httpd/http_encoding.h>
#include <httpd/http_range.h>

static const struct http_limits limits = { .line_bytes = 100, .head_bytes = 8192, .fields = 64 };

static void ranges(struct http_text field, uint64_t size)
{
    struct http_range got[HTTP_RANGES_MAX];
    int count = http_ranges_parse(field, size, got);
    uint64_t sum = 0;

    MUST(count == -416 || (count >= 0 && count <= HTTP_RANGES_MAX));
    for (int i = 0; i < count; i++) {
        MUST(got[i].bytes > 0 && got[i].first < size && got[i].bytes <= size - got[i].first);
        sum += got[i].bytes;
    }
    MUST(sum <= size); /* never more than the whole: no byte twice */
}

static void date(struct http_text field)
{
    char *text = exactly(field.at, field.len), back[HTTP_DATE_BYTES];
    uint64_t when, again;

    if (http_date_parse(text, field.len, &when)) {
        http_date(back, when);
        MUST(http_date_parse(back, strlen(back), &again) && again == when);
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char start[] = "GET / HTTP/1.1\r\nHost: a\r\n", tag[] = "\"abc\"";
    const struct http_text etag = { tag, sizeof(tag) - 1 };
    struct http_request request;
    char *text;
    size_t len;

    if (size < 1)
        return 0;
    len = sizeof(start) - 1 + size - 1 + 4;
    text = malloc(len);
    MUST(text != NULL);
    memcpy(text, start, sizeof(start) - 1);
    memcpy(text + sizeof(start) - 1, data + 1, size - 1);
    memcpy(text + len - 4, "\r\n\r\n", 4);
    if (http_request_parse(text, len, &limits, &request) > 0) {
        for (unsigned i = 0; i < request.noted; i++) {
            ranges(request.notes[i].value, data[0]);
            date(request.notes[i].value);
        }
        MUST(http_encoding_choose(&request, 0xf) < HTTP_ENCODINGS);
        MUST(http_encoding_choose(&request, 1u << HTTP_IDENTITY) == HTTP_IDENTITY);
        MUST(http_conditional(&request, etag, 784111777) <= HTTP_PRECONDITION_FAILED);
        http_if_range_holds(&request, etag, 784111777);
    }
    free(text);
    return 0;
}
