/* Helpers on the frame: Linux's rules (net/core/filter.c) on struct xdp_buff. */
#include "helper_impl.h"
#include "map_impl.h"
#include <string.h>

/* An offset is an int of the program: the register's lower half. */
BPF_HELPER(xdp_adjust_head)
{
    struct xdp_buff *xdp = bpf_ptr(r1);
    int64_t offset = (int32_t)r2;
    int64_t meta_bytes = xdp->data - xdp->data_meta;

    if (offset < xdp->hard_start + meta_bytes - xdp->data ||
        offset > xdp->data_end - XDP_FRAME_MIN - xdp->data)
        return bpf_result(-BPF_EINVAL);
    if (meta_bytes > 0)
        memmove(xdp->data_meta + offset, xdp->data_meta, (size_t)meta_bytes);
    xdp->data_meta += offset;
    xdp->data += offset;
    return 0;
}

BPF_HELPER(xdp_adjust_meta)
{
    struct xdp_buff *xdp = bpf_ptr(r1);
    int64_t meta_bytes = xdp->data - xdp->data_meta - (int32_t)r2;

    if (meta_bytes > xdp->data - xdp->hard_start || meta_bytes < 0)
        return bpf_result(-BPF_EINVAL);
    if (meta_bytes % 4 != 0 || meta_bytes > XDP_META_MAX)
        return bpf_result(-BPF_EACCES);
    xdp->data_meta = xdp->data - meta_bytes;
    return 0;
}

BPF_HELPER(xdp_adjust_tail)
{
    struct xdp_buff *xdp = bpf_ptr(r1);
    int64_t offset = (int32_t)r2;

    if (offset > xdp->hard_end - xdp->data_end ||
        offset < xdp->data + XDP_FRAME_MIN - xdp->data_end)
        return bpf_result(-BPF_EINVAL);
    if (offset > 0) /* what was received before is nobody's business */
        memset(xdp->data_end, 0, (size_t)offset);
    xdp->data_end += offset;
    return 0;
}

BPF_HELPER(xdp_get_buff_len)
{
    const struct xdp_buff *xdp = bpf_ptr(r1);

    return (uint64_t)(xdp->data_end - xdp->data);
}

/* Linux: bpf_xdp_pointer(). NULL: *error says why not. */
static uint8_t *span(const struct xdp_buff *xdp, uint32_t offset, uint32_t bytes, uint64_t *error)
{
    *error = bpf_result(offset > 0xffff || bytes > 0xffff ? -BPF_EFAULT : -BPF_EINVAL);
    if (offset > 0xffff || bytes > 0xffff || offset + bytes > xdp->data_end - xdp->data)
        return NULL;
    return xdp->data + offset;
}

BPF_HELPER(xdp_load_bytes)
{
    uint64_t error;
    const uint8_t *from = span(bpf_ptr(r1), (uint32_t)r2, (uint32_t)r4, &error);

    if (from == NULL)
        return error;
    memmove(bpf_ptr(r3), from, (uint32_t)r4);
    return 0;
}

BPF_HELPER(xdp_store_bytes)
{
    uint64_t error;
    uint8_t *to = span(bpf_ptr(r1), (uint32_t)r2, (uint32_t)r4, &error);

    if (to == NULL)
        return error;
    memmove(to, bpf_ptr(r3), (uint32_t)r4);
    return 0;
}

/* ---- Checksums (RFC 1071), in the representation that Linux on x86 gives them ---- */

static inline uint64_t add_carry(uint64_t a, uint64_t b)
{
    return a + b + (a + b < a);
}

static uint32_t sum_bytes(const uint8_t *p, uint32_t bytes, uint32_t start)
{
    uint64_t sum = start, last = 0;

    for (; bytes >= 8; bytes -= 8, p += 8)
        sum = add_carry(sum, bpf_load64(p));
    if (bytes == 4) /* an IPv4 header's, mostly */
        last = bpf_load32(p);
    else
        memcpy(&last, p, bytes);
    sum = add_carry(sum, last);
    sum += sum >> 32 | sum << 32; /* both halves, the carry into the upper one */
    return (uint32_t)(sum >> 32);
}

static uint32_t fold(uint32_t sum) /* csum_from32to16() */
{
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)(sum + (sum >> 16));
}

BPF_HELPER(csum_diff)
{
    const uint8_t *from = bpf_ptr(r1), *to = bpf_ptr(r3);
    uint32_t from_bytes = (uint32_t)r2, to_bytes = (uint32_t)r4, sum = (uint32_t)r5;

    if (from_bytes > 0 && to_bytes > 0) {
        uint32_t minus = ~sum_bytes(from, from_bytes, 0);

        sum = sum_bytes(to, to_bytes, sum);
        sum = sum + minus + (sum + minus < sum);
    } else if (to_bytes > 0) {
        sum = sum_bytes(to, to_bytes, sum);
    } else if (from_bytes > 0) {
        sum = ~sum_bytes(from, from_bytes, ~sum);
    }
    return fold(sum);
}
