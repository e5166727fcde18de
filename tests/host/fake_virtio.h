/*
 * A virtio device in place of drivers/virtio_pci.c: features, status, configuration, three queues
 * played by fake_device.c. It checks that the steps of virtio 1.2 §3.1.1 come in their order.
 */
#ifndef TESTS_FAKE_VIRTIO_H
#define TESTS_FAKE_VIRTIO_H

#include "fake_device.h"
#include "virtio_pci.h"

#define FAKE_QUEUES 3 /* receive, transmit, control */

struct virtio_pci {
    /* set by the test, before nic_probe() */
    bool absent, no_reset, refuses_features;
    uint64_t offered;
    uint8_t config[16];
    unsigned queue_size_max[FAKE_QUEUES];
    unsigned msix_entries, msix_usable; /* in the table; that the device has resources for */
    bool no_intx;
    uint8_t isr;
    enum { CTRL_OBEYS, CTRL_REFUSES, CTRL_SILENT } ctrl;

    /* seen by the test */
    uint64_t accepted;
    uint8_t status;
    unsigned resets, silenced, kicks[FAKE_QUEUES];
    unsigned vector_config, vector_queue[FAKE_QUEUES];
    int msix[4], intx; /* vectors: what irq_request() returned */
    bool enabled[FAKE_QUEUES];
    struct fake_queue queue[FAKE_QUEUES];
    uint8_t commands[8][10]; /* class, command, data */
    unsigned command_count;
};

extern struct virtio_pci fake_dev;

/* What fake_virtio_reset() has the device offer besides: features of the rings (bits). */
extern uint64_t fake_ring_features;

/* offloads= of the configuration, "all" unless a test sets it before the driver starts. */
extern const char *fake_offloads;

/* A device without faults: version 1, MAC, status (link up), 256 descriptors, 3 MSI-X entries. */
void fake_virtio_reset(void);

/* irq_request()ed vectors; raising one calls its handler in interrupt context. */
#define FAKE_VECTORS 8
extern const char *fake_vector_name[FAKE_VECTORS];
void fake_vector_raise(int vector);

#endif
