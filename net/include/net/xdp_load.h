/*
 * Objects with XDP programs: where they come from, and which one is loaded. Loading one verifies
 * and compiles all of its programs, attaches one of them, and lets go of the object before; its
 * other programs stay, to be put into a prog_array. Main context, softirqs enabled.
 */
#ifndef NET_XDP_LOAD_H
#define NET_XDP_LOAD_H

#include <boot/bootinfo.h>
#include <kernel/lib.h>

struct bpf_log;

/* The i-th file of the boot volume's folder xdp/, as the loader has read it; NULL past the end. Any
 * context. */
const struct boot_program *xdp_object_at(unsigned i);

/* "firewall.o" or "firewall": that file. NULL: there is none. */
const struct boot_program *xdp_object_find(const char *name);

/* Load an object and attach its program of that name, or that stands in the section of that name
 * ("xdp/name"); NULL: its first. False: the log says why, in a line that ends the first time, and
 * what was loaded and attached before still is. */
bool xdp_load(const void *file, size_t bytes, const char *name, const char *program,
              struct bpf_log *log);

/* The same of a file of the boot volume. */
bool xdp_load_file(const char *name, const char *program, struct bpf_log *log);

/* The same for apps: what is wrong is in the kernel's log; *why is a constant sentence. */
bool xdp_attach_object(const char *name, const char **why);

/* Detach what is attached, and let go of the object. */
void xdp_unload(void);

/* What xdp= names. What is wrong with it is one line in the log, and the system goes on without.
 * Boot, after xdp_init(). */
void xdp_load_configured(void);

#endif
