/*
 * ELF64 BPF objects, as `clang -target bpf` makes them of what people write with <linux/bpf.h> and
 * libbpf's <bpf/bpf_helpers.h>: programs in SEC("xdp") (and "xdp/name"), BTF-defined maps in .maps
 * (or the older `maps` section), .rodata/.data/.bss, functions called across .text, a license. All
 * of it is untrusted: a damaged or hostile object gets one clear line and changes nothing.
 */
#ifndef NET_BPF_OBJECT_H
#define NET_BPF_OBJECT_H

#include "prog.h"

#define BPF_OBJECT_BYTES_MAX (1u << 20)
#define BPF_OBJECT_PROGS_MAX 16u
#define BPF_OBJECT_MAPS_MAX  BPF_PROG_MAPS_MAX

struct bpf_object {
    char name[BPF_PROG_NAME_MAX];
    struct bpf_prog
        *progs[BPF_OBJECT_PROGS_MAX]; /* in the order of the file; a reference of each */
    unsigned prog_count;
    struct bpf_map *maps[BPF_OBJECT_MAPS_MAX]; /* likewise */
    unsigned map_count;
};

/*
 * Read the object, create its maps with their first contents, verify, compile and register its
 * programs. False: the log has one line that says what is wrong (behind it, from level 1, the
 * verifier's), and nothing is left of it. The file's bytes are not needed afterwards. Main context,
 * softirqs enabled; it takes milliseconds, and packets go on meanwhile.
 */
bool bpf_object_load(struct bpf_object *object, const void *file, size_t bytes, const char *name,
                     struct bpf_log *log);

/* Let go of everything; what is attached or used otherwise stays until that lets go of it. Main
 * context, softirqs enabled. */
void bpf_object_put(struct bpf_object *object);

#endif
