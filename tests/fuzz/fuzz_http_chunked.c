/* Chunked bodies: the same end, however they are cut. */
#include "fuzz.h"
#include <httpd/http_chunked.h>

static int skip(const uint8_t *data, size_t size, size_t piece, size_t *used)
{
    struct http_chunked body;
    int r = 0;

    *used = 0;
    http_chunked_begin(&body, 5000);
    while (*used < size && r == 0) {
        size_t n = size - *used < piece ? size - *used : piece, taken;
        char *copy = exactly(data + *used, n);

        r = http_chunked_skip(&body, copy, n, &taken);
        free(copy);
        MUST(taken <= n && (r != 0 || taken == n));
        *used += taken;
    }
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t used, used_in_pieces;
    int r = skip(data, size, size + 1, &used);

    for (size_t piece = 1; piece <= 7; piece++) {
        MUST(skip(data, size, piece, &used_in_pieces) == r);
        MUST(used_in_pieces == used);
    }
    if (r > 0)
        MUST(used >= 5 && memcmp(data + used - 4, "\r\n\r\n", 4) == 0);
    return 0;
}
