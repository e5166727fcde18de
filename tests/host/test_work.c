/* Work for main context: order, one in a turn, and what it may do while it runs. */
#include "fake_hw.h"
#include "fakes.h"
#include <kernel/context.h>
#include <kernel/work.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static char ran[8];
static unsigned count;
static struct work a, b;

static void run_a(struct work *work)
{
    assert_ptr_equal(work, &a);
    assert_false(work->queued);
    ran[count++] = 'a';
    work_run(); /* someone who waits inside of it: nothing more runs */
}

static void run_b(struct work *work)
{
    ran[count++] = 'b';
    if (count < 4)
        work_add(work);
}

static int setup(void **state)
{
    (void)state;
    fake_cpu = (struct cpu){ .softirq_disabled = 1 }; /* as between net_enter() and net_leave() */
    fake_irqs_on = true;
    count = 0;
    a.run = run_a;
    b.run = run_b;
    return 0;
}

static void test_order(void **state)
{
    (void)state;
    assert_false(work_pending());
    work_run();
    work_add(&a);
    work_add(&b);
    work_add(&a); /* is queued already */
    work_run();
    assert_int_equal(count, 1); /* one in a turn, so that the console has its own */
    assert_true(work_pending());
    work_run();
    assert_memory_equal(ran, "ab", 2);
}

static void test_adds_itself(void **state)
{
    (void)state;
    while (work_pending()) /* b, once more, of the test before */
        work_run();
    assert_int_equal(count, 4);
    assert_memory_equal(ran, "bbbb", 4);
    assert_false(b.queued);
    work_add(&a);
    work_run();
    assert_int_equal(ran[4], 'a');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_order, setup),
        cmocka_unit_test_setup(test_adds_itself, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
