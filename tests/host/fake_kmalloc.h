/* kmalloc for host tests: the C library's heap, counted, and short of memory on demand. */
#ifndef TESTS_FAKE_KMALLOC_H
#define TESTS_FAKE_KMALLOC_H

extern unsigned fake_kmalloc_live; /* objects handed out and not freed */

/* The n-th allocation from now on (1: the next) fails, once; 0: none. */
extern unsigned fake_kmalloc_fail_in;

#endif
