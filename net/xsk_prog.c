/* Programs that lead frames to a raw ring: see net/xsk_prog.h. */
#include "bpf/helper.h"
#include "bpf/map.h"
#include "bpf/prog.h"
#include <kernel/lib.h>
#include <kernel/printk.h>
#include <net/stack.h>
#include <net/xdp.h>
#include <net/xsk_prog.h>
#include <string.h>

#define CODE_MAX 24u
#define BE16(x)  ((int32_t)__builtin_bswap16(x))

enum { ETHERTYPE_IPV4 = 0x0800, VERSION_AND_LENGTH = 0x45, PROTOCOL_UDP = 17 };
enum {
    AT_TYPE = 12,
    AT_VERSION = 14,
    AT_FRAGMENT = 20,
    AT_PROTOCOL = 23,
    AT_PORT = 36,
    HEADS = 42
};

struct code {
    struct bpf_insn insns[CODE_MAX];
    unsigned count;
};

static void put(struct code *code, struct bpf_insn insn)
{
    code->insns[code->count++] = insn;
}

static void put_load(struct code *code, unsigned size, unsigned dst, unsigned src, int off)
{
    put(code, (struct bpf_insn){ .code = (uint8_t)(BPF_LDX | BPF_MEM | size),
                                 .dst = (uint8_t)(dst & 0xf),
                                 .src = (uint8_t)(src & 0xf),
                                 .off = (int16_t)off });
}

static void put_move(struct code *code, unsigned dst, int32_t value)
{
    put(code, (struct bpf_insn){
                  .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst = (uint8_t)(dst & 0xf), .imm = value });
}

/* To put_pass()'s place, unless the frame has `value` there. */
static void put_expect(struct code *code, unsigned size, int off, int32_t mask, int32_t value)
{
    put_load(code, size, BPF_R5, BPF_R2, off);
    if (mask != 0)
        put(code,
            (struct bpf_insn){ .code = BPF_ALU64 | BPF_AND | BPF_K, .dst = BPF_R5, .imm = mask });
    put(code, (struct bpf_insn){ .code = BPF_JMP | BPF_JNE | BPF_K, .dst = BPF_R5, .imm = value });
}

/* if it is not UDP over plain IPv4 to that port: goto pass */
static void put_match_udp(struct code *code, uint16_t port)
{
    put_load(code, BPF_W, BPF_R2, BPF_R1, XDP_MD_DATA);
    put_load(code, BPF_W, BPF_R3, BPF_R1, XDP_MD_DATA_END);
    put(code,
        (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst = BPF_R4, .src = BPF_R2 });
    put(code,
        (struct bpf_insn){ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst = BPF_R4, .imm = HEADS });
    put(code, (struct bpf_insn){ .code = BPF_JMP | BPF_JGT | BPF_X, .dst = BPF_R4, .src = BPF_R3 });
    put_expect(code, BPF_H, AT_TYPE, 0, BE16(ETHERTYPE_IPV4));
    put_expect(code, BPF_B, AT_VERSION, 0, VERSION_AND_LENGTH);
    put_expect(code, BPF_H, AT_FRAGMENT, BE16(0x3fff), 0);
    put_expect(code, BPF_B, AT_PROTOCOL, 0, PROTOCOL_UDP);
    put_expect(code, BPF_H, AT_PORT, 0, BE16(port));
}

/* return redirect_map(maps[0], 0, XDP_PASS) */
static void put_redirect(struct code *code)
{
    put(code, (struct bpf_insn){ .code = BPF_LD_IMM64, .dst = BPF_R1, .src = BPF_PSEUDO_MAP_FD });
    put(code, (struct bpf_insn){ 0 });
    put_move(code, BPF_R2, 0);
    put_move(code, BPF_R3, XDP_PASS);
    put(code, (struct bpf_insn){ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map });
    put(code, (struct bpf_insn){ .code = BPF_JMP | BPF_EXIT });
}

/* pass: return XDP_PASS, and all conditional jumps lead there. */
static void put_pass(struct code *code)
{
    unsigned pass = code->count;

    for (unsigned i = 0; i < pass; i++) {
        uint8_t c = code->insns[i].code;

        if (BPF_CLASS(c) == BPF_JMP && BPF_OP(c) != BPF_CALL && BPF_OP(c) != BPF_EXIT)
            code->insns[i].off = (int16_t)(pass - i - 1);
    }
    put_move(code, BPF_R0, XDP_PASS);
    put(code, (struct bpf_insn){ .code = BPF_JMP | BPF_EXIT });
}

/* A map with the socket in its only place. */
static struct bpf_map *make_map(uint32_t id, const char **why)
{
    const struct bpf_map_def def = { .type = BPF_MAP_TYPE_XSKMAP,
                                     .key_size = sizeof(uint32_t),
                                     .value_size = sizeof(uint32_t),
                                     .max_entries = 1 };
    const uint32_t key = 0;
    struct bpf_map *map;

    net_enter();
    map = bpf_map_create(&def, "xsks_map", why);
    if (map != NULL && bpf_map_write(map, &key, &id, BPF_ANY) != 0) {
        *why = "the xskmap does not take the socket";
        bpf_map_put(map);
        map = NULL;
    }
    net_leave();
    return map;
}

/* The map's reference becomes the program's. */
static struct bpf_prog *make_prog(const char *name, const struct code *code, struct bpf_map *map)
{
    struct bpf_prog *prog = bpf_prog_new(name);

    if (prog == NULL) {
        bpf_map_put(map);
        return NULL;
    }
    prog->maps[prog->map_count++] = map;
    prog->insns = bpf_mem_alloc(code->count * sizeof(code->insns[0]));
    if (prog->insns == NULL) {
        bpf_prog_put(prog);
        return NULL;
    }
    memcpy(prog->insns, code->insns, code->count * sizeof(code->insns[0]));
    prog->count = code->count;
    return prog;
}

/* Verified as what comes from outside is: that it passes is not taken for granted. */
static bool make_ready(struct bpf_prog *prog, const char **why)
{
    static char text[256];
    struct bpf_log log = { .text = text, .size = sizeof(text) };
    bool registered;

    if (!bpf_verify(prog, &log)) {
        printk("xsk: %s", text);
        *why = "its own program is refused";
        return false;
    }
    bpf_jit(prog); /* or it is interpreted */
    net_enter();
    registered = bpf_prog_register(prog);
    net_leave();
    *why = "too many programs are loaded";
    return registered;
}

static bool attach(const char *name, const struct code *code, uint32_t id, const char **why)
{
    struct bpf_map *map = make_map(id, why);
    struct bpf_prog *prog;
    bool attached = false;

    if (map == NULL)
        return false;
    net_enter();
    prog = make_prog(name, code, map);
    net_leave();
    if (prog == NULL) {
        *why = "no memory for a program";
        return false;
    }
    if (make_ready(prog, why))
        attached = xdp_attach(prog, why);
    net_enter();
    bpf_prog_put(prog); /* the attachment has its own reference */
    net_leave();
    return attached;
}

bool xsk_prog_attach_all(uint32_t id, const char **why)
{
    struct code code = { .count = 0 };

    put_redirect(&code);
    return attach("xsk_all", &code, id, why);
}

bool xsk_prog_attach_udp(uint32_t id, uint16_t port, const char **why)
{
    struct code code = { .count = 0 };

    put_match_udp(&code, port);
    put_redirect(&code);
    put_pass(&code);
    return attach("xsk_udp", &code, id, why);
}
