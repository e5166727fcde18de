/*
 * The 8259As (Intel 8259A datasheet, "Initialization Command Words"). All lines go through the
 * I/O APICs. The pair is moved off the CPU's exceptions before it is masked, because even a
 * masked 8259 may report a spurious IRQ 7, which by default would look like a double fault.
 */
#include "pic.h"
#include <kernel/io.h>

#define PIC1_COMMAND 0x20
#define PIC1_DATA    0x21
#define PIC2_COMMAND 0xa0
#define PIC2_DATA    0xa1

#define ICW1_INIT_ICW4 0x11 /* edge triggered, cascaded, ICW4 follows */
#define ICW4_8086      0x01

void pic_mask_all(void)
{
    out8(PIC1_COMMAND, ICW1_INIT_ICW4);
    out8(PIC2_COMMAND, ICW1_INIT_ICW4);
    out8(PIC1_DATA, PIC_VECTOR_BASE);
    out8(PIC2_DATA, PIC_VECTOR_BASE + 8);
    out8(PIC1_DATA, 1 << 2); /* the second hangs on line 2 */
    out8(PIC2_DATA, 2);
    out8(PIC1_DATA, ICW4_8086);
    out8(PIC2_DATA, ICW4_8086);
    out8(PIC1_DATA, 0xff);
    out8(PIC2_DATA, 0xff);
}
