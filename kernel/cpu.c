/*
 * The CPU's own tables and switches: GDT, TSS, GS base, control registers, features.
 *
 * Sources: Intel SDM vol 3 §2.5 (control registers), §3.4.5 and §3.5 (descriptors), §7.7 (the
 * 64-bit TSS), §6.14.5 (interrupt stack table), §11.12 (PAT); vol 2A CPUID.
 */
#include "stacks.h"
#include "trap.h"
#include <kernel/cpu.h>
#include <kernel/cputime.h>
#include <kernel/panic.h>
#include <string.h>

#define CR0_PE (1ul << 0)
#define CR0_EM (1ul << 2) /* x87 is #NM, SSE is #UD */
#define CR0_ET (1ul << 4)
#define CR0_NE (1ul << 5)
#define CR0_WP (1ul << 16) /* read-only pages are so for the kernel too */
#define CR0_PG (1ul << 31)

#define CR4_PAE  (1ul << 5)
#define CR4_MCE  (1ul << 6) /* without it a machine check shuts the CPU down unreported */
#define CR4_PGE  (1ul << 7)
#define CR4_UMIP (1ul << 11)
#define CR4_LA57 (1ul << 12)
#define CR4_SMEP (1ul << 20)
#define CR4_SMAP (1ul << 21)

#define MSR_PAT     0x277
#define MSR_EFER    0xc0000080
#define MSR_GS_BASE 0xc0000101
#define EFER_NXE    (1ul << 11)
#define PAT_DEFAULT 0x0007040600070406ul /* as after reset: PCD and PWT together mean UC */

#define SELECTOR_CODE 0x08
#define SELECTOR_DATA 0x10
#define SELECTOR_TSS  0x18

#define SEGMENT_CODE64      0x00af9b000000ffffull
#define SEGMENT_DATA        0x00cf93000000ffffull
#define DESCRIPTOR_TSS_TYPE (0x89ull << 40) /* present, available 64-bit TSS */

struct __attribute__((packed)) tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7]; /* IST n is ist[n - 1] */
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map_base; /* at the limit: there is none */
};

_Static_assert(sizeof(struct tss) == 104, "SDM vol 3 figure 7-11");

extern const char boot_stack_bottom[], boot_stack_top[];
extern const char double_fault_stack_bottom[], double_fault_stack_top[];
extern const char nmi_stack_bottom[], nmi_stack_top[];
extern const char machine_check_stack_bottom[], machine_check_stack_top[];

#define STACK(name_, symbol)                                                                       \
    {                                                                                              \
        .name = name_, .bottom = (uint64_t)symbol##_bottom, .top = (uint64_t)symbol##_top          \
    }

const struct stack_range kernel_stacks[STACK_COUNT] = {
    [STACK_BOOT] = STACK("main stack", boot_stack),
    [STACK_DOUBLE_FAULT] = STACK("double fault stack", double_fault_stack),
    [STACK_NMI] = STACK("NMI stack", nmi_stack),
    [STACK_MACHINE_CHECK] = STACK("machine check stack", machine_check_stack),
};

struct cpu_features cpu_features;

static struct cpu boot_cpu;
static struct tss boot_tss;
static uint64_t gdt[5];

static void features_read_basic(struct cpu_features *f)
{
    uint32_t r[4], max_leaf;

    cpuid(0, 0, r);
    max_leaf = r[0];
    cpuid(1, 0, r);
    f->x2apic = r[2] & (1u << 21);
    f->tsc_deadline = r[2] & (1u << 24);
    f->rdrand = r[2] & (1u << 30);
    if (max_leaf < 7)
        return;
    cpuid(7, 0, r);
    f->smep = r[1] & (1u << 7);
    f->erms = r[1] & (1u << 9);
    f->rdseed = r[1] & (1u << 18);
    f->smap = r[1] & (1u << 20);
    f->umip = r[2] & (1u << 2);
}

static void features_read_extended(struct cpu_features *f)
{
    uint32_t r[4], max_leaf, brand[12] = { 0 };
    const char *text = (const char *)brand;
    size_t blanks = 0;

    cpuid(0x80000000, 0, r);
    max_leaf = r[0];
    cpuid(0x80000001, 0, r);
    f->nx = r[3] & (1u << 20);
    f->page_1g = r[3] & (1u << 26);
    if (max_leaf >= 0x80000007) {
        cpuid(0x80000007, 0, r);
        f->invariant_tsc = r[3] & (1u << 8);
    }
    if (max_leaf < 0x80000004)
        return;
    for (unsigned i = 0; i < 3; i++)
        cpuid(0x80000002 + i, 0, &brand[4 * i]);
    while (blanks < sizeof(brand) && text[blanks] == ' ') /* some are right-aligned */
        blanks++;
    memcpy(f->brand, text + blanks, sizeof(brand) - blanks);
}

static void load_gdt(void)
{
    struct __attribute__((packed)) {
        uint16_t limit;
        const void *base;
    } gdtr = { sizeof(gdt) - 1, gdt };
    uint64_t tss = (uint64_t)&boot_tss;

    gdt[SELECTOR_CODE / 8] = SEGMENT_CODE64;
    gdt[SELECTOR_DATA / 8] = SEGMENT_DATA;
    gdt[SELECTOR_TSS / 8] = (sizeof(boot_tss) - 1) | (tss & 0xffffff) << 16 | DESCRIPTOR_TSS_TYPE |
                            (tss >> 24 & 0xff) << 56;
    gdt[SELECTOR_TSS / 8 + 1] = tss >> 32;

    __asm__ volatile("lgdt %0\n\t"
                     "pushq %1\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n" /* the one way to load CS */
                     "1:\n\t"
                     "movl %2, %%ds\n\t"
                     "movl %2, %%es\n\t"
                     "movl %2, %%ss\n\t"
                     "movl %3, %%fs\n\t"
                     "movl %3, %%gs\n\t"
                     :
                     : "m"(gdtr), "i"(SELECTOR_CODE), "r"(SELECTOR_DATA), "r"(0)
                     : "rax", "memory");
}

static void load_tss(void)
{
    boot_tss.ist[TRAP_IST_DOUBLE_FAULT - 1] = kernel_stacks[STACK_DOUBLE_FAULT].top;
    boot_tss.ist[TRAP_IST_NMI - 1] = kernel_stacks[STACK_NMI].top;
    boot_tss.ist[TRAP_IST_MACHINE_CHECK - 1] = kernel_stacks[STACK_MACHINE_CHECK].top;
    boot_tss.io_map_base = sizeof(boot_tss);
    __asm__ volatile("ltr %w0" : : "r"(SELECTOR_TSS) : "memory");
}

/* From scratch, so that nothing of the firmware's choice stays: no FPU state, no SYSCALL. */
static void set_control_registers(void)
{
    unsigned long old_cr4, cr4 = CR4_PAE | CR4_MCE | CR4_PGE;
    unsigned long cr0 = CR0_PE | CR0_EM | CR0_ET | CR0_NE | CR0_WP | CR0_PG;

    __asm__ volatile("movq %%cr4, %0" : "=r"(old_cr4));
    if (old_cr4 & CR4_LA57)
        panic("cpu: the loader left 5-level paging on");
    if (!cpu_features.nx)
        panic("cpu: no NX bit: memory can not be protected");
    cr4 |= cpu_features.smep ? CR4_SMEP : 0;
    cr4 |= cpu_features.smap ? CR4_SMAP : 0;
    cr4 |= cpu_features.umip ? CR4_UMIP : 0;
    wrmsr(MSR_EFER, (rdmsr(MSR_EFER) & ~1ul) | EFER_NXE); /* bit 0: SYSCALL */
    wrmsr(MSR_PAT, PAT_DEFAULT);
    __asm__ volatile("movq %0, %%cr4" : : "r"(cr4) : "memory");
    __asm__ volatile("movq %0, %%cr0" : : "r"(cr0) : "memory");
}

void cpu_init(void)
{
    load_gdt();
    boot_cpu.self = &boot_cpu;
    wrmsr(MSR_GS_BASE, (uint64_t)&boot_cpu); /* after load_gdt(): loading GS clears it */
    cputime_start(&boot_cpu);
    load_tss();
    trap_init(); /* before anything that could fault */
    features_read_basic(&cpu_features);
    features_read_extended(&cpu_features);
    set_control_registers();
}

bool cpu_is_up(void)
{
    return rdmsr(MSR_GS_BASE) == (uint64_t)&boot_cpu;
}
