/* Files from the volume that the loader itself came from (UEFI 2.10 §13.4, §13.5). */
#include "loader.h"

#include <string.h>

#define PAGE 4096ull

static EFI_FILE_PROTOCOL *root;

EFI_STATUS files_open(EFI_HANDLE image)
{
    static EFI_GUID loaded_image_guid = EFI_LOADED_IMAGE_PROTOCOL_GUID;
    static EFI_GUID file_system_guid = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;
    EFI_LOADED_IMAGE_PROTOCOL *loaded;
    EFI_SIMPLE_FILE_SYSTEM_PROTOCOL *volume;
    EFI_STATUS status;

    status = bs->HandleProtocol(image, &loaded_image_guid, (void **)&loaded);
    if (EFI_ERROR(status))
        return status;
    status = bs->HandleProtocol(loaded->DeviceHandle, &file_system_guid, (void **)&volume);
    if (EFI_ERROR(status))
        return status;
    return volume->OpenVolume(volume, &root);
}

void files_close(void)
{
    if (root != NULL)
        root->Close(root);
    root = NULL;
}

EFI_STATUS files_open_folder(const CHAR16 *name, EFI_FILE_PROTOCOL **out)
{
    return root->Open(root, out, (CHAR16 *)name, EFI_FILE_MODE_READ, 0);
}

/* The length, found by going to the end: no structure of unknown size to read. */
static EFI_STATUS file_length(EFI_FILE_PROTOCOL *file, uint64_t *bytes)
{
    EFI_STATUS status = file->SetPosition(file, ~0ull);

    if (!EFI_ERROR(status))
        status = file->GetPosition(file, bytes);
    if (!EFI_ERROR(status))
        status = file->SetPosition(file, 0);
    return status;
}

EFI_STATUS files_read(const CHAR16 *name, struct boot_file *out)
{
    EFI_FILE_PROTOCOL *file;
    uint64_t bytes = 0, base;
    UINTN got;
    EFI_STATUS status;

    out->base = out->bytes = 0;
    status = root->Open(root, &file, (CHAR16 *)name, EFI_FILE_MODE_READ, 0);
    if (EFI_ERROR(status))
        return status;
    status = file_length(file, &bytes);
    base = EFI_ERROR(status) ? 0 : alloc_pages(bytes + 1); /* one page even for an empty file */
    if (!EFI_ERROR(status) && base == 0)
        status = EFI_OUT_OF_RESOURCES;
    if (!EFI_ERROR(status)) {
        got = bytes;
        status = file->Read(file, &got, (void *)base);
        if (!EFI_ERROR(status) && got != bytes)
            status = EFI_DEVICE_ERROR;
    }
    file->Close(file);
    if (EFI_ERROR(status)) {
        free_pages(base, bytes + 1);
        return status;
    }
    memset((void *)(base + bytes), 0, PAGE - bytes % PAGE);
    out->base = base;
    out->bytes = bytes;
    return EFI_SUCCESS;
}

void files_free(struct boot_file *file)
{
    if (file->base != 0)
        free_pages(file->base, file->bytes + 1);
    file->base = file->bytes = 0;
}
