/* The command `offload`: what the network card could do for us, may, and does. */
#include "virtio_net.h"
#include <kernel/console.h>
#include <kernel/json.h>

static void offload_json(struct console *con, const struct nic *nic)
{
    struct net_offload o;
    struct json j;

    console_json(con, &j);
    json_array(&j, "offloads");
    for (unsigned i = 0; net_offload(nic, i, &o); i++) {
        json_object(&j, NULL);
        json_str(&j, "name", o.name);
        json_bool(&j, "allowed", o.allowed);
        json_bool(&j, "offered", o.offered);
        json_bool(&j, "negotiated", o.negotiated);
        json_bool(&j, "suspended", o.suspended);
        json_object_end(&j);
    }
    json_array_end(&j);
    json_end(&j);
}

static const char *offload_state(const struct net_offload *o)
{
    if (o->suspended)
        return "off for XDP";
    if (o->negotiated)
        return "in use";
    if (!o->offered)
        return "not offered";
    return o->allowed ? "needs another" : "switched off";
}

static int cmd_offload(struct console *con, int argc, char **argv)
{
    const struct nic *nic = net_nic();
    struct net_offload o;

    (void)argv;
    if (argc > 1)
        return console_error(con, "takes no arguments; offloads= in tophalf.cfg sets them");
    if (nic == NULL)
        return console_error(con, "there is no network card");
    if (con->json) {
        offload_json(con, nic);
        return 0;
    }
    for (unsigned i = 0; net_offload(nic, i, &o); i++)
        console_printf(con, "%-20s%-15s%s\n", o.name, offload_state(&o), o.meaning);
    return 0;
}
CONSOLE_COMMAND(offload, "offload", "what the network card does for us", cmd_offload);
