/* tophalf.cfg: pairs that lie within the text and keep the rules, or an error with its line. */
#include "fuzz.h"
#include <boot/cfg.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cfg_pair pairs[CFG_PAIRS_MAX];
    struct cfg_error error = { 0 };
    char *text = exactly(data, size);
    int n = cfg_parse(text, size, pairs, CFG_PAIRS_MAX, &error);

    MUST(n >= -1 && n <= CFG_PAIRS_MAX);
    if (n < 0)
        MUST(error.line > 0 && error.message != NULL && *error.message != '\0');
    for (int i = 0; i < n; i++) {
        MUST(pairs[i].key >= text && pairs[i].key + pairs[i].key_len <= text + size);
        MUST(pairs[i].key_len > 0 && pairs[i].key_len <= CFG_KEY_MAX);
        MUST(pairs[i].value >= text && pairs[i].value + pairs[i].value_len <= text + size);
        MUST(pairs[i].value_len <= CFG_VALUE_MAX);
        for (int k = 0; k < i; k++)
            MUST(pairs[k].key_len != pairs[i].key_len ||
                 memcmp(pairs[k].key, pairs[i].key, pairs[i].key_len) != 0);
    }
    free(text);
    return 0;
}
