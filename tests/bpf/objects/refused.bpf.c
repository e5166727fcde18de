/* One reason to refuse an object in each CASE_. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#if defined(CASE_frags)
SEC("xdp.frags") int program(struct xdp_md *ctx)
#elif defined(CASE_devmap)
SEC("xdp/devmap") int program(struct xdp_md *ctx)
#elif defined(CASE_cpumap)
SEC("xdp/cpumap") int program(struct xdp_md *ctx)
#elif defined(CASE_tc)
SEC("tc") int program(struct xdp_md *ctx)
#elif defined(CASE_static)
static SEC("xdp") int program(struct xdp_md *ctx)
#elif defined(CASE_text)
int program(struct xdp_md *ctx)
#elif defined(CASE_extern)
extern const int setting;
SEC("xdp") int program(struct xdp_md *ctx)
#elif defined(CASE_kfunc)
extern int kernel_function(struct xdp_md *ctx);
SEC("xdp") int program(struct xdp_md *ctx)
#elif defined(CASE_callback)
static long callback(__u32 i, void *ctx)
{
    return i > 3 && ctx;
}
SEC("xdp") int program(struct xdp_md *ctx)
#elif defined(CASE_core)
struct task_struct {
    int pid;
} __attribute__((preserve_access_index));
SEC("xdp") int program(struct xdp_md *ctx)
#elif defined(CASE_core_part)
struct iphdr {
    __u32 saddr;
} __attribute__((preserve_access_index));
SEC("xdp") int program(struct xdp_md *ctx)
#elif defined(CASE_map_type)
struct {
    __uint(type, BPF_MAP_TYPE_STACK_TRACE);
    __uint(max_entries, 4);
    __uint(key_size, 4);
    __uint(value_size, 4);
} map SEC(".maps");
SEC("xdp") int program(struct xdp_md *ctx)
#elif defined(CASE_map_number)
struct {
    __uint(type, 99);
    __uint(max_entries, 4);
    __uint(key_size, 4);
    __uint(value_size, 4);
} map SEC(".maps");
SEC("xdp") int program(struct xdp_md *ctx)
#elif defined(CASE_map_member)
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(colour, 4);
} map SEC(".maps");
SEC("xdp") int program(struct xdp_md *ctx)
#elif defined(CASE_map_sizes)
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, __u32);
    __uint(key_size, 8);
} map SEC(".maps");
SEC("xdp") int program(struct xdp_md *ctx)
#elif defined(CASE_map_static)
static struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 4);
    __type(key, __u32);
    __type(value, __u32);
} map SEC(".maps");
SEC("xdp") int program(struct xdp_md *ctx)
#elif defined(CASE_map_value)
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4);
    __type(key, __u32);
} map SEC(".maps");
SEC("xdp") int program(struct xdp_md *ctx)
#elif defined(CASE_values)
int program(struct xdp_md *ctx);
struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 2);
    __type(key, __u32);
    __array(values, int(struct xdp_md *));
} map SEC(".maps") = { .values = { [2] = program } };
SEC("xdp") int program(struct xdp_md *ctx)
#elif defined(CASE_values_function)
__noinline int function(struct xdp_md *ctx)
{
    return ctx->rx_queue_index == 4;
}
struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 2);
    __type(key, __u32);
    __array(values, int(struct xdp_md *));
} map SEC(".maps") = { .values = { [1] = function } };
SEC("xdp") int program(struct xdp_md *ctx)
#endif
{
#if defined(CASE_extern)
    return setting + (int)ctx->rx_queue_index;
#elif defined(CASE_kfunc)
    return kernel_function(ctx);
#elif defined(CASE_callback)
    return (int)bpf_loop(ctx->rx_queue_index, callback, ctx, 0);
#elif defined(CASE_core)
    return ((struct task_struct *)ctx)->pid;
#elif defined(CASE_core_part)
    return ((struct iphdr *)ctx)->saddr;
#elif defined(CASE_map_static)
    __u32 key = ctx->rx_queue_index;

    return bpf_map_lookup_elem(&map, &key) ? XDP_DROP : XDP_PASS;
#else
    return ctx->rx_queue_index == 3 ? XDP_DROP : XDP_PASS;
#endif
}

char _license[] SEC("license") = "Proprietary";
