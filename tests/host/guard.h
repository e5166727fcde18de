/* Buffers that end at an unmapped page: one byte read too far is a fault, not a guess. */
#ifndef TESTS_GUARD_H
#define TESTS_GUARD_H

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define GUARD_BYTES (16u << 10)

/* A copy of data[0..len) whose end is the end of the mapped memory. Valid until the next call. */
static inline const char *guarded(const void *data, size_t len)
{
    static char *area;

    if (area == NULL) {
        area = mmap(NULL, GUARD_BYTES + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                    -1, 0);
        if (area == MAP_FAILED || mprotect(area + GUARD_BYTES, 4096, PROT_NONE) != 0)
            abort();
    }
    if (len > GUARD_BYTES)
        abort();
    return memcpy(area + GUARD_BYTES - len, data, len);
}

#endif
