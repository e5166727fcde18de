/* The command `fault`: crashes on purpose. Private to kernel/. */
#ifndef KERNEL_FAULT_H
#define KERNEL_FAULT_H

void fault_init(void); /* boot, after config_init(): fault=on allows it */

#endif
