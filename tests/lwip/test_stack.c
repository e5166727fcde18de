/*
 * The whole way on the host: a frame through stack_input(), lwIP and an app, to what the NIC is
 * told to send. lwIP and the glue are the real ones, built with our options; NIC, packet pool
 * and timers are fakes (fake_nic.h). After each test every buffer, PCB and segment must be back.
 */
#include "stack_test.h"

int main(void)
{
    int failed = 0;

    stack_test_setup_group(NULL);
    failed += run_ip_tests();
    failed += run_ping_tests();
    failed += run_tcp_tests();
    failed += run_hostile_tests();
    failed += run_gso_tests();
    failed += run_predict_tests();
    failed += run_ends_tests();
    failed += run_template_tests();
    failed += run_send_tests();
    failed += run_guard_tests();
    failed += run_backlog_tests();
    failed += run_rx_guard_tests();
    return failed;
}
