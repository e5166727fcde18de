/* The part of <stdlib.h> that lwIP uses; kernel/libc/string.c. Any context. */
#ifndef LIBC_STDLIB_H
#define LIBC_STDLIB_H

#include <stddef.h>

int atoi(const char *s);
unsigned long strtoul(const char *s, char **end, int base);

#endif
