/*
 * What each helper takes and gives, as Linux's struct bpf_func_proto and
 * check_map_func_compatibility() have it for XDP programs: data for the verifier.
 */
#include "helper.h"
#include <stddef.h>

#define MAP_BIT(type) (1u << BPF_MAP_TYPE_##type)
#define HELPER(n)     .id = BPF_FUNC_##n, .name = #n

/* Maps whose entries programs write */
#define STORAGE_MAPS                                                                               \
    (MAP_BIT(HASH) | MAP_BIT(ARRAY) | MAP_BIT(PERCPU_HASH) | MAP_BIT(PERCPU_ARRAY) |               \
     MAP_BIT(LRU_HASH) | MAP_BIT(LPM_TRIE))
#define READABLE_MAPS (STORAGE_MAPS | MAP_BIT(DEVMAP) | MAP_BIT(XSKMAP))

static const struct bpf_helper helpers[] = {
    { HELPER(map_lookup_elem), .ret = BPF_RET_MAP_VALUE_OR_NULL,
      .args = { BPF_ARG_MAP, BPF_ARG_MAP_KEY }, .maps = READABLE_MAPS, .packet_args = true },
    { HELPER(map_update_elem), .ret = BPF_RET_INTEGER,
      .args = { BPF_ARG_MAP, BPF_ARG_MAP_KEY, BPF_ARG_MAP_VALUE, BPF_ARG_ANYTHING },
      .maps = STORAGE_MAPS, .packet_args = true },
    { HELPER(map_delete_elem), .ret = BPF_RET_INTEGER, .args = { BPF_ARG_MAP, BPF_ARG_MAP_KEY },
      .maps = STORAGE_MAPS, .packet_args = true },
    { HELPER(ktime_get_ns), .ret = BPF_RET_INTEGER },
    { HELPER(trace_printk), .ret = BPF_RET_INTEGER, .args = { BPF_ARG_CONST_STR_MEM, BPF_ARG_SIZE },
      .gpl_only = true },
    { HELPER(get_prandom_u32), .ret = BPF_RET_INTEGER },
    { HELPER(get_smp_processor_id), .ret = BPF_RET_INTEGER },
    { HELPER(tail_call), .ret = BPF_RET_VOID,
      .args = { BPF_ARG_CTX, BPF_ARG_MAP, BPF_ARG_ANYTHING }, .maps = MAP_BIT(PROG_ARRAY),
      .moves_packet = true },
    { HELPER(redirect), .ret = BPF_RET_INTEGER, .args = { BPF_ARG_ANYTHING, BPF_ARG_ANYTHING } },
    { HELPER(perf_event_output), .ret = BPF_RET_INTEGER,
      .args = { BPF_ARG_CTX, BPF_ARG_MAP, BPF_ARG_ANYTHING, BPF_ARG_MEM, BPF_ARG_SIZE_OR_ZERO },
      .maps = MAP_BIT(PERF_EVENT_ARRAY), .gpl_only = true },
    { HELPER(csum_diff), .ret = BPF_RET_INTEGER,
      .args = { BPF_ARG_MEM_OR_NULL, BPF_ARG_SIZE_OR_ZERO, BPF_ARG_MEM_OR_NULL,
                BPF_ARG_SIZE_OR_ZERO, BPF_ARG_ANYTHING },
      .packet_args = true },
    { HELPER(xdp_adjust_head), .ret = BPF_RET_INTEGER, .args = { BPF_ARG_CTX, BPF_ARG_ANYTHING },
      .moves_packet = true },
    { HELPER(redirect_map), .ret = BPF_RET_INTEGER,
      .args = { BPF_ARG_MAP, BPF_ARG_ANYTHING, BPF_ARG_ANYTHING },
      .maps = MAP_BIT(DEVMAP) | MAP_BIT(XSKMAP) },
    { HELPER(xdp_adjust_meta), .ret = BPF_RET_INTEGER, .args = { BPF_ARG_CTX, BPF_ARG_ANYTHING },
      .moves_packet = true },
    { HELPER(xdp_adjust_tail), .ret = BPF_RET_INTEGER, .args = { BPF_ARG_CTX, BPF_ARG_ANYTHING },
      .moves_packet = true },
    { HELPER(fib_lookup), .ret = BPF_RET_INTEGER,
      .args = { BPF_ARG_CTX, BPF_ARG_MEM_RDWR_FIXED, BPF_ARG_SIZE, BPF_ARG_ANYTHING },
      .gpl_only = true },
    { HELPER(ktime_get_boot_ns), .ret = BPF_RET_INTEGER },
    { HELPER(ringbuf_output), .ret = BPF_RET_INTEGER,
      .args = { BPF_ARG_MAP, BPF_ARG_MEM, BPF_ARG_SIZE_OR_ZERO, BPF_ARG_ANYTHING },
      .maps = MAP_BIT(RINGBUF) },
    { HELPER(ringbuf_reserve), .ret = BPF_RET_ALLOC_MEM_OR_NULL,
      .args = { BPF_ARG_MAP, BPF_ARG_CONST_ALLOC_SIZE, BPF_ARG_ANYTHING },
      .maps = MAP_BIT(RINGBUF) },
    { HELPER(ringbuf_submit), .ret = BPF_RET_VOID,
      .args = { BPF_ARG_ALLOC_MEM, BPF_ARG_ANYTHING } },
    { HELPER(ringbuf_discard), .ret = BPF_RET_VOID,
      .args = { BPF_ARG_ALLOC_MEM, BPF_ARG_ANYTHING } },
    { HELPER(ringbuf_query), .ret = BPF_RET_INTEGER, .args = { BPF_ARG_MAP, BPF_ARG_ANYTHING },
      .maps = MAP_BIT(RINGBUF) },
    { HELPER(trace_vprintk), .ret = BPF_RET_INTEGER,
      .args = { BPF_ARG_CONST_STR_MEM, BPF_ARG_SIZE, BPF_ARG_MEM_OR_NULL, BPF_ARG_SIZE_OR_ZERO },
      .gpl_only = true },
    { HELPER(xdp_get_buff_len), .ret = BPF_RET_INTEGER, .args = { BPF_ARG_CTX } },
    { HELPER(xdp_load_bytes), .ret = BPF_RET_INTEGER,
      .args = { BPF_ARG_CTX, BPF_ARG_ANYTHING, BPF_ARG_UNINIT_MEM, BPF_ARG_SIZE } },
    { HELPER(xdp_store_bytes), .ret = BPF_RET_INTEGER,
      .args = { BPF_ARG_CTX, BPF_ARG_ANYTHING, BPF_ARG_MEM, BPF_ARG_SIZE } },
};

const struct bpf_helper *bpf_helper_find(uint32_t id)
{
    for (unsigned i = 0; i < sizeof helpers / sizeof helpers[0]; i++)
        if (helpers[i].id == id)
            return &helpers[i];
    return NULL;
}

/* Linux's list (include/uapi/linux/bpf.h), in its order from 0 on; an empty name ends it. */
static const char names[] =
    "unspec\0map_lookup_elem\0map_update_elem\0map_delete_elem\0probe_read\0ktime_get_ns\0"
    "trace_printk\0get_prandom_u32\0get_smp_processor_id\0skb_store_bytes\0l3_csum_replace\0"
    "l4_csum_replace\0tail_call\0clone_redirect\0get_current_pid_tgid\0get_current_uid_gid\0"
    "get_current_comm\0get_cgroup_classid\0skb_vlan_push\0skb_vlan_pop\0skb_get_tunnel_key\0"
    "skb_set_tunnel_key\0perf_event_read\0redirect\0get_route_realm\0perf_event_output\0"
    "skb_load_bytes\0get_stackid\0csum_diff\0skb_get_tunnel_opt\0skb_set_tunnel_opt\0"
    "skb_change_proto\0skb_change_type\0skb_under_cgroup\0get_hash_recalc\0get_current_task\0"
    "probe_write_user\0current_task_under_cgroup\0skb_change_tail\0skb_pull_data\0csum_update\0"
    "set_hash_invalid\0get_numa_node_id\0skb_change_head\0xdp_adjust_head\0probe_read_str\0"
    "get_socket_cookie\0get_socket_uid\0set_hash\0setsockopt\0skb_adjust_room\0redirect_map\0"
    "sk_redirect_map\0sock_map_update\0xdp_adjust_meta\0perf_event_read_value\0"
    "perf_prog_read_value\0getsockopt\0override_return\0sock_ops_cb_flags_set\0"
    "msg_redirect_map\0msg_apply_bytes\0msg_cork_bytes\0msg_pull_data\0bind\0xdp_adjust_tail\0"
    "skb_get_xfrm_state\0get_stack\0skb_load_bytes_relative\0fib_lookup\0sock_hash_update\0"
    "msg_redirect_hash\0sk_redirect_hash\0lwt_push_encap\0lwt_seg6_store_bytes\0"
    "lwt_seg6_adjust_srh\0lwt_seg6_action\0rc_repeat\0rc_keydown\0skb_cgroup_id\0"
    "get_current_cgroup_id\0get_local_storage\0sk_select_reuseport\0skb_ancestor_cgroup_id\0"
    "sk_lookup_tcp\0sk_lookup_udp\0sk_release\0map_push_elem\0map_pop_elem\0map_peek_elem\0"
    "msg_push_data\0msg_pop_data\0rc_pointer_rel\0spin_lock\0spin_unlock\0sk_fullsock\0"
    "tcp_sock\0skb_ecn_set_ce\0get_listener_sock\0skc_lookup_tcp\0tcp_check_syncookie\0"
    "sysctl_get_name\0sysctl_get_current_value\0sysctl_get_new_value\0sysctl_set_new_value\0"
    "strtol\0strtoul\0sk_storage_get\0sk_storage_delete\0send_signal\0tcp_gen_syncookie\0"
    "skb_output\0probe_read_user\0probe_read_kernel\0probe_read_user_str\0"
    "probe_read_kernel_str\0tcp_send_ack\0send_signal_thread\0jiffies64\0read_branch_records\0"
    "get_ns_current_pid_tgid\0xdp_output\0get_netns_cookie\0get_current_ancestor_cgroup_id\0"
    "sk_assign\0ktime_get_boot_ns\0seq_printf\0seq_write\0sk_cgroup_id\0sk_ancestor_cgroup_id\0"
    "ringbuf_output\0ringbuf_reserve\0ringbuf_submit\0ringbuf_discard\0ringbuf_query\0"
    "csum_level\0skc_to_tcp6_sock\0skc_to_tcp_sock\0skc_to_tcp_timewait_sock\0"
    "skc_to_tcp_request_sock\0skc_to_udp6_sock\0get_task_stack\0load_hdr_opt\0store_hdr_opt\0"
    "reserve_hdr_opt\0inode_storage_get\0inode_storage_delete\0d_path\0copy_from_user\0"
    "snprintf_btf\0seq_printf_btf\0skb_cgroup_classid\0redirect_neigh\0per_cpu_ptr\0"
    "this_cpu_ptr\0redirect_peer\0task_storage_get\0task_storage_delete\0get_current_task_btf\0"
    "bprm_opts_set\0ktime_get_coarse_ns\0ima_inode_hash\0sock_from_file\0check_mtu\0"
    "for_each_map_elem\0snprintf\0sys_bpf\0btf_find_by_name_kind\0sys_close\0timer_init\0"
    "timer_set_callback\0timer_start\0timer_cancel\0get_func_ip\0get_attach_cookie\0"
    "task_pt_regs\0get_branch_snapshot\0trace_vprintk\0skc_to_unix_sock\0kallsyms_lookup_name\0"
    "find_vma\0loop\0strncmp\0get_func_arg\0get_func_ret\0get_func_arg_cnt\0get_retval\0"
    "set_retval\0xdp_get_buff_len\0xdp_load_bytes\0xdp_store_bytes\0copy_from_user_task\0"
    "skb_set_tstamp\0ima_file_hash\0kptr_xchg\0map_lookup_percpu_elem\0skc_to_mptcp_sock\0"
    "dynptr_from_mem\0ringbuf_reserve_dynptr\0ringbuf_submit_dynptr\0ringbuf_discard_dynptr\0"
    "dynptr_read\0dynptr_write\0dynptr_data\0tcp_raw_gen_syncookie_ipv4\0"
    "tcp_raw_gen_syncookie_ipv6\0tcp_raw_check_syncookie_ipv4\0tcp_raw_check_syncookie_ipv6\0"
    "ktime_get_tai_ns\0user_ringbuf_drain\0cgrp_storage_get\0cgrp_storage_delete\0";

const char *bpf_helper_name(uint32_t id)
{
    const char *name = names;
    for (uint32_t i = 0; *name != '\0'; i++) {
        if (i == id)
            return name;
        while (*name != '\0')
            name++;
        name++;
    }
    return NULL;
}
