/* The kernel's ELF file: see elf.h. Structures and constants are those of the System V gABI. */
#include "elf.h"

#include <boot/bootinfo.h>
#include <string.h>

#define PAGE       4096ull
#define EHDR_BYTES 64u
#define PHDR_BYTES 56u
#define PHDRS_MAX  16u

#define ET_EXEC    2
#define EM_X86_64  62
#define PT_LOAD    1u
#define PT_DYNAMIC 2u
#define PT_INTERP  3u
#define PF_X       1u
#define PF_W       2u

struct ehdr {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
struct phdr {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};
_Static_assert(sizeof(struct ehdr) == EHDR_BYTES && sizeof(struct phdr) == PHDR_BYTES, "ELF64");

/* Copied out: the file may stand at any address, and is read once. */
static struct phdr program_header(const struct elf_image *image, unsigned i)
{
    struct phdr ph;

    memcpy(&ph, image->file + image->header_offset + (uint64_t)i * PHDR_BYTES, sizeof(ph));
    return ph;
}

static const char *check_header(const struct ehdr *eh, size_t bytes)
{
    static const uint8_t ident[7] = { 0x7f, 'E', 'L', 'F', 2 /* 64-bit */, 1 /* LSB */, 1 };

    if (memcmp(eh->ident, ident, sizeof(ident)) != 0)
        return "not a little-endian ELF64 file";
    if (eh->type != ET_EXEC || eh->machine != EM_X86_64)
        return "not an x86-64 executable";
    if (eh->phentsize != PHDR_BYTES || eh->phnum == 0 || eh->phnum > PHDRS_MAX)
        return "a strange number or size of program headers";
    if (eh->phoff > bytes || bytes - eh->phoff < (uint64_t)eh->phnum * PHDR_BYTES)
        return "its program headers are cut off";
    return NULL;
}

static const char *check_segment(const struct phdr *ph, size_t bytes, uint64_t previous_end)
{
    if (ph->filesz > ph->memsz)
        return "a segment is larger in the file than in memory";
    if (ph->offset > bytes || ph->filesz > bytes - ph->offset)
        return "a segment is cut off";
    if (ph->vaddr < BOOT_KERNEL_BASE || ph->memsz > ELF_KERNEL_MAX ||
        ph->vaddr - BOOT_KERNEL_BASE > ELF_KERNEL_MAX - ph->memsz)
        return "a segment is outside of the kernel's address range";
    if (ph->vaddr % PAGE != 0)
        return "a segment does not begin on a page";
    if (ph->vaddr < previous_end)
        return "segments overlap or are not in order";
    if ((ph->flags & PF_W) && (ph->flags & PF_X))
        return "a segment is writable and executable";
    return NULL;
}

const char *elf_check(const void *file, size_t bytes, struct elf_image *image)
{
    struct ehdr eh;
    const char *error;
    uint64_t end = 0;
    int entry_found = 0;

    memset(image, 0, sizeof(*image));
    if (bytes < EHDR_BYTES)
        return "too short for an ELF header";
    memcpy(&eh, file, sizeof(eh));
    error = check_header(&eh, bytes);
    if (error != NULL)
        return error;

    image->file = file;
    image->entry = eh.entry;
    image->header_count = eh.phnum;
    image->header_offset = eh.phoff;
    for (unsigned i = 0; i < eh.phnum; i++) {
        struct phdr ph = program_header(image, i);

        if (ph.type == PT_DYNAMIC || ph.type == PT_INTERP)
            return "it wants a dynamic linker";
        if (ph.type != PT_LOAD || ph.memsz == 0)
            continue;
        error = check_segment(&ph, bytes, end);
        if (error != NULL)
            return error;
        if (end == 0)
            image->virt = ph.vaddr;
        end = (ph.vaddr + ph.memsz + PAGE - 1) & ~(PAGE - 1);
        if ((ph.flags & PF_X) && eh.entry >= ph.vaddr && eh.entry - ph.vaddr < ph.filesz)
            entry_found = 1;
    }
    if (end == 0)
        return "it has nothing to load";
    if (!entry_found)
        return "its entry point is not in executable code";
    image->bytes = end - image->virt;
    return NULL;
}

void elf_place(const struct elf_image *image, void *block)
{
    uint8_t *to = block;

    memset(to, 0, image->bytes);
    for (unsigned i = 0; i < image->header_count; i++) {
        struct phdr ph = program_header(image, i);

        if (ph.type == PT_LOAD && ph.memsz != 0)
            memcpy(to + (ph.vaddr - image->virt), image->file + ph.offset, ph.filesz);
    }
}
