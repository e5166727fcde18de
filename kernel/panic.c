/*
 * panic(), and the report that it shares with exceptions (trap.c).
 *
 * What runs here may assume nothing: it takes no memory, no lock and no ring, checks each stack
 * frame before it reads it, and a fault inside the report ends in one more line at most.
 */
#include "backtrace.h"
#include "fault.h"
#include "image.h"
#include "report.h"
#include <kernel/config.h>
#include <kernel/context.h>
#include <kernel/cpu.h>
#include <kernel/fmt.h>
#include <kernel/panic.h>
#include <kernel/power.h>
#include <kernel/serial.h>

#define FRAMES_FIRST 24 /* of a deep recursion the two ends are shown */
#define FRAMES_LAST  8

/* Generated from a first link; absent in that one. */
extern const uint32_t ksyms_count __attribute__((weak));
extern const uint8_t ksyms_table[] __attribute__((weak));

extern const char irq_common_return[]; /* trap.S */

static unsigned reports;       /* begun, each within the one before */
static bool reboot_after;      /* panic=reboot */
static char report_line[1024]; /* not on the stack, which may be nearly full */

void panic_init(void)
{
    static const char *const names[] = { "halt", "reboot", NULL };

    reboot_after = config_choice("panic", names, 0) == 1;
    fault_init();
}

static void report_vprintf(const char *fmt, va_list ap)
{
    fmt_vsnprintf(report_line, sizeof(report_line), fmt, ap);
    serial_puts_polled(report_line);
}

void report_printf(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    report_vprintf(fmt, ap);
    va_end(ap);
}

static _Noreturn void halt(void)
{
    for (;;)
        __asm__ volatile("cli; hlt" ::: "memory");
}

/* With no IDT the first exception can not be delivered, nor the one for that: a reset. */
static _Noreturn void triple_fault(void)
{
    static const struct __attribute__((packed)) {
        uint16_t limit;
        uint64_t base;
    } no_idt = { 0, 0 };

    __asm__ volatile("lidt %0; ud2" : : "m"(no_idt));
    halt();
}

void report_begin(const char *what, uint64_t pc)
{
    irq_disable();
    reports++;
    if (reports == 1)
        return;
    if (reports == 2) {
        report_printf("\n*** again while reporting: %s at %016llx\n", what, (unsigned long long)pc);
        report_end();
    }
    if (reboot_after)
        triple_fault();
    halt();
}

_Noreturn void report_end(void)
{
    if (reboot_after) {
        report_printf("*** rebooting (panic=reboot)\n");
        power_reboot();
    }
    report_printf("*** halted\n");
    halt();
}

static bool is_text(uint64_t pc)
{
    return pc >= (uint64_t)text_start && pc < (uint64_t)text_end;
}

/*
 * "function+0x1c/0x40", or the bare address. A return address is looked up by the call before
 * it: when a function ends with a call that does not return, what follows is another function.
 */
static void print_symbol(uint64_t pc, bool is_return_address)
{
    uint64_t at = pc - (is_return_address ? 1 : 0);
    bool found = false;
    struct ksym sym = { .bytes = 0 };

    if (&ksyms_count != NULL && is_text(at)) {
        const struct ksyms syms = { ksyms_table, ksyms_count, (uint32_t)(text_end - kernel_start) };

        found = ksyms_find(&syms, at - (uint64_t)kernel_start, &sym);
    }
    if (found)
        report_printf("%s+0x%llx/0x%llx", sym.name, (unsigned long long)(sym.within + pc - at),
                      (unsigned long long)sym.bytes);
    else
        report_printf("0x%016llx", (unsigned long long)pc);
}

void report_symbol(uint64_t pc)
{
    print_symbol(pc, false);
}

void report_context(void)
{
    static const char *const names[] = {
        [CONTEXT_MAIN] = "main", [CONTEXT_SOFTIRQ] = "softirq", [CONTEXT_IRQ] = "interrupt"
    };

    if (cpu_is_up())
        report_printf("context: %s, CPU %u\n", names[context_current()], this_cpu()->index);
    else
        report_printf("context: before cpu_init()\n");
}

static void report_frame(unsigned n, uint64_t pc, bool is_return_address)
{
    report_printf("  #%u ", n);
    print_symbol(pc, is_return_address);
    report_printf("\n");
}

/* Above the interrupts' stub lies the interrupted code's own address: no call led there. */
static bool is_irq_stub(uint64_t pc)
{
    return pc == (uint64_t)irq_common_return;
}

void report_backtrace(uint64_t pc, uint64_t sp, uint64_t fp)
{
    struct backtrace bt;
    unsigned count, n = 0;
    uint64_t caller, before = 0, frameless;

    frameless = backtrace_frameless(kernel_stacks, STACK_COUNT, sp, (uint64_t)text_start,
                                    (uint64_t)text_end);
    count = (pc != 0 || sp != 0) + (frameless != 0);
    backtrace_begin(&bt, kernel_stacks, STACK_COUNT, fp);
    while (backtrace_next(&bt, &caller))
        count++;

    report_printf("backtrace:\n");
    if (pc != 0 || sp != 0)
        report_frame(n++, pc, false);
    if (frameless != 0)
        report_frame(n++, frameless, true);
    backtrace_begin(&bt, kernel_stacks, STACK_COUNT, fp);
    for (; backtrace_next(&bt, &caller); n++, before = caller) {
        if (n < FRAMES_FIRST || n + FRAMES_LAST >= count)
            report_frame(n, caller, !is_irq_stub(before));
        else if (n == FRAMES_FIRST)
            report_printf("  ... %u more\n", count - FRAMES_FIRST - FRAMES_LAST);
    }
}

static void begin(uint64_t caller)
{
    report_begin("panic", caller);
    report_printf("\n*** kernel panic: ");
}

static _Noreturn void end(uint64_t frame)
{
    report_printf("\n");
    report_context();
    report_backtrace(0, 0, frame);
    report_end();
}

_Noreturn void panic(const char *fmt, ...)
{
    va_list ap;

    begin((uint64_t)__builtin_return_address(0));
    va_start(ap, fmt);
    report_vprintf(fmt, ap);
    va_end(ap);
    end((uint64_t)__builtin_frame_address(0));
}

_Noreturn void assertion_failed(const char *file, int line, const char *text)
{
    begin((uint64_t)__builtin_return_address(0));
    report_printf("%s:%d: assertion failed: %s", file, line, text);
    end((uint64_t)__builtin_frame_address(0));
}
