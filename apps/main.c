/*
 * Tophalf's top: every step from the loader's jump to a serving machine, in order.
 *
 * This file stands in apps/ because it alone may see every layer (apps -> net -> drivers ->
 * kernel); kernel/entry.S jumps to kmain.
 */
#include <apps/app.h>
#include <drivers/nic.h>
#include <drivers/pktbuf.h>
#include <kernel/acpi.h>
#include <kernel/boot.h>
#include <kernel/config.h>
#include <kernel/console.h>
#include <kernel/context.h>
#include <kernel/cpu.h>
#include <kernel/irq.h>
#include <kernel/kmalloc.h>
#include <kernel/loop.h>
#include <kernel/page.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/rand.h>
#include <kernel/serial.h>
#include <kernel/time.h>
#include <kernel/timer.h>
#include <net/copies.h>
#include <net/ipconf.h>
#include <net/napi.h>
#include <net/stack.h>
#include <net/xdp.h>
#include <net/xdp_load.h>

_Noreturn void kmain(const struct boot_info *info);

static void start_network(void)
{
    struct nic *nic;

    pktbuf_pool_init((unsigned)config_u64("pktbufs", 2048, 512, 65536));
    nic = nic_probe();     /* PCI, virtio features, rings; interrupts still masked */
    context_boot_done();   /* bottom halves share memory from here on */
    stack_init(nic);       /* lwIP on top of it */
    copies_init();         /* none, unless they are to be measured */
    ipconf_start();        /* static address, or DHCP with a fallback; SLAAC */
    napi_init(nic);        /* interrupts from here on: the bottom half owns the rings */
    xdp_init(nic);         /* XDP programs may stand before the stack ... */
    xdp_load_configured(); /* ... and xdp= names one */

    net_enter();
    if (!app.start())
        printk("app: %s could not start; the console still answers", app.name);
    net_leave();
}

_Noreturn void kmain(const struct boot_info *info)
{
    serial_init();        /* polled output, so that anything that fails can say so */
    cpu_init();           /* GDT, TSS, exception handlers, control registers */
    boot_info_init(info); /* the loader's version is ours */
    config_init(info);    /* tophalf.cfg */
    panic_init();         /* panic= and fault= */
    page_init(info);      /* the buddy allocator, from the firmware's memory map */
    paging_init(info);    /* our page tables: W^X, guard pages, no NULL page */
    kmalloc_init();       /* small objects */
    acpi_init();          /* MADT, FADT, HPET, MCFG */
    time_init();          /* TSC against a known clock */
    irq_init();           /* 8259 masked, local APIC and I/O APICs on */
    timer_init();         /* one-shot, tickless */
    rand_init();          /* entropy */
    serial_start();       /* the console's interrupts */
    irq_enable();
    start_network();        /* NIC, lwIP, the app */
    config_report_unused(); /* a mistyped key should not go unnoticed */
    console_init();         /* the prompt */
    loop_run();             /* softirqs, console, sleep */
}
