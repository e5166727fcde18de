/* The packet trace: what is recorded of a packet's life, and that nothing is left armed. */
#include "../../drivers/trace.c"
#include "fakes.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* ---------------------------------------------------------------- the clock and the packets */

static uint64_t clock_ticks;

uint64_t fake_rdtsc(void)
{
    return clock_ticks += 10;
}

uint64_t time_tsc_to_ns(uint64_t ticks)
{
    return ticks * 3;
}

#define BUFS (2 * TRACE_RECORDS)
static struct pktbuf bufs[BUFS];
static uint8_t frame[PKTBUF_FRAME_MAX];
static int tokens[BUFS]; /* their addresses */

static int setup(void **state)
{
    (void)state;
    fake_context = CONTEXT_SOFTIRQ;
    trace_end();
    stats_reset();
    memset(&tracer, 0, sizeof(tracer));
    clock_ticks = 1000;
    for (unsigned i = 0; i < BUFS; i++)
        bufs[i] = (struct pktbuf){ .frame = frame, .frame_len = 60 + i };
    for (unsigned i = 0; i < sizeof(frame); i++)
        frame[i] = (uint8_t)i;
    return 0;
}

/* After each test: whatever happened, nothing may be armed once the trace has been ended. */
static int teardown(void **state)
{
    (void)state;
    trace_end();
    assert_false(trace_armed);
    assert_null(tracer.current);
    for (unsigned i = 0; i < TRACE_RECORDS; i++) {
        assert_null(tracer.records[i].token);
        assert_null(tracer.records[i].buf);
        assert_false(tracer.records[i].current);
    }
    return 0;
}

static void irq(void)
{
    trace_point(TRACE_INTERRUPT);
}

static void poll(void)
{
    trace_point(TRACE_SOFTIRQ);
}

static void take(unsigned i)
{
    trace_taken(&bufs[i]);
}

/* Up the stack, to the app's answer where there is a token for it. */
static void work(unsigned i, const void *token)
{
    trace_enter(&bufs[i]);
    trace_point(TRACE_IP);
    trace_point(TRACE_TRANSPORT);
    trace_point(TRACE_APP);
    if (token != NULL) {
        trace_point(TRACE_RESPONSE);
        trace_sent(token);
    }
    trace_leave();
}

static void kick(bool told)
{
    trace_kicked(told);
}

static void done(const void *token)
{
    trace_done(token);
}

/* Bit per stage that the i-th record has. Also checks what every record must keep. */
static unsigned stages(unsigned i)
{
    const struct trace_record *r = trace_record(i);
    uint64_t before = 0;
    unsigned set = 0;

    assert_non_null(r);
    for (unsigned s = 0; s < TRACE_STAGES; s++) {
        if (r->mark[s].site == NULL)
            continue;
        set |= 1u << s;
        assert_true(r->mark[s].ticks > before);
        before = r->mark[s].ticks;
        assert_non_null(strstr(r->mark[s].site->file, "test_trace.c"));
    }
    return set;
}

#define BIT(stage) (1u << (stage))
#define ALL        (BIT(TRACE_STAGES) - 1u)
#define POLLED     (BIT(TRACE_SOFTIRQ) | BIT(TRACE_RING))
#define UP         (BIT(TRACE_IP) | BIT(TRACE_TRANSPORT) | BIT(TRACE_APP))
#define OUT        (BIT(TRACE_RESPONSE) | BIT(TRACE_TX_RING) | BIT(TRACE_KICK) | BIT(TRACE_DONE))

/* ---------------------------------------------------------------- tests */

static void test_off(void **state)
{
    (void)state;
    bufs[0].trace = 77;
    irq();
    poll();
    take(0);
    work(0, &tokens[0]);
    kick(true);
    done(&tokens[0]);
    assert_int_equal(bufs[0].trace, 77);
    assert_int_equal(clock_ticks, 1000); /* not even the clock was read */
    assert_null(trace_record(0));
    assert_int_equal(trace_stats()->packets, 0);
}

static void test_whole_life(void **state)
{
    const struct trace_record *r;
    static const char *const functions[TRACE_STAGES] = {
        "irq", "poll", "take", "work", "work", "work", "work", "work", "kick", "done",
    };

    (void)state;
    trace_begin(1);
    assert_true(trace_armed);
    irq();
    poll();
    take(0);
    work(0, &tokens[0]);
    kick(true);
    assert_true(trace_armed);
    done(&tokens[0]);
    assert_false(trace_armed);

    assert_int_equal(stages(0), ALL);
    r = trace_record(0);
    assert_true(r->complete && r->kick_needed && !r->lost);
    assert_int_equal(r->frame_bytes, 60);
    for (unsigned s = 0; s < TRACE_STAGES; s++)
        assert_string_equal(r->mark[s].site->function, functions[s]);
    assert_null(trace_record(1));

    assert_int_equal(trace_stats()->packets, 1);
    assert_int_equal(trace_stats()->step[TRACE_INTERRUPT].count, 0);
    for (unsigned s = TRACE_SOFTIRQ; s < TRACE_STAGES; s++) {
        assert_int_equal(trace_stats()->step[s].count, 1);
        assert_int_equal(trace_stats()->step[s].max, (r->mark[s].ticks - r->mark[s - 1].ticks) * 3);
    }
    assert_int_equal(trace_stats()->answer.max,
                     (r->mark[TRACE_KICK].ticks - r->mark[TRACE_INTERRUPT].ticks) * 3);
}

/* A packet that goes no further than a stage has a record that ends there, and is complete. */
static void test_dropped_at_each_stage(void **state)
{
    unsigned expected = POLLED;

    (void)state;
    for (unsigned last = TRACE_RING; last <= TRACE_RESPONSE; last++) {
        trace_begin(1);
        poll();
        take(0);
        trace_enter(&bufs[0]);
        for (unsigned s = TRACE_IP; s <= last; s++)
            trace_point(s);
        trace_leave();
        assert_false(trace_armed);
        expected |= BIT(last);
        assert_int_equal(stages(0), expected);
        assert_true(trace_record(0)->complete);
    }
    assert_int_equal(trace_stats()->answer.count, 0);
}

/* What was taken and never worked on is over when the next poll begins, at the latest. */
static void test_dropped_before_the_stack(void **state)
{
    (void)state;
    trace_begin(3);
    poll();
    take(0);
    take(1);
    take(2);
    done(NULL); /* no answer: not theirs, who have none yet */
    trace_lost(NULL);
    work(1, NULL);
    assert_true(trace_armed);
    irq();
    poll();
    assert_false(trace_armed);
    assert_int_equal(stages(0), POLLED);
    assert_int_equal(stages(1), POLLED | UP);
    assert_int_equal(stages(2), POLLED);
    assert_true(trace_record(0)->complete && trace_record(2)->complete);
}

static void test_poll_without_interrupt(void **state)
{
    uint64_t first_irq;

    (void)state;
    trace_begin(4);
    irq();
    poll();
    take(0);
    work(0, NULL);
    poll(); /* the budget was used up: no interrupt began this one */
    take(1);
    work(1, NULL);
    irq(); /* interrupts are on during the poll: this one's packets are the next poll's */
    first_irq = clock_ticks;
    irq();
    take(2);
    work(2, NULL);
    poll();
    take(3);
    work(3, NULL);
    assert_int_equal(stages(0), BIT(TRACE_INTERRUPT) | POLLED | UP);
    assert_int_equal(stages(1), POLLED | UP);
    assert_int_equal(stages(2), POLLED | UP);
    assert_int_equal(stages(3), BIT(TRACE_INTERRUPT) | POLLED | UP);
    /* of several interrupts before a poll the first counts */
    assert_int_equal(trace_record(3)->mark[TRACE_INTERRUPT].ticks, first_irq);
}

/* An interrupt from before the trace, or of an earlier trace, belongs to no packet of this one. */
static void test_interrupt_of_before(void **state)
{
    (void)state;
    irq();
    trace_begin(1);
    poll();
    take(0);
    work(0, NULL);
    assert_int_equal(stages(0), POLLED | UP);

    trace_begin(1);
    irq();
    trace_end();
    trace_begin(1);
    take(0); /* in the middle of a poll */
    work(0, NULL);
    assert_int_equal(stages(0), BIT(TRACE_RING) | UP);

    trace_begin(1);
    irq();
    trace_end();
    trace_begin(1);
    poll();
    take(0);
    work(0, NULL);
    assert_int_equal(stages(0), POLLED | UP);
}

static void test_burst(void **state)
{
    enum { N = 5 };

    (void)state;
    trace_begin(N);
    irq();
    poll();
    for (unsigned i = 0; i < N; i++)
        take(i);
    for (unsigned i = 0; i < N; i++)
        work(i, i == 2 ? NULL : &tokens[i]);
    kick(true);
    for (unsigned i = N; i-- > 0;) { /* the device may finish in any order */
        assert_true(trace_armed);
        done(&tokens[i]);
    }
    assert_false(trace_armed);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(stages(i), i == 2 ? BIT(TRACE_INTERRUPT) | POLLED | UP : ALL);
        assert_int_equal(trace_record(i)->frame_bytes, 60 + i);
    }
    assert_int_equal(trace_record(0)->mark[TRACE_SOFTIRQ].ticks,
                     trace_record(4)->mark[TRACE_SOFTIRQ].ticks);
    assert_true(trace_record(0)->mark[TRACE_DONE].ticks > trace_record(4)->mark[TRACE_DONE].ticks);
    assert_int_equal(trace_stats()->packets, N);
    assert_int_equal(trace_stats()->answer.count, N - 1);
}

/* The answer is the first frame that is sent meanwhile; others, and what is sent when no packet
 * is worked on, are nobody's. */
static void test_other_frames(void **state)
{
    (void)state;
    trace_begin(1);
    poll();
    trace_sent(&tokens[7]); /* a timer's */
    take(0);
    trace_enter(&bufs[0]);
    trace_sent(&tokens[0]);
    trace_sent(&tokens[1]);
    trace_leave();
    trace_sent(&tokens[8]);
    kick(true);
    done(&tokens[7]);
    done(&tokens[1]);
    done(&tokens[8]);
    done(NULL);
    trace_lost(NULL);
    assert_true(trace_armed);
    done(&tokens[0]);
    assert_false(trace_armed);
    assert_int_equal(stages(0), POLLED | BIT(TRACE_TX_RING) | BIT(TRACE_KICK) | BIT(TRACE_DONE));
}

/* The stack's buffers are used again: the same token is another packet's answer later. */
static void test_token_reuse(void **state)
{
    (void)state;
    trace_begin(2);
    poll();
    take(0);
    work(0, &tokens[0]);
    kick(true);
    done(&tokens[0]);
    done(&tokens[0]); /* nobody's now */
    poll();
    take(1);
    work(1, &tokens[0]);
    kick(true);
    assert_int_equal(stages(1) & BIT(TRACE_DONE), 0);
    done(&tokens[0]);
    assert_int_equal(stages(0), POLLED | UP | OUT);
    assert_int_equal(stages(1), POLLED | UP | OUT);
    assert_true(trace_record(0)->mark[TRACE_DONE].ticks <
                trace_record(1)->mark[TRACE_SOFTIRQ].ticks);
}

/* The completion of an answer whose trace was cancelled is not a packet's of the next trace. */
static void test_late_completion(void **state)
{
    (void)state;
    trace_begin(1);
    poll();
    take(0);
    work(0, &tokens[0]);
    kick(true);
    trace_end();
    assert_false(trace_record(0)->complete);
    assert_int_equal(stages(0), POLLED | UP | (OUT & ~BIT(TRACE_DONE)));

    trace_begin(1);
    poll();
    take(1);
    trace_enter(&bufs[1]);
    done(&tokens[0]);
    trace_sent(&tokens[1]);
    done(&tokens[0]);
    trace_leave();
    kick(true);
    assert_true(trace_armed);
    done(&tokens[1]);
    assert_int_equal(stages(0), POLLED | BIT(TRACE_TX_RING) | BIT(TRACE_KICK) | BIT(TRACE_DONE));
    assert_int_equal(trace_stats()->packets, 1); /* the cancelled one does not count */
}

static void test_cancel_in_the_middle(void **state)
{
    (void)state;
    trace_begin(3);
    irq();
    poll();
    take(0);
    take(1);
    trace_enter(&bufs[0]);
    trace_point(TRACE_IP);
    trace_end();
    trace_point(TRACE_TRANSPORT);
    trace_leave();
    work(1, &tokens[0]);
    assert_int_equal(stages(0), BIT(TRACE_INTERRUPT) | POLLED | BIT(TRACE_IP));
    assert_int_equal(stages(1), BIT(TRACE_INTERRUPT) | POLLED);
    assert_null(trace_record(2));
    assert_false(trace_record(0)->complete || trace_record(1)->complete);

    /* buffers still carry the marks of then: in a new trace they mean nothing */
    trace_begin(3);
    assert_null(trace_record(0));
    poll();
    take(2);
    work(0, &tokens[0]);
    work(1, &tokens[1]);
    work(2, NULL);
    assert_int_equal(stages(0), POLLED | UP);
    assert_int_equal(trace_record(0)->frame_bytes, 62);
    assert_null(trace_record(1));
    assert_true(trace_armed);
}

static void test_kick_not_needed(void **state)
{
    (void)state;
    trace_begin(2);
    poll();
    take(0);
    take(1);
    work(0, &tokens[0]);
    kick(false); /* the ring was full: what is there so far is told at once */
    work(1, &tokens[1]);
    kick(true);
    done(&tokens[0]);
    done(&tokens[1]);
    assert_int_equal(stages(0), POLLED | UP | OUT);
    assert_int_equal(stages(1), POLLED | UP | OUT);
    assert_false(trace_record(0)->kick_needed);
    assert_true(trace_record(1)->kick_needed);
    assert_true(trace_record(0)->mark[TRACE_KICK].ticks <
                trace_record(1)->mark[TRACE_RING].ticks + 1000);
    assert_true(trace_record(0)->mark[TRACE_KICK].ticks < trace_record(1)->mark[TRACE_IP].ticks);
}

static void test_more_packets_than_wanted(void **state)
{
    struct trace_progress progress;

    (void)state;
    trace_begin(2);
    poll();
    for (unsigned i = 0; i < 5; i++)
        take(i);
    for (unsigned i = 0; i < 5; i++)
        work(i, &tokens[i]);
    kick(true);
    trace_progress(&progress);
    assert_int_equal(progress.begun, 2);
    assert_int_equal(progress.complete, 0);
    assert_false(progress.endless);
    done(&tokens[4]);
    done(&tokens[1]);
    done(&tokens[0]);
    assert_false(trace_armed);
    assert_int_equal(trace_record(1)->frame_bytes, 61);
    assert_null(trace_record(2));
}

static void test_as_many_as_there_are_records(void **state)
{
    (void)state;
    trace_begin(TRACE_RECORDS);
    poll();
    for (unsigned i = 0; i < BUFS; i++)
        take(i);
    for (unsigned i = 0; i < BUFS; i++) {
        assert_int_equal(bufs[i].trace, i < TRACE_RECORDS ? i + 1 : 0);
        work(i, &tokens[i]);
    }
    kick(true);
    for (unsigned i = 0; i < BUFS; i++)
        done(&tokens[i]);
    assert_false(trace_armed);
    for (unsigned i = 0; i < TRACE_RECORDS; i++)
        assert_int_equal(stages(i), POLLED | UP | OUT);
    assert_null(trace_record(TRACE_RECORDS));
    EXPECT_PANIC(trace_begin(TRACE_RECORDS + 1));
}

/* Marks stay in the order of time, and a stage's first time is the one that counts. */
static void test_order(void **state)
{
    uint64_t first;

    (void)state;
    trace_begin(1);
    poll();
    take(0);
    trace_enter(&bufs[0]);
    trace_point(TRACE_TRANSPORT);
    first = trace_record(0)->mark[TRACE_TRANSPORT].ticks;
    trace_point(TRACE_TRANSPORT); /* what a fragment completed comes here again */
    trace_point(TRACE_RESPONSE);  /* the acknowledgement let more of the last answer out ... */
    trace_point(TRACE_APP);       /* ... before the data that came with it went to the app */
    trace_point(TRACE_IP);
    trace_leave();
    assert_int_equal(trace_record(0)->mark[TRACE_TRANSPORT].ticks, first);
    assert_int_equal(stages(0), POLLED | BIT(TRACE_TRANSPORT) | BIT(TRACE_RESPONSE));
}

static void test_lost_in_a_reset(void **state)
{
    (void)state;
    trace_begin(2);
    poll();
    take(0);
    take(1);
    work(0, &tokens[0]);
    work(1, &tokens[1]);
    kick(true);
    trace_lost(&tokens[5]);
    trace_lost(&tokens[1]);
    assert_true(trace_armed);
    trace_lost(&tokens[0]);
    assert_false(trace_armed);
    assert_int_equal(stages(0), POLLED | UP | (OUT & ~BIT(TRACE_DONE)));
    assert_true(trace_record(0)->lost && trace_record(0)->complete);
    assert_true(trace_record(1)->lost);
}

/* The device may be that fast, and our side may look that early. */
static void test_done_while_worked_on(void **state)
{
    (void)state;
    trace_begin(2);
    poll();
    take(0);
    trace_enter(&bufs[0]);
    trace_sent(&tokens[0]);
    kick(true);
    done(&tokens[0]);
    assert_false(trace_record(0)->complete);
    trace_leave();
    assert_true(trace_record(0)->complete);
    assert_true(trace_armed);
    take(1);
    trace_enter(&bufs[1]);
    trace_sent(&tokens[1]);
    trace_lost(&tokens[1]);
    trace_leave();
    assert_false(trace_armed);
}

static void test_enough(void **state)
{
    (void)state;
    trace_begin(10);
    trace_enough();
    assert_false(trace_armed);

    trace_begin(10);
    poll();
    take(0);
    work(0, &tokens[0]);
    trace_enough();
    assert_true(trace_armed); /* one has to be followed to its end */
    take(1);
    assert_int_equal(bufs[1].trace, 0);
    work(1, NULL);
    kick(true);
    done(&tokens[0]);
    assert_false(trace_armed);
    assert_null(trace_record(1));
}

/* Without end: records are used again, and a packet that finds none is not recorded. */
static void test_endless(void **state)
{
    struct trace_progress progress;

    (void)state;
    trace_begin(TRACE_ENDLESS);
    for (unsigned i = 0; i < 10 * TRACE_RECORDS; i++) {
        poll();
        take(i % BUFS);
        work(i % BUFS, i % 2 ? &tokens[0] : NULL);
        kick(true);
        done(&tokens[0]);
    }
    assert_true(trace_armed);
    trace_progress(&progress);
    assert_true(progress.endless);
    assert_int_equal(progress.complete, 10 * TRACE_RECORDS);
    assert_int_equal(trace_stats()->packets, 10 * TRACE_RECORDS);
    assert_int_equal(trace_stats()->step[TRACE_DONE].count, 5 * TRACE_RECORDS);

    poll();
    for (unsigned i = 0; i < BUFS; i++) { /* more than there are records, none of them answered */
        take(i);
        work(i, &tokens[i]);
    }
    trace_progress(&progress);
    assert_int_equal(progress.begun, 11 * TRACE_RECORDS);
    done(&tokens[0]); /* room for one */
    take(0);
    assert_int_not_equal(bufs[0].trace, 0);
    take(1);
    assert_int_equal(bufs[1].trace, 0);

    trace_end();
    trace_progress(&progress);
    assert_false(progress.endless);
    assert_false(trace_armed);
}

static void test_head_is_bounded(void **state)
{
    (void)state;
    trace_begin(3);
    poll();
    bufs[0].frame_len = 14;
    bufs[1].frame_len = TRACE_HEAD_MAX;
    bufs[2].frame_len = UINT32_MAX;
    for (unsigned i = 0; i < 3; i++)
        take(i);
    assert_int_equal(trace_record(0)->head_bytes, 14);
    assert_memory_equal(trace_record(0)->head, frame, 14);
    assert_int_equal(trace_record(0)->head[14], 0);
    assert_int_equal(trace_record(1)->head_bytes, TRACE_HEAD_MAX);
    assert_int_equal(trace_record(2)->head_bytes, TRACE_HEAD_MAX);
    assert_memory_equal(trace_record(2)->head, frame, TRACE_HEAD_MAX);
    assert_int_equal(trace_record(2)->frame_bytes, UINT32_MAX);
}

static void test_reset(void **state)
{
    (void)state;
    trace_begin(2);
    poll();
    take(0);
    work(0, NULL);
    assert_string_equal(resettable_trace.name, "trace");
    resettable_trace.reset();
    assert_int_equal(trace_stats()->packets, 0);
    assert_int_equal(trace_stats()->step[TRACE_RING].count, 0);
    take(1); /* what is under way goes on */
    work(1, NULL);
    assert_int_equal(trace_stats()->packets, 1);
    assert_true(trace_record(1)->complete);
}

static void test_contexts_and_names(void **state)
{
    (void)state;
    fake_context = CONTEXT_MAIN;
    EXPECT_PANIC(trace_begin(1));
    EXPECT_PANIC(trace_enough());
    EXPECT_PANIC(trace_end());
    fake_context = CONTEXT_SOFTIRQ;
    for (unsigned s = 0; s < TRACE_STAGES; s++)
        assert_non_null(trace_stage_name(s));
    assert_string_equal(trace_stage_name(TRACE_INTERRUPT), "interrupt");
    assert_string_equal(trace_stage_name(TRACE_DONE), "done");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_off),
        TEST(test_whole_life),
        TEST(test_dropped_at_each_stage),
        TEST(test_dropped_before_the_stack),
        TEST(test_poll_without_interrupt),
        TEST(test_interrupt_of_before),
        TEST(test_burst),
        TEST(test_other_frames),
        TEST(test_token_reuse),
        TEST(test_late_completion),
        TEST(test_cancel_in_the_middle),
        TEST(test_kick_not_needed),
        TEST(test_more_packets_than_wanted),
        TEST(test_as_many_as_there_are_records),
        TEST(test_order),
        TEST(test_lost_in_a_reset),
        TEST(test_done_while_worked_on),
        TEST(test_enough),
        TEST(test_endless),
        TEST(test_head_is_bounded),
        TEST(test_reset),
        TEST(test_contexts_and_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
