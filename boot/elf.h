/*
 * kernel.elf: an ELF64 executable checked as hostile bytes, then placed. Pure code.
 */
#ifndef BOOT_ELF_H
#define BOOT_ELF_H

#include <stddef.h>
#include <stdint.h>

#define ELF_KERNEL_MAX (64ull << 20) /* bytes from the first segment to the last */

struct elf_image {
    const uint8_t *file;
    uint64_t virt;  /* of the first page */
    uint64_t bytes; /* from there to the end of the last page */
    uint64_t entry; /* virtual */
    unsigned header_count;
    uint64_t header_offset;
};

/*
 * Check file[0..bytes) and fill *image, which points into it. Returns NULL, or a constant
 * sentence that says what is wrong.
 */
const char *elf_check(const void *file, size_t bytes, struct elf_image *image);

/* Copy a checked image's segments into block[0..image->bytes), zeroing what they do not fill. */
void elf_place(const struct elf_image *image, void *block);

#endif
