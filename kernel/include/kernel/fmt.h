/*
 * printf-style formatting into a buffer: %d %i %u %x %X %o %c %s %p %% with flags "-0+ #",
 * width and precision (also '*'), lengths hh h l ll z t j. No floating point. Pure code, any
 * context.
 */
#ifndef KERNEL_FMT_H
#define KERNEL_FMT_H

#include <stdarg.h>
#include <stddef.h>

/* As C's snprintf: always terminated when size > 0; returns the length that was wanted. */
int fmt_snprintf(char *buf, size_t size, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int fmt_vsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

#endif
