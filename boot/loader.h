/* What the loader's files share. All of it runs as a UEFI application, in boot services, until
 * leave_boot_services() has returned. */
#ifndef BOOT_LOADER_H
#define BOOT_LOADER_H

#include "memmap.h"

#include <boot/bootinfo.h>
#include <efi.h>

extern EFI_SYSTEM_TABLE *st;
extern EFI_BOOT_SERVICES *bs;

/* say.c: the UEFI console, and COM1 where that console is not already on a serial port. printf's
 * %s %u %x only, and lines of at most 200 bytes. */
void say_init(void);
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* files.c: a whole file from the root of the volume that the loader was started from, into pages
 * of type EfiLoaderData, the rest of the last page zeroed. EFI_SUCCESS, or what failed. */
EFI_STATUS files_open(EFI_HANDLE image);
EFI_STATUS files_read(const CHAR16 *name, struct boot_file *out);
void files_close(void);

/* pages of type EfiLoaderData, zeroed; 0 when there are none */
uint64_t alloc_pages(uint64_t bytes);
void free_pages(uint64_t base, uint64_t bytes);

/* handover.c: the page tables that bootinfo.h promises. Returns CR3's value, or 0 when memory is
 * short. top is the end of the highest RAM range. */
uint64_t handover_page_tables(const struct boot_info *info, uint64_t top);

/* leave.c */
struct leave_map {
    uint8_t *buffer;
    UINTN capacity, bytes, descriptor_bytes;
    UINTN key;
};
EFI_STATUS leave_prepare(struct leave_map *map);
/* Ends boot services. The map may change between being read and being used (an event's handler
 * allocates): its key is then stale, and it is read again. */
EFI_STATUS leave_boot_services(EFI_HANDLE image, struct leave_map *map);

#endif
