/*
 * The virtio transport over PCI (virtio 1.2 §4.1), modern interface only. The NIC above it sees
 * these functions and no PCI, so that host tests put a fake in their place.
 *
 * The order of use is that of §3.1.1:
 *
 *   dev = virtio_pci_probe(type)
 *   virtio_pci_reset(dev)                       step 1
 *   virtio_pci_status_add(dev, ACKNOWLEDGE)     step 2
 *   virtio_pci_status_add(dev, DRIVER)          step 3
 *   virtio_pci_features(dev)                    step 4; the configuration may be read from here
 *   virtio_pci_accept(dev, features)            steps 4 (our half), 5 and 6
 *   virtio_pci_vector_config/queue(), virtio_pci_queue_start()   step 7
 *   virtio_pci_status_add(dev, DRIVER_OK)       step 8
 */
#ifndef DRIVERS_VIRTIO_PCI_H
#define DRIVERS_VIRTIO_PCI_H

#include "virtqueue.h"
#include <kernel/lib.h>

#define VIRTIO_TYPE_NET 1 /* §5 */

/* §2.1 */
#define VIRTIO_STATUS_ACKNOWLEDGE 1u
#define VIRTIO_STATUS_DRIVER      2u
#define VIRTIO_STATUS_DRIVER_OK   4u
#define VIRTIO_STATUS_FEATURES_OK 8u
#define VIRTIO_STATUS_NEEDS_RESET 64u
#define VIRTIO_STATUS_FAILED      128u

/* §6 */
#define VIRTIO_F_INDIRECT_DESC 28
#define VIRTIO_F_EVENT_IDX     29
#define VIRTIO_F_VERSION_1     32
#define VIRTIO_F_RING_PACKED   34

struct virtio_pci;

/* The first device of that type that can be driven, or NULL; the log says what is wrong with
 * others. One device at a time. Boot. */
struct virtio_pci *virtio_pci_probe(unsigned type);

const char *virtio_pci_name(const struct virtio_pci *dev); /* "1af4:1041 at 00:03.0" */

/* Reset and wait until it is done. False when the device does not obey within its time. */
bool virtio_pci_reset(struct virtio_pci *dev);

/* Reset, and if that fails cut the device off the bus: it touches no memory after this. */
void virtio_pci_silence(struct virtio_pci *dev);

void virtio_pci_status_add(struct virtio_pci *dev, uint8_t bits);
uint8_t virtio_pci_status(struct virtio_pci *dev);

uint64_t virtio_pci_features(struct virtio_pci *dev); /* what the device offers */

/* Accept these features, and those only. False when the device does not go along. */
bool virtio_pci_accept(struct virtio_pci *dev, uint64_t features);

/* Descriptors that the device allows for a queue; 0: no such queue. */
unsigned virtio_pci_queue_size_max(struct virtio_pci *dev, unsigned queue);

/* Tell the device where a queue is and enable it. False when it has no usable notify address. */
bool virtio_pci_queue_start(struct virtio_pci *dev, unsigned queue, const struct virtqueue *vq);

/* The kick: there is something new in the queue. */
void virtio_pci_notify(const struct virtio_pci *dev, unsigned queue);

/* Read the device-specific configuration (§2.5): one field of 16 bits, or a row of bytes that
 * belong together. False when the device has no such field, or changes it all the time. */
bool virtio_pci_config_read16(struct virtio_pci *dev, unsigned offset, uint16_t *value);
bool virtio_pci_config_read_bytes(struct virtio_pci *dev, unsigned offset, uint8_t *out,
                                  unsigned bytes);

/* ---- Interrupts ---- */

#define VIRTIO_NO_VECTOR 0xffffu

unsigned virtio_pci_msix_entries(const struct virtio_pci *dev); /* 0: the device has no MSI-X */

/* Switch MSI-X on: entries 0..count-1 (there must be so many) raise these vectors. */
void virtio_pci_msix(struct virtio_pci *dev, const int *vectors, unsigned count);

/* The INTx line raises this vector. False when it has none. MSI-X is off from then on. */
bool virtio_pci_intx(struct virtio_pci *dev, int vector);

/* Which MSI-X entry is for configuration changes, and which for a queue (§4.1.5.1.2); no entry:
 * VIRTIO_NO_VECTOR. False when the device has no room for it. After every reset. */
bool virtio_pci_vector_config(struct virtio_pci *dev, unsigned entry);
bool virtio_pci_vector_queue(struct virtio_pci *dev, unsigned queue, unsigned entry);

/* Read, and by that acknowledge, the reasons of an INTx interrupt. Any context. */
#define VIRTIO_ISR_QUEUE  1u
#define VIRTIO_ISR_CONFIG 2u
uint8_t virtio_pci_isr(struct virtio_pci *dev);

#endif
