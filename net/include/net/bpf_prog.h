/* eBPF programs and logs for apps: net/bpf/prog.h is the interface, this makes it the layer's
 * public one. */
#ifndef NET_BPF_PROG_PUBLIC_H
#define NET_BPF_PROG_PUBLIC_H

#include "../../bpf/prog.h"

#endif
