/*
 * XDP programs on the boot volume: every file of its folder xdp/ that is called NAME.o. They are
 * handed over as they are; the kernel reads and verifies one when it is to be loaded. There may be
 * none, nor the folder. (UEFI 2.10 §13.5)
 */
#include "loader.h"

#include <string.h>

#define FOLDER     "xdp/"
#define INFO_BYTES 1024u /* struct EFI_FILE_INFO and a name of 255 characters */

/* What the folder's next entry is read into; its name is terminated (§13.5.16). */
static union {
    EFI_FILE_INFO info;
    uint8_t bytes[INFO_BYTES];
} entry;

static BOOLEAN is_printable(CHAR16 c)
{
    return c > ' ' && c < 0x7f;
}

/* A name as messages and the kernel have it: what is no printable ASCII becomes '?', what is too
 * long is cut. Returns whether it was neither. */
static BOOLEAN copy_name(char out[BOOT_PROGRAM_NAME_MAX + 1], const CHAR16 *name)
{
    UINTN len = 0;
    BOOLEAN whole = TRUE;

    for (; len < BOOT_PROGRAM_NAME_MAX && name[len] != 0; len++) {
        out[len] = is_printable(name[len]) ? (char)name[len] : '?';
        whole &= is_printable(name[len]);
    }
    out[len] = '\0';
    return whole && name[len] == 0;
}

static BOOLEAN is_object(const EFI_FILE_INFO *info)
{
    const CHAR16 *name = info->FileName;
    UINTN len = 0;

    while (name[len] != 0)
        len++;
    return !(info->Attribute & EFI_FILE_DIRECTORY) && len > 2 && name[len - 2] == '.' &&
           (name[len - 1] == 'o' || name[len - 1] == 'O');
}

/* The path from the root, for files_read(). */
static void make_path(CHAR16 path[sizeof(FOLDER) + BOOT_PROGRAM_NAME_MAX + 1], const char *name)
{
    static const char before[] = "\\xdp\\";
    UINTN len = 0;

    for (const char *c = before; *c != '\0'; c++)
        path[len++] = (CHAR16)*c;
    do
        path[len++] = (CHAR16)*name;
    while (*name++ != '\0');
}

static void load_one(struct boot_info *info, const EFI_FILE_INFO *found)
{
    static CHAR16 path[sizeof(FOLDER) + BOOT_PROGRAM_NAME_MAX + 1];
    struct boot_program *program = (struct boot_program *)info->programs + info->program_count;
    EFI_STATUS status;

    if (!copy_name(program->name, found->FileName)) {
        say("tophalf: " FOLDER "%s is left out: its name must be %u printable ASCII characters at "
            "most",
            program->name, BOOT_PROGRAM_NAME_MAX);
        return;
    }
    if (found->FileSize > BOOT_PROGRAM_BYTES_MAX) {
        say("tophalf: " FOLDER "%s is left out: it has more than %u KiB", program->name,
            BOOT_PROGRAM_BYTES_MAX / 1024);
        return;
    }
    make_path(path, program->name);
    status = files_read(path, &program->file);
    if (status == EFI_OUT_OF_RESOURCES)
        say("tophalf: " FOLDER "%s is left out: not enough memory", program->name);
    else if (EFI_ERROR(status))
        say("tophalf: " FOLDER "%s is left out: it cannot be read (EFI status %x)", program->name,
            (unsigned)(status & 0xff));
    else
        info->program_count++;
}

/* The next entry; FALSE at the end, or where the folder can not be read on. */
static BOOLEAN next_entry(EFI_FILE_PROTOCOL *folder)
{
    UINTN bytes = sizeof(entry);
    EFI_STATUS status;

    memset(&entry, 0, sizeof(entry));
    status = folder->Read(folder, &bytes, &entry);
    if (EFI_ERROR(status))
        say("tophalf: " FOLDER " cannot be read on (EFI status %x); what follows is left out",
            (unsigned)(status & 0xff));
    return !EFI_ERROR(status) && bytes > 0;
}

static BOOLEAN is_folder(EFI_FILE_PROTOCOL *file)
{
    static EFI_GUID info_guid = EFI_FILE_INFO_ID;
    UINTN bytes = sizeof(entry);

    return !EFI_ERROR(file->GetInfo(file, &info_guid, &bytes, &entry)) &&
           (entry.info.Attribute & EFI_FILE_DIRECTORY);
}

static void load_from(EFI_FILE_PROTOCOL *folder, struct boot_info *info)
{
    info->programs = alloc_zeroed(BOOT_PROGRAMS_MAX * sizeof(struct boot_program));
    if (info->programs == 0) {
        say("tophalf: not enough memory for the programs of " FOLDER);
        return;
    }
    while (next_entry(folder)) {
        if (!is_object(&entry.info))
            continue;
        if (info->program_count == BOOT_PROGRAMS_MAX) {
            say("tophalf: " FOLDER " has more than %u programs; the rest is left out",
                BOOT_PROGRAMS_MAX);
            return;
        }
        load_one(info, &entry.info);
    }
}

void programs_load(struct boot_info *info)
{
    EFI_FILE_PROTOCOL *folder;

    info->programs = info->program_count = 0;
    if (EFI_ERROR(files_open_folder(L"\\xdp", &folder)))
        return; /* there is none */
    if (is_folder(folder))
        load_from(folder, info);
    folder->Close(folder);
}

void programs_free(struct boot_info *info)
{
    struct boot_program *programs = (struct boot_program *)info->programs;

    for (UINTN i = 0; i < info->program_count; i++)
        files_free(&programs[i].file);
    free_pages(info->programs, BOOT_PROGRAMS_MAX * sizeof(*programs));
    info->programs = info->program_count = 0;
}
