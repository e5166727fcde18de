/*
 * lwIP's place for performance measurements (LWIP_PERF): PERF_START stands where tcp_input() and
 * udp_input() begin. That is a stage of the packet trace.
 */
#ifndef NET_PORT_ARCH_PERF_H
#define NET_PORT_ARCH_PERF_H

#include <drivers/trace.h>

/* It stands in pbuf_free() too, which is not on a packet's way up; the compiler decides. */
#define PERF_START                                                                                 \
    do {                                                                                           \
        if (__builtin_strcmp(__func__, "pbuf_free") != 0)                                          \
            trace_point(TRACE_TRANSPORT);                                                          \
    } while (0)
#define PERF_STOP(name)                                                                            \
    do {                                                                                           \
    } while (0)

#endif
