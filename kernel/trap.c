/*
 * The IDT, and what an exception has to say. None is resumed: here, every one is a bug.
 *
 * Sources: Intel SDM vol 3 §6.14 (64-bit IDT), §6.15 (each exception), §4.7 (page fault error
 * code), §6.13 (error codes with a selector), §15.3 (machine check banks).
 */
#include "image.h"
#include "report.h"
#include "stacks.h"
#include "trap.h"
#include <kernel/cpu.h>
#include <kernel/page.h>

#define VECTOR_NMI           2
#define VECTOR_DOUBLE_FAULT  8
#define VECTOR_PAGE_FAULT    14
#define VECTOR_MACHINE_CHECK 18

#define GATE_INTERRUPT 0x8e /* present, ring 0, interrupts off */
#define SELECTOR_CODE  0x08 /* cpu.c */

#define PF_PRESENT  (1u << 0)
#define PF_WRITE    (1u << 1)
#define PF_RESERVED (1u << 3)
#define PF_FETCH    (1u << 4)

#define MSR_MCG_CAP    0x179
#define MSR_MC0_STATUS 0x401
#define MC_STATUS_VAL  (1ull << 63)

struct gate {
    uint16_t offset_low, selector;
    uint8_t ist, type;
    uint16_t offset_middle;
    uint32_t offset_high, reserved;
};

_Static_assert(sizeof(struct gate) == 16, "SDM vol 3 figure 6-8");

static struct gate idt[TRAP_VECTORS] __attribute__((aligned(16)));

extern const char trap_stubs[]; /* 16 bytes each */

static const char *const exception_names[TRAP_EXCEPTIONS] = {
    [0] = "divide error (#DE)",
    [1] = "debug exception (#DB)",
    [2] = "non-maskable interrupt (NMI)",
    [3] = "breakpoint (#BP)",
    [4] = "overflow (#OF)",
    [5] = "bound range exceeded (#BR)",
    [6] = "invalid opcode (#UD)",
    [7] = "no x87 or SSE in the kernel (#NM)",
    [8] = "double fault (#DF)",
    [10] = "invalid TSS (#TS)",
    [11] = "segment not present (#NP)",
    [12] = "stack segment fault (#SS)",
    [13] = "general protection fault (#GP)",
    [14] = "page fault (#PF)",
    [16] = "x87 error (#MF)",
    [17] = "alignment check (#AC)",
    [18] = "machine check (#MC)",
    [19] = "SIMD error (#XM)",
    [20] = "virtualization exception (#VE)",
    [21] = "control protection fault (#CP)",
    [28] = "hypervisor injection (#HV)",
    [29] = "VMM communication (#VC)",
    [30] = "security exception (#SX)",
};

static void set_gate(unsigned vector, uint8_t ist)
{
    uint64_t stub = (uint64_t)trap_stubs + 16ull * vector;

    idt[vector] = (struct gate){
        .offset_low = (uint16_t)stub,
        .offset_middle = (uint16_t)(stub >> 16),
        .offset_high = (uint32_t)(stub >> 32),
        .selector = SELECTOR_CODE,
        .type = GATE_INTERRUPT,
        .ist = ist,
    };
}

void trap_init(void)
{
    const struct __attribute__((packed)) {
        uint16_t limit;
        const void *base;
    } idtr = { sizeof(idt) - 1, idt };

    for (unsigned vector = 0; vector < TRAP_VECTORS; vector++)
        set_gate(vector, 0);
    set_gate(VECTOR_DOUBLE_FAULT, TRAP_IST_DOUBLE_FAULT);
    set_gate(VECTOR_NMI, TRAP_IST_NMI);
    set_gate(VECTOR_MACHINE_CHECK, TRAP_IST_MACHINE_CHECK);
    __asm__ volatile("lidt %0" : : "m"(idtr));
}

static uint64_t read_cr2(void)
{
    uint64_t v;
    __asm__ volatile("movq %%cr2, %0" : "=r"(v));
    return v;
}

static uint64_t read_cr3(void)
{
    uint64_t v;
    __asm__ volatile("movq %%cr3, %0" : "=r"(v));
    return v;
}

/* The stack whose guard page holds this address, or NULL. */
static const char *guarded_stack(uint64_t address)
{
    for (unsigned i = 0; i < STACK_COUNT; i++)
        if (address < kernel_stacks[i].bottom && address >= kernel_stacks[i].bottom - PAGE_SIZE)
            return kernel_stacks[i].name;
    return NULL;
}

static bool within(uint64_t address, const char *start, const char *end)
{
    return address >= (uint64_t)start && address < (uint64_t)end;
}

static const char *describe_address(uint64_t address)
{
    if (address < PAGE_SIZE)
        return "in the NULL page";
    if (within(address, text_start, text_end))
        return "in the kernel's text";
    if (within(address, rodata_start, rodata_end))
        return "in the kernel's read-only data";
    if (within(address, data_start, data_end))
        return "in the kernel's data";
    if (address >= BOOT_PHYSMAP_BASE && address < PAGING_MMIO_BASE)
        return "in the direct map";
    if (address >= PAGING_MMIO_BASE && address < PAGING_MMIO_END)
        return "in device memory";
    return "in no known range";
}

static void report_page_fault(uint64_t error, uint64_t address)
{
    const char *stack = guarded_stack(address);
    const char *access = error & PF_FETCH   ? "instruction fetch from"
                         : error & PF_WRITE ? "write to"
                                            : "read from";
    const char *why = error & PF_RESERVED  ? "reserved bit set in a page table"
                      : error & PF_PRESENT ? "not allowed by the page's rights"
                                           : "page not mapped";

    report_printf("%s 0x%016llx: %s; ", access, (unsigned long long)address, why);
    if (stack != NULL)
        report_printf("in the guard page below the %s: stack overflow\n", stack);
    else
        report_printf("%s\n", describe_address(address));
}

/* #TS, #NP, #SS, #GP: which descriptor, if any (SDM vol 3 §6.13). */
static void report_selector(uint64_t error)
{
    static const char *const tables[] = { "GDT", "IDT", "LDT", "IDT" };

    if (error != 0)
        report_printf("%s entry 0x%llx%s\n", tables[error >> 1 & 3],
                      (unsigned long long)(error >> 3 & 0x1fff),
                      error & 1 ? ", while delivering an event" : "");
}

static void report_double_fault(const struct trap_frame *frame, uint64_t cr2)
{
    const char *stack = guarded_stack(cr2);

    if (stack == NULL)
        stack = guarded_stack(frame->rsp - 1);
    if (stack != NULL)
        report_printf("the guard page below the %s was hit: stack overflow\n", stack);
}

static void report_machine_check(void)
{
    unsigned banks = rdmsr(MSR_MCG_CAP) & 0xff;

    for (unsigned i = 0; i < banks; i++) {
        uint64_t status = rdmsr(MSR_MC0_STATUS + 4 * i);

        if (status & MC_STATUS_VAL)
            report_printf("bank %u: status 0x%016llx\n", i, (unsigned long long)status);
    }
}

static void report_cause(const struct trap_frame *frame, uint64_t cr2)
{
    switch (frame->vector) {
    case VECTOR_DOUBLE_FAULT:
        report_double_fault(frame, cr2);
        break;
    case VECTOR_PAGE_FAULT:
        report_page_fault(frame->error, cr2);
        break;
    case VECTOR_MACHINE_CHECK:
        report_machine_check();
        break;
    case 10: /* #TS, #NP, #SS, #GP */
    case 11:
    case 12:
    case 13:
        report_selector(frame->error);
        break;
    default:
        break;
    }
}

static void report_registers(const struct trap_frame *f, uint64_t cr2)
{
    const struct {
        const char *name;
        uint64_t value;
    } registers[] = {
        { "rip", f->rip }, { "rsp", f->rsp },     { "rbp", f->rbp }, { "rax", f->rax },
        { "rbx", f->rbx }, { "rcx", f->rcx },     { "rdx", f->rdx }, { "rsi", f->rsi },
        { "rdi", f->rdi }, { "r8", f->r8 },       { "r9", f->r9 },   { "r10", f->r10 },
        { "r11", f->r11 }, { "r12", f->r12 },     { "r13", f->r13 }, { "r14", f->r14 },
        { "r15", f->r15 }, { "rfl", f->rflags },  { "cs", f->cs },   { "ss", f->ss },
        { "cr2", cr2 },    { "cr3", read_cr3() },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(registers); i++)
        report_printf("%s%3s %016llx", i % 3 == 0 ? (i == 0 ? "" : "\n") : "  ", registers[i].name,
                      (unsigned long long)registers[i].value);
    report_printf("\n");
}

_Noreturn void trap_handle(const struct trap_frame *frame)
{
    uint64_t cr2 = read_cr2(); /* before anything can fault again */
    const char *name = NULL;

    if (frame->vector < TRAP_EXCEPTIONS)
        name = exception_names[frame->vector];
    if (name == NULL)
        name = "reserved exception";

    report_begin(name, frame->rip);
    report_printf("\n*** exception %llu: %s, error code 0x%llx, at ",
                  (unsigned long long)frame->vector, name, (unsigned long long)frame->error);
    report_symbol(frame->rip);
    report_printf("\n");
    report_cause(frame, cr2);
    report_context();
    report_registers(frame, cr2);
    report_backtrace(frame->rip, frame->rsp, frame->rbp);
    report_end();
}
