/* What the loader's files share. All of it runs as a UEFI application, in boot services, until
 * leave_boot_services() has returned. */
#ifndef BOOT_LOADER_H
#define BOOT_LOADER_H

#include "memmap.h"

#include <boot/bootinfo.h>
#include <efi.h>

extern EFI_SYSTEM_TABLE *st;
extern EFI_BOOT_SERVICES *bs;

/* say.c: one line on the UEFI console, and on COM1 where that console does not reach it. printf's
 * %s %u %x only; what is beyond 200 bytes is cut off. */
void say_init(void);
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* memory.c: whole pages, with addresses as the firmware maps them (virtual = physical); 0 when
 * there are none. free_pages() takes the length that was asked for, and does nothing for 0. */
uint64_t alloc_pages(uint64_t bytes);
uint64_t alloc_zeroed(uint64_t bytes);
uint64_t alloc_large(uint64_t bytes); /* on a 2 MiB boundary, where memory allows */
void free_pages(uint64_t base, uint64_t bytes);

/* files.c: a whole file from the root of the volume that the loader was started from, into pages
 * of its own, the rest of the last one zeroed. EFI_SUCCESS, or what failed. */
EFI_STATUS files_open(EFI_HANDLE image);
EFI_STATUS files_open_folder(const CHAR16 *name,
                             EFI_FILE_PROTOCOL **out); /* the caller closes it */
EFI_STATUS files_read(const CHAR16 *name, struct boot_file *out);
void files_free(struct boot_file *file);
void files_close(void);

/* programs.c: the files xdp/NAME.o, within the limits of boot/bootinfo.h, into info->programs. What
 * is wrong with one is said, and it is left out: the system starts without it. */
void programs_load(struct boot_info *info);
void programs_free(struct boot_info *info);

/* clock.c: the firmware's time in seconds since 1970 UTC, 0 where it is no date. Pure. */
uint64_t clock_unix(const EFI_TIME *time);

/* leave.c */
struct leave_map {
    uint8_t *buffer;
    UINTN capacity, bytes, descriptor_bytes;
    UINTN key;
};
/* Read the memory map, with room for it to grow. leave_cancel() gives that memory back. */
EFI_STATUS leave_prepare(struct leave_map *map);
void leave_cancel(struct leave_map *map);
/* Ends boot services. The map may change between being read and being used (an event's handler
 * allocates): its key is then stale, and it is read again. */
EFI_STATUS leave_boot_services(EFI_HANDLE image, struct leave_map *map);

#endif
