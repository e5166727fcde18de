/* The few macros that every file may use. Any context. */
#ifndef KERNEL_LIB_H
#define KERNEL_LIB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a)      (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)          ((a) < (b) ? (a) : (b))
#define MAX(a, b)          ((a) > (b) ? (a) : (b))
#define ALIGN_UP(x, to)    (((x) + ((to)-1)) & ~((__typeof__(x))(to)-1)) /* to: power of two */
#define ALIGN_DOWN(x, to)  ((x) & ~((__typeof__(x))(to)-1))
#define IS_POWER_OF_TWO(x) ((x) != 0 && ((x) & ((x)-1)) == 0)

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* Shared memory is read and written exactly once, where the code says so. */
#define READ_ONCE(x)     (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))

#define NS_PER_SEC 1000000000ull
#define NS_PER_MS  1000000ull
#define NS_PER_US  1000ull

#define PAGE_SIZE 4096ul
#define PAGE_2M   (2ul << 20)

#endif
