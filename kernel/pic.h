/* The two 8259A interrupt controllers: only to keep them quiet. Private to kernel/. Boot. */
#ifndef KERNEL_PIC_H
#define KERNEL_PIC_H

#define PIC_VECTOR_BASE                                                                            \
    0x20 /* 16 vectors: a spurious IRQ 7 or 15 can still come, and be counted                      \
          */

void pic_mask_all(void);

#endif
