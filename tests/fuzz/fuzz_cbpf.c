/* Filters of captures: a text, or instructions as they are; what is accepted ends, and reads
 * nothing but the frame. The frame is what stands behind the program. */
#include "fuzz.h"
#include <net/cbpf.h>

#define INSNS 64

static void run(const struct cbpf_insn *program, size_t count, const uint8_t *data, size_t size)
{
    size_t cut = size / 3;
    char *first = exactly(data, cut), *second = exactly(data + cut, size - cut);
    const struct nic_seg pieces[] = { { first, (uint32_t)cut },
                                      { second, (uint32_t)(size - cut) } };
    struct cbpf_error error;

    MUST(cbpf_check(program, count, &error));
    cbpf_run(program, pieces, 2, (uint32_t)size);
    free(first);
    free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cbpf_insn program[INSNS];
    struct cbpf_error error;
    size_t count, bytes;

    if (size < 1)
        return 0;
    if (data[0] == 't') {
        char *text = exactly(data + 1, size - 1);

        count = cbpf_parse(text, size - 1, program, INSNS, &error);
        MUST(count > 0 || error.reason != NULL);
        if (count > 0)
            run(program, count, data, size);
        free(text);
        return 0;
    }
    count = (size - 1) / sizeof(program[0]);
    count = count < data[0] % INSNS ? count : data[0] % INSNS;
    bytes = count * sizeof(program[0]);
    memcpy(program, data + 1, bytes);
    if (cbpf_check(program, count, &error))
        run(program, count, data + 1 + bytes, size - 1 - bytes);
    return 0;
}
