/* Work for main context: see work.h. */
#include <kernel/context.h>
#include <kernel/panic.h>
#include <kernel/softirq.h>
#include <kernel/work.h>
#include <stddef.h>

static struct work *first, **last = &first;
static bool running;

void work_add(struct work *work)
{
    ASSERT_BOTTOM_HALF();
    if (work->queued)
        return;
    work->queued = true;
    work->next = NULL;
    *last = work;
    last = &work->next;
}

bool work_pending(void)
{
    return first != NULL && !running;
}

static struct work *take(void)
{
    struct work *work;

    softirq_disable();
    work = first;
    if (work != NULL) {
        first = work->next;
        if (first == NULL)
            last = &first;
        work->queued = false;
    }
    softirq_enable();
    return work;
}

void work_run(void)
{
    struct work *work;

    if (!work_pending())
        return;
    running = true;
    work = take();
    work->run(work);
    running = false;
}
