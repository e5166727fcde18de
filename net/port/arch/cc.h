/*
 * lwIP's view of compiler and machine (lwIP doc/sys_arch.txt): types, assertions, random numbers,
 * checksums. Also built on the host, where the C library stands beneath.
 */
#ifndef NET_PORT_ARCH_CC_H
#define NET_PORT_ARCH_CC_H

#include <chksum.h>
#include <kernel/context.h>
#include <kernel/panic.h>
#include <kernel/rand.h>
#include <stdint.h>

#if __STDC_HOSTED__
#include <endian.h> /* BYTE_ORDER and its values, where the C library has them */
#include <limits.h>
#include <sys/types.h> /* ssize_t */
#else
#define LITTLE_ENDIAN 1234
#define BIG_ENDIAN    4321
#define BYTE_ORDER    LITTLE_ENDIAN /* x86-64 */
#define INT_MAX       __INT_MAX__
#endif

/* The kernel's own <string.h> and <stdlib.h> are all there is of a C library. */
#define LWIP_NO_INTTYPES_H 1
#define LWIP_NO_UNISTD_H   1
#define LWIP_NO_LIMITS_H   1
#define LWIP_NO_CTYPE_H    1
#define X8_F               "02x"
#define U16_F              "u"
#define S16_F              "d"
#define X16_F              "x"
#define U32_F              "u"
#define S32_F              "d"
#define X32_F              "x"
#define SZT_F              "zu"

/* Diagnostics are compiled out; what matters is counted (LWIP_STATS) and shown by `stats`. */
#define LWIP_PLATFORM_DIAG(x)                                                                      \
    do {                                                                                           \
    } while (0)

/* An assertion that fails is a bug of ours or lwIP's, never the network's doing. There are 300 of
 * them: in the kernel without file and line, for the backtrace has the function. */
#if __STDC_HOSTED__
#define LWIP_PLATFORM_ASSERT(message) panic("lwIP: %s (%s:%d)", message, __FILE__, __LINE__)
#else
_Noreturn void lwip_port_assertion_failed(const char *message);
#define LWIP_PLATFORM_ASSERT(message) lwip_port_assertion_failed(message)
#endif

/* A call that lwIP refuses: it returns an error to the caller; the log says so too. */
void lwip_port_error(const char *message);
#define LWIP_ERROR(message, expression, handler)                                                   \
    do {                                                                                           \
        if (!(expression)) {                                                                       \
            lwip_port_error(message);                                                              \
            handler;                                                                               \
        }                                                                                          \
    } while (0)

/* lwIP is not re-entrant: every entry to it is bottom-half code. (Host builds have one thread,
 * and lwIP's own unit tests no contexts.) */
#if !__STDC_HOSTED__
#include <kernel/cpu.h>
#define LWIP_ASSERT_CORE_LOCKED()                                                                  \
    LWIP_ASSERT("called outside of the bottom half",                                               \
                this_cpu()->in_softirq || this_cpu()->softirq_disabled > 0)
#endif

/* The pools: arrays of what they are for, none of which a device sees. */
#if !__STDC_HOSTED__
#include <kernel/page.h>
#define LWIP_DECLARE_MEMORY_ALIGNED(variable, bytes)                                               \
    LATE_BSS u8_t variable[LWIP_MEM_ALIGN_BUFFER(bytes)]
#endif

#define LWIP_RAND() rand_u32()

/* One instruction each, where lwIP would call a function. */
#define lwip_htons(x) __builtin_bswap16(x)
#define lwip_htonl(x) __builtin_bswap32(x)

/* net/port/chksum.c: 64 bits at a time */
#define LWIP_CHKSUM lwip_port_chksum

/* Packet data begins 14 bytes after an aligned address; x86 does not mind. */
#define PACK_STRUCT_STRUCT __attribute__((packed))

#endif
