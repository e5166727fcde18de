/*
 * What the tests of the stack share: an app behind a listener on port 80, a peer, a TCP client,
 * and the set-up and tear-down that every test runs under.
 */
#ifndef TESTS_LWIP_STACK_TEST_H
#define TESTS_LWIP_STACK_TEST_H

#include "fake_nic.h"
#include "fakes.h"
#include "packets.h"
#include <lwip/stats.h>
#include <lwip/tcp.h>
#include <net/stack.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum app_mode {
    APP_DISCARD,
    APP_ECHO,
    APP_REPLY_BY_REFERENCE,
    APP_CLOSE,
    APP_REFUSE,
    APP_CLOSE_UNREAD,
    APP_ABORT,
    APP_HOLD,             /* everything, for ever */
    APP_ECHO_BY_REFERENCE /* one segment, that it holds until the peer has it */
};

struct app_state {
    enum app_mode mode;
    unsigned accepted, errors;
    size_t received;
    size_t sent;         /* of what the peer has, by the callback */
    const void *payload; /* where the last data lay */
    unsigned tail;       /* the bytes behind it, added up */
    uint32_t hash;       /* of all data: h = h * 31 + byte */
    struct tcp_pcb *pcb;
    struct pbuf *held;
};
extern struct app_state app;
extern const char app_page[]; /* what it sends by reference */
extern const size_t app_page_len;

/* One frame, and what belongs to the end of a round. */
void input(const struct packet *k);

const struct sent_frame *last_sent(void);
struct stack_stats glue(void);

/* End all connections, but those in TIME-WAIT. */
void abort_all(void);

/* The peer asks for our addresses, so that lwIP knows the peer's. */
void introduce_peer(void);

struct client {
    unsigned port;
    unsigned window; /* as it stands in the header: units of 128 bytes */
    uint32_t seq, ack;
};
void client_connect(struct client *c, unsigned port);
void client_send(struct client *c, unsigned flags, const void *data, size_t len);

/* The fields of a TCP segment that was sent, and how much payload it has. */
struct tcp_fields parse_tcp(const struct sent_frame *f);
size_t tcp_payload(const struct sent_frame *f);

int stack_test_setup(void **state);
int stack_test_teardown(void **state);
int stack_test_setup_group(void **state);
#define STACK_TEST(f) cmocka_unit_test_setup_teardown(f, stack_test_setup, stack_test_teardown)

/* The groups: test_stack.c runs them in one process. */
int run_ip_tests(void);
int run_ping_tests(void);
int run_tcp_tests(void);
int run_hostile_tests(void);
int run_gso_tests(void);
int run_predict_tests(void);
int run_ends_tests(void);
int run_template_tests(void);
int run_send_tests(void);
int run_guard_tests(void);
int run_backlog_tests(void);
int run_rx_guard_tests(void);

#endif
