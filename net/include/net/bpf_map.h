/* eBPF maps for apps: net/bpf/map.h is the interface, this makes it the layer's public one. */
#ifndef NET_BPF_MAP_PUBLIC_H
#define NET_BPF_MAP_PUBLIC_H

#include "../../bpf/map.h"

#endif
