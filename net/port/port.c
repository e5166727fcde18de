/*
 * What lwIP asks of its platform (lwIP doc/sys_arch.txt): the clock, the heap, and a place to
 * complain to. Bottom half.
 */
#include <kernel/kmalloc.h>
#include <kernel/lib.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/time.h>
#include <lwip/opt.h>
#include <lwip/sys.h>

/* Milliseconds; wraps after 49 days, which lwIP's timers expect. */
u32_t sys_now(void)
{
    return (u32_t)(time_ns() / NS_PER_MS);
}

void *lwip_port_malloc(size_t bytes)
{
    return kmalloc(bytes);
}

void *lwip_port_calloc(size_t count, size_t bytes)
{
    size_t total;

    if (__builtin_mul_overflow(count, bytes, &total))
        return NULL;
    return kzalloc(total);
}

void lwip_port_free(void *p)
{
    kfree(p);
}

#if !__STDC_HOSTED__
void lwip_port_assertion_failed(const char *message)
{
    panic("lwIP: %s", message);
}
#endif

void lwip_port_error(const char *message)
{
    printk_ratelimited("lwIP: refused: %s", message);
}
