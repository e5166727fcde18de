/* What eBPF programs send out, for apps: net/bpf/events.h is the interface, this makes it the
 * layer's public one. */
#ifndef NET_BPF_EVENTS_PUBLIC_H
#define NET_BPF_EVENTS_PUBLIC_H

#include "../../bpf/events.h"

#endif
