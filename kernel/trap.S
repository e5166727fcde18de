/*
 * What the CPU jumps to: one stub of 16 bytes for each vector, so that the IDT can be filled by
 * counting. There is no user mode: GS always holds this CPU's struct, no SWAPGS is needed.
 *
 * (The lecture: "Interrupt handling": the CPU's context is saved, the handler runs, the context
 * is restored.)
 */

/* Vectors at which the CPU itself pushes an error code (Intel SDM vol 3 table 6-1). */
#define HAS_ERROR_CODE(v) ((v) == 8 || ((v) >= 10 && (v) <= 14) || (v) == 17 || (v) == 21 || \
                           (v) == 29 || (v) == 30)

        .text

        .type   trap_stubs, @function
        .globl  trap_stubs
        .balign 16
trap_stubs:
        .set    v, 0
        .rept   32
        .balign 16, 0xcc
        .if     !(HAS_ERROR_CODE(v))
        pushq   $0
        .endif
        pushq   $v
        jmp     trap_common
        .set    v, v + 1
        .endr

        /*
         * Interrupts: as few instructions as the C calling convention allows, since this is
         * the fixed price of every top half. RBP and the RIP above it make a proper frame for
         * backtraces; the copy of RDI below RBP only keeps the stack 16-byte aligned, and is
         * dropped by LEAVE. No code of ours sets the direction flag, so it needs no CLD.
         */
        .rept   256 - 32
        .balign 16, 0xcc
        pushq   %rbp
        movq    %rsp, %rbp
        pushq   %rdi
        pushq   %rdi
        movl    $v, %edi
        jmp     irq_common
        .set    v, v + 1
        .endr
        .org    trap_stubs + 256 * 16, 0xcc /* fails to assemble if a stub is longer than 16 */
        .size   trap_stubs, . - trap_stubs

        .type   irq_common, @function
        .globl  irq_common
irq_common:
        pushq   %rsi
        pushq   %rdx
        pushq   %rcx
        pushq   %rax
        pushq   %r8
        pushq   %r9
        pushq   %r10
        pushq   %r11
        call    irq_dispatch
        .globl  irq_common_return
irq_common_return:
        popq    %r11
        popq    %r10
        popq    %r9
        popq    %r8
        popq    %rax
        popq    %rcx
        popq    %rdx
        popq    %rsi
        popq    %rdi
        leave
        iretq
        .size   irq_common, . - irq_common

        /* Exceptions: everything is kept for the report; see struct trap_frame. */
        .type   trap_common, @function
        .balign 16, 0xcc
trap_common:
        pushq   %rax
        pushq   %rcx
        pushq   %rdx
        pushq   %rbx
        pushq   %rbp
        pushq   %rsi
        pushq   %rdi
        pushq   %r8
        pushq   %r9
        pushq   %r10
        pushq   %r11
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        cld
        movq    %rsp, %rdi
        call    trap_handle
        ud2
        .size   trap_common, . - trap_common

        .section .note.GNU-stack, "", @progbits
