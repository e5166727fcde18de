/*
 * The kernel's first instructions, and its stacks.
 *
 * The loader jumps here as boot/bootinfo.h says: long mode, the image mapped where it is linked,
 * .bss zeroed, interrupts off, RDI = virtual address of struct boot_info.
 */

#define PAGE         4096
#define BOOT_STACK   (16 * PAGE) /* boot, then the main loop, with softirqs and top halves on it */
#define IST_STACK    (2 * PAGE)  /* reports a fault and does not return */

        .section .text.entry, "ax", @progbits
        .type   kernel_entry, @function
        .globl  kernel_entry
kernel_entry:
        cli
        cld
        movq    $boot_stack_top, %rsp
        xorl    %ebp, %ebp      /* no caller and no frame above: backtraces end here */
        pushq   $0
        jmp     kmain           /* RDI is its argument */
        .size   kernel_entry, . - kernel_entry

        /*
         * Each stack has a page below it that paging.c leaves unmapped, so that an overflow
         * faults instead of overwriting what lies there. The table is in stacks.h.
         */
        .macro  stack name, bytes
        .balign PAGE
        .skip   PAGE
        .globl  \name\()_bottom, \name\()_top
\name\()_bottom:
        .skip   \bytes
\name\()_top:
        .endm

        .section .stacks, "aw", @nobits
        stack   boot_stack, BOOT_STACK
        stack   double_fault_stack, IST_STACK
        stack   nmi_stack, IST_STACK
        stack   machine_check_stack, IST_STACK

        .section .note.GNU-stack, "", @progbits
