/*
 * Random numbers: ChaCha20 (RFC 8439 §2.3) keyed from RDSEED or RDRAND, or, where the CPU has
 * neither, from timing jitter, which the log then says plainly. Main or softirq context.
 */
#ifndef KERNEL_RAND_H
#define KERNEL_RAND_H

#include <stddef.h>
#include <stdint.h>

void rand_init(void);
void rand_bytes(void *buf, size_t bytes);
uint32_t rand_u32(void);
const char *rand_source(void); /* "rdseed", "rdrand" or "jitter" */

#endif
