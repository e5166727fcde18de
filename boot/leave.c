/* Leaving boot services: UEFI 2.10 §7.4.6. */
#include "loader.h"

#define LEAVE_TRIES 8
#define LEAVE_SLACK 32 /* descriptors: room for what our own allocations add to the map */

static EFI_STATUS read_map(struct leave_map *map)
{
    UINT32 version;

    map->bytes = map->capacity;
    return bs->GetMemoryMap(&map->bytes, (EFI_MEMORY_DESCRIPTOR *)map->buffer, &map->key,
                            &map->descriptor_bytes, &version);
}

EFI_STATUS leave_prepare(struct leave_map *map)
{
    EFI_STATUS status;

    map->buffer = NULL;
    map->capacity = 0;
    status = read_map(map); /* says how large it is */
    if (status != EFI_BUFFER_TOO_SMALL)
        return EFI_ERROR(status) ? status : EFI_DEVICE_ERROR;
    map->capacity = map->bytes + LEAVE_SLACK * map->descriptor_bytes;
    status = bs->AllocatePool(EfiLoaderData, map->capacity, (void **)&map->buffer);
    if (EFI_ERROR(status)) {
        map->buffer = NULL;
        return status;
    }
    return read_map(map);
}

void leave_cancel(struct leave_map *map)
{
    if (map->buffer != NULL)
        bs->FreePool(map->buffer);
    map->buffer = NULL;
}

EFI_STATUS leave_boot_services(EFI_HANDLE image, struct leave_map *map)
{
    EFI_STATUS status = EFI_DEVICE_ERROR;

    /* After the first try only memory services may be called, and allocating would make the key
     * stale again: nothing else is done here. */
    for (unsigned i = 0; i < LEAVE_TRIES; i++) {
        status = read_map(map);
        if (EFI_ERROR(status))
            return status;
        status = bs->ExitBootServices(image, map->key);
        if (status != EFI_INVALID_PARAMETER)
            return status;
    }
    return status;
}
