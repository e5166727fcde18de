/* `pci`: the functions that the walk found, in the layout of lspci -n. */
#include "pci.h"
#include <kernel/console.h>

static int pci_json(struct console *con)
{
    const struct pci_function *f;
    struct json j;

    console_json(con, &j);
    json_array(&j, "functions");
    for (unsigned i = 0; (f = pci_function(i)) != NULL; i++) {
        json_object(&j, NULL);
        json_u64(&j, "bus", f->bus);
        json_u64(&j, "slot", f->slot);
        json_u64(&j, "function", f->fn);
        json_u64(&j, "class", f->class_code >> 8);
        json_u64(&j, "vendor", f->vendor_id);
        json_u64(&j, "device", f->device_id);
        json_u64(&j, "revision", f->revision);
        json_object_end(&j);
    }
    json_array_end(&j);
    json_end(&j);
    return 0;
}

static int cmd_pci(struct console *con, int argc, char **argv)
{
    const struct pci_function *f;

    (void)argv;
    if (argc != 1)
        return console_error(con, "takes no arguments");
    if (con->json)
        return pci_json(con);
    for (unsigned i = 0; (f = pci_function(i)) != NULL; i++) {
        console_printf(con, "%02x:%02x.%x %04x: %04x:%04x", f->bus, f->slot, f->fn,
                       f->class_code >> 8, f->vendor_id, f->device_id);
        if (f->revision != 0)
            console_printf(con, " (rev %02x)", f->revision);
        console_printf(con, "\n");
    }
    return 0;
}

CONSOLE_COMMAND(pci, "pci", "PCI functions: address, class, vendor and device, as lspci -n",
                cmd_pci);
