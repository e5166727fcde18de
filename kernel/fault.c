/*
 * `fault`: crash on purpose, to see (and test) the report. Each way has a function of its own, so
 * that the backtrace shows its name. Other layers add faults that the system gets over
 * (kernel/faultpoint.h). Only with fault=on in tophalf.cfg.
 */
#include "fault.h"
#include "image.h"
#include <kernel/barrier.h>
#include <kernel/config.h>
#include <kernel/console.h>
#include <kernel/faultpoint.h>
#include <kernel/lib.h>
#include <kernel/panic.h>
#include <kernel/softirq.h>
#include <string.h>

/* The barrier after what should fault keeps it from becoming a jump out of the function. */
#define FAULT static __attribute__((noinline, noclone)) void

static bool allowed;

void fault_init(void)
{
    allowed = config_bool("fault", false);
}

FAULT fault_null_write(void)
{
    volatile int *p = NULL;

    __asm__("" : "+r"(p)); /* the compiler would make UD2 of a NULL that it knows */
    *p = 1;
}

FAULT fault_invalid_opcode(void)
{
    __asm__ volatile("ud2");
}

FAULT fault_stack_overflow(unsigned depth)
{
    volatile char frame[256];

    frame[0] = (char)depth;
    if (depth < 1000000) /* not reached, but the compiler must not know that it has no end */
        fault_stack_overflow(depth + 1);
    frame[1] = frame[0]; /* used after the call, or it would be a loop */
    barrier();
}

FAULT fault_stack(void)
{
    fault_stack_overflow(0);
    barrier();
}

FAULT fault_divide(void)
{
    uint32_t zero = 0, quotient = 1, remainder = 0;

    __asm__ volatile("divl %2" : "+a"(quotient), "+d"(remainder) : "r"(zero));
}

/* Data that would be a function, if it could be executed. */
FAULT fault_execute_data(void)
{
    static uint8_t code[] = { 0xc3 }; /* ret */
    void (*volatile call)(void) = (void (*)(void))(void *)code;

    call();
    barrier();
}

FAULT fault_write_rodata(void)
{
    volatile char *p = (volatile char *)rodata_start;

    *p = 1;
}

FAULT fault_sse(void)
{
    __asm__ volatile("xorps %%xmm0, %%xmm0" ::);
}

FAULT fault_panic(void)
{
    panic("asked for on the console");
}

static const struct {
    const char *name;
    void (*run)(void);
} faults[] = {
    { "null", fault_null_write }, { "ud", fault_invalid_opcode }, { "stack", fault_stack },
    { "div", fault_divide },      { "wx", fault_execute_data },   { "ro", fault_write_rodata },
    { "sse", fault_sse },         { "panic", fault_panic },
};

/* The i-th name: the crashes, then what other layers add. */
static const char *fault_name(unsigned i)
{
    if (i < ARRAY_SIZE(faults))
        return faults[i].name;
    i -= ARRAY_SIZE(faults);
    return i < (size_t)(fault_points_end - fault_points_start) ? fault_points_start[i].name : NULL;
}

static int cause(struct console *con, unsigned i)
{
    struct json j;

    if (i < ARRAY_SIZE(faults)) {
        faults[i].run();
        return console_error(con, "%s: nothing happened, which is a bug", faults[i].name);
    }
    softirq_disable();
    fault_points_start[i - ARRAY_SIZE(faults)].run();
    softirq_enable();
    if (con->json) {
        console_json(con, &j);
        json_str(&j, "fault", fault_name(i));
        json_end(&j);
    }
    return 0;
}

static int cmd_fault(struct console *con, int argc, char **argv)
{
    if (!allowed)
        return console_error(con, "not allowed; it needs fault=on in tophalf.cfg");
    if (argc != 2)
        return console_error(con, "say which one; Tab lists them");
    for (unsigned i = 0; fault_name(i) != NULL; i++) {
        if (strcmp(argv[1], fault_name(i)) == 0)
            return cause(con, i);
    }
    return console_error(con, "there is no fault \"%s\"; Tab lists them", argv[1]);
}
CONSOLE_COMMAND_COMPLETE(fault, "fault kind",
                         "crash, or break something, on purpose; needs fault=on in tophalf.cfg",
                         cmd_fault, fault_name);
