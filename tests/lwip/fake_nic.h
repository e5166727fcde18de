/*
 * A NIC, a pool and timers for tests of the real stack (net/stack*.c and lwIP) on the host: the
 * test puts frames in, looks at what was sent, and decides when the device completes it.
 */
#ifndef TESTS_LWIP_FAKE_NIC_H
#define TESTS_LWIP_FAKE_NIC_H

#include <drivers/nic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SENT_MAX 4096

struct sent_frame {
    uint8_t data[2048]; /* as on the wire: a super-segment is many of these */
    size_t len;
    unsigned segs;
    const void *seg_data[NIC_TX_SEGS_MAX]; /* where the device was told to read */
    void *token;
};

/* Outstanding: what the device was told to read has to be the same when it is done. */
struct in_flight {
    void *token;
    unsigned count;
    struct nic_seg segs[NIC_TX_SEGS_MAX];
    uint8_t *bytes; /* as they were */
};

struct fake_nic {
    unsigned ring_room; /* frames that nic_tx() takes before it says full */
    bool hold;          /* completions stay in the device */
    bool link_up, broken;
    unsigned can;    /* NIC_TX_...: set it and call tcp_gso_init() */
    unsigned supers; /* super-segments that it has cut */
    unsigned kicks, refills, outstanding;
    struct sent_frame sent[SENT_MAX]; /* since fake_nic_clear() */
    unsigned sent_count;
    unsigned sent_at_kick, out_at_refill; /* sent_count, buffers_out when it was last called */
    struct in_flight in_flight[SENT_MAX]; /* oldest first */
    unsigned buffers_out;                 /* of the pool, not given back */
};
extern struct fake_nic fake_nic;
extern const uint8_t fake_nic_mac_address[6];

extern bool fake_config_syncookies; /* what the configuration says */

void fake_nic_init(void);
void fake_nic_clear(void); /* forget what was sent */

/* A received frame through stack_input(); bytes behind its end are poisoned for ASan. */
void fake_nic_receive(const void *frame, size_t len);

/* A long one, in several buffers, as MRG_RXBUF has it; its transport's checksum counts as checked.
 */
void fake_nic_receive_merged(const uint8_t *frame, size_t len);

/* Run all timers that are due until `ms` from now. */
void fake_time_advance(unsigned ms);

#endif
