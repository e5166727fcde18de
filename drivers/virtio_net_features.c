/*
 * virtio-net: which features are negotiated (virtio 1.2 §5.1.3, §6), and the configuration
 * key `offloads` that leaves some of them out. The command `offload` shows them (cmd_offload.c).
 */
#include "virtio_net.h"
#include <kernel/printk.h>
#include <string.h>

#define BIT(n) (1ull << (n))

/* §5.1.4.1: a driver that accepts MTU must be able to receive frames of that size. */
static bool mtu_usable(struct nic *nic)
{
    uint16_t mtu;

    if (!virtio_pci_config_read16(nic->dev, NET_CONFIG_MTU, &mtu))
        return false;
    if (mtu < NET_MTU_MIN || mtu > NET_MTU_MAX) {
        printk("virtio-net: the device's MTU of %u is not usable (%u to %u is), using %u", mtu,
               NET_MTU_MIN, NET_MTU_MAX, NET_MTU_DEFAULT);
        return false;
    }
    nic->mtu = mtu;
    return true;
}

/* Without merged buffers each one would have to hold 64 KiB (§5.1.6.3.1). */
#define GUEST_TSO_NEEDS (BIT(NET_F_GUEST_CSUM) | BIT(NET_F_MRG_RXBUF))

/* What we accept when it is offered; all else is left alone. Behind what it needs. */
static const struct net_feature {
    unsigned bit;
    const char *name;
    const char *meaning; /* of those that may be left out: offloads. NULL: always accepted */
    uint64_t needs;      /* §5.1.3.1 */
    bool required;
    bool (*usable)(struct nic *nic); /* NULL: always */
} net_features[] = {
    { VIRTIO_F_VERSION_1, "version_1", NULL, 0, true, NULL },
    { NET_F_MTU, "mtu", NULL, 0, false, mtu_usable },
    { NET_F_MAC, "mac", NULL, 0, false, NULL },
    { NET_F_STATUS, "status", NULL, 0, false, NULL },
    { NET_F_CSUM, "csum", "the device makes TCP's checksums", 0, false, NULL },
    { NET_F_GUEST_CSUM, "guest_csum", "the device has checked received ones", 0, false, NULL },
    { NET_F_MRG_RXBUF, "mrg_rxbuf", "a received frame takes as many buffers as it needs", 0, false,
      NULL },
    { NET_F_CTRL_VQ, "ctrl_vq", "the device takes commands", 0, false, NULL },
    { NET_F_CTRL_RX, "ctrl_rx", "it drops frames to others", BIT(NET_F_CTRL_VQ), false, NULL },
    { NET_F_CTRL_GUEST_OFFLOADS, "ctrl_guest_offloads",
      "what it does to received frames can be switched off", BIT(NET_F_CTRL_VQ), false, NULL },
    { NET_F_HOST_TSO4, "tso4", "the device cuts large IPv4 segments", BIT(NET_F_CSUM), false,
      NULL },
    { NET_F_HOST_TSO6, "tso6", "the device cuts large IPv6 segments", BIT(NET_F_CSUM), false,
      NULL },
    { NET_F_GUEST_TSO4, "guest_tso4", "received IPv4 segments come put together", GUEST_TSO_NEEDS,
      false, NULL },
    { NET_F_GUEST_TSO6, "guest_tso6", "received IPv6 segments come put together", GUEST_TSO_NEEDS,
      false, NULL },
    { VIRTIO_F_EVENT_IDX, "event_idx", "kicks and interrupts at an index of the ring", 0, false,
      NULL },
    { VIRTIO_F_INDIRECT_DESC, "indirect_desc", "a frame takes one place on the ring", 0, false,
      NULL },
    { VIRTIO_F_RING_PACKED, "ring_packed", "packed rings", 0, false, NULL },
};

#define FEATURE_COUNT ARRAY_SIZE(net_features)

/* ---- offloads= ---- */

static const struct net_feature *offload_by_name(const char *name, size_t len)
{
    for (const struct net_feature *f = net_features; f < net_features + FEATURE_COUNT; f++)
        if (f->meaning != NULL && strlen(f->name) == len && memcmp(f->name, name, len) == 0)
            return f;
    return NULL;
}

static uint64_t all_offloads(void)
{
    uint64_t all = 0;

    for (const struct net_feature *f = net_features; f < net_features + FEATURE_COUNT; f++)
        if (f->meaning != NULL)
            all |= BIT(f->bit);
    return all;
}

/* One word: all, none, a name, or a name behind a minus. False: it is none of these. */
static bool offloads_word(const char *word, size_t len, uint64_t *allowed)
{
    bool minus = len > 0 && word[0] == '-';
    const struct net_feature *f = offload_by_name(word + minus, len - minus);

    if (f != NULL)
        *allowed = minus ? *allowed & ~BIT(f->bit) : *allowed | BIT(f->bit);
    else if (len == 3 && memcmp(word, "all", 3) == 0)
        *allowed = all_offloads();
    else if (len == 4 && memcmp(word, "none", 4) == 0)
        *allowed = 0;
    else
        return false;
    return true;
}

static size_t word_length(const char *text)
{
    size_t len = 0;

    while (text[len] != '\0' && text[len] != ' ' && text[len] != ',')
        len++;
    return len;
}

uint64_t net_offloads_parse(const char *text)
{
    uint64_t allowed = 0;
    size_t len;

    if (text[0] == '-')
        allowed = all_offloads(); /* "-tso4": all but these */
    for (; *text != '\0'; text += len + (text[len] != '\0')) {
        len = word_length(text);
        if (len > 0 && !offloads_word(text, len, &allowed)) {
            printk("offloads=: no offload '%.*s'; using all of them", (int)len, text);
            return all_offloads();
        }
    }
    return allowed;
}

/* ---- Negotiation ---- */

bool net_choose_features(struct nic *nic)
{
    uint64_t offered = virtio_pci_features(nic->dev);

    nic->offered = offered;
    nic->features = 0;
    nic->mtu = NET_MTU_DEFAULT;
    for (const struct net_feature *f = net_features; f < net_features + FEATURE_COUNT; f++) {
        bool allowed = f->meaning == NULL || nic->allowed & BIT(f->bit);

        if (!(offered & BIT(f->bit))) {
            if (!f->required)
                continue;
            printk("virtio-net: the device does not offer %s", f->name);
            return false;
        }
        if (allowed && (nic->features & f->needs) == f->needs &&
            (f->usable == NULL || f->usable(nic)))
            nic->features |= BIT(f->bit);
    }
    return true;
}

bool net_offload(const struct nic *nic, unsigned index, struct net_offload *out)
{
    const struct net_feature *f = net_features;

    for (; f < net_features + FEATURE_COUNT; f++)
        if (f->meaning != NULL && index-- == 0)
            break;
    if (f == net_features + FEATURE_COUNT)
        return false;
    *out = (struct net_offload){ .name = f->name,
                                 .meaning = f->meaning,
                                 .allowed = nic->allowed & BIT(f->bit),
                                 .offered = nic->offered & BIT(f->bit),
                                 .negotiated = nic->features & BIT(f->bit),
                                 .suspended = net_offload_suspended(nic, f->bit) };
    return true;
}
