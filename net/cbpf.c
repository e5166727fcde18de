/* Classic BPF, checked and interpreted: see cbpf.h. */
#include <net/cbpf.h>
#include <string.h>

/* An instruction's code: its class, and what that class has besides. */
enum { LD, LDX, ST, STX, ALU, JMP, RET, MISC };                      /* code & 7 */
enum { WORD = 0x00, HALF = 0x08, BYTE = 0x10 };                      /* loads: size */
enum { ABS = 0x20, IND = 0x40, MEM = 0x60, LEN = 0x80, MSH = 0xa0 }; /* loads: from where; 0: k */
enum {
    ADD = 0x00,
    SUB = 0x10,
    MUL = 0x20,
    DIV = 0x30,
    OR = 0x40,
    AND = 0x50,
    LSH = 0x60,
    RSH = 0x70,
    NEG = 0x80,
    MOD = 0x90,
    XOR = 0xa0
};
enum { JA = 0x00, JEQ = 0x10, JGT = 0x20, JGE = 0x30, JSET = 0x40 };
enum { X = 0x08 }; /* ALU, JMP: the operand is X, not k */
enum { A = 0x10 }; /* RET: A, not k */
enum { TAX = 0x00, TXA = 0x80 };

#define CLASS(code) ((code)&7)
#define OP(code)    ((code)&0xf0)

/* Offsets from here on are negative ones: Linux takes them for its own data about a packet. */
#define ANCILLARY 0x80000000u

/* ---------------------------------------------------------------- checking */

static const char *check_load(const struct cbpf_insn *insn)
{
    switch (insn->code) {
    case LD | WORD | ABS:
    case LD | HALF | ABS:
    case LD | BYTE | ABS:
    case LDX | BYTE | MSH:
        return insn->k < ANCILLARY
                   ? NULL
                   : "loads what Linux alone knows: have it made by tcpdump -y EN10MB";
    case LD | WORD | IND:
    case LD | HALF | IND:
    case LD | BYTE | IND:
    case LD: /* k */
    case LDX:
    case LD | LEN:
    case LDX | LEN:
        return NULL;
    case LD | MEM:
    case LDX | MEM:
        return insn->k < CBPF_MEMWORDS ? NULL : "there are 16 memory words";
    default:
        return "no such instruction";
    }
}

static const char *check_alu(const struct cbpf_insn *insn)
{
    if (insn->code & ~(uint32_t)(0xf0 | X | 7) || OP(insn->code) > XOR)
        return "no such instruction";
    switch (insn->code) {
    case ALU | NEG | X:
        return "no such instruction";
    case ALU | DIV:
    case ALU | MOD:
        return insn->k != 0 ? NULL : "divides by 0";
    case ALU | LSH:
    case ALU | RSH:
        return insn->k < 32 ? NULL : "shifts by more than 31";
    default:
        return NULL;
    }
}

/* `room`: how many instructions follow. */
static const char *check_jump(const struct cbpf_insn *insn, size_t room)
{
    if (insn->code == (JMP | JA))
        return insn->k < room ? NULL : "jumps beyond the end";
    if (insn->code & ~(uint32_t)(0xf0 | X | 7) || OP(insn->code) > JSET || OP(insn->code) == JA)
        return "no such instruction";
    return insn->jt < room && insn->jf < room ? NULL : "jumps beyond the end";
}

static const char *check_insn(const struct cbpf_insn *insn, size_t room)
{
    switch (CLASS(insn->code)) {
    case LD:
    case LDX:
        return check_load(insn);
    case ST:
    case STX:
        if (insn->code > 7)
            return "no such instruction";
        return insn->k < CBPF_MEMWORDS ? NULL : "there are 16 memory words";
    case ALU:
        return check_alu(insn);
    case JMP:
        return check_jump(insn, room);
    case RET:
        return insn->code == RET || insn->code == (RET | A) ? NULL : "no such instruction";
    default:
        return insn->code == (MISC | TAX) || insn->code == (MISC | TXA) ? NULL
                                                                        : "no such instruction";
    }
}

static bool refuse(struct cbpf_error *error, size_t at, const char *reason)
{
    *error = (struct cbpf_error){ .at = (unsigned)at, .reason = reason };
    return false;
}

bool cbpf_check(const struct cbpf_insn *program, size_t count, struct cbpf_error *error)
{
    if (count == 0 || count > CBPF_INSNS_MAX)
        return refuse(error, 0, "a program has 1 to 4096 instructions");
    for (size_t i = 0; i < count; i++) {
        const char *reason = check_insn(&program[i], count - 1 - i);

        if (reason != NULL)
            return refuse(error, i, reason);
    }
    if (CLASS(program[count - 1].code) != RET)
        return refuse(error, count - 1, "the last instruction is no return");
    return true;
}

/* ---------------------------------------------------------------- running */

struct packet {
    const struct nic_seg *pieces;
    unsigned count;
    uint32_t len;
};

static uint8_t byte_at(const struct packet *p, uint32_t at)
{
    for (unsigned i = 0; i < p->count; i++) {
        if (at < p->pieces[i].len)
            return ((const uint8_t *)p->pieces[i].data)[at];
        at -= p->pieces[i].len;
    }
    return 0; /* len says more than the pieces have */
}

/* Big-endian, as everything on the wire. False: it is not all there. */
static bool load(const struct packet *p, uint32_t at, uint32_t size, uint32_t *out)
{
    uint32_t value = 0;

    if (at > p->len || size > p->len - at)
        return false;
    for (uint32_t i = 0; i < size; i++)
        value = value << 8 | byte_at(p, at + i);
    *out = value;
    return true;
}

static uint32_t load_size(uint16_t code)
{
    return (code & 0x18) == WORD ? 4 : (code & 0x18) == HALF ? 2 : 1;
}

/* False: by 0. */
static bool alu(uint16_t code, uint32_t *a, uint32_t by)
{
    switch (OP(code)) {
    case ADD:
        *a += by;
        return true;
    case SUB:
        *a -= by;
        return true;
    case MUL:
        *a *= by;
        return true;
    case OR:
        *a |= by;
        return true;
    case AND:
        *a &= by;
        return true;
    case XOR:
        *a ^= by;
        return true;
    case NEG:
        *a = -*a;
        return true;
    case LSH:
        *a = by < 32 ? *a << by : 0;
        return true;
    case RSH:
        *a = by < 32 ? *a >> by : 0;
        return true;
    case DIV:
        if (by != 0)
            *a /= by;
        return by != 0;
    default: /* MOD */
        if (by != 0)
            *a %= by;
        return by != 0;
    }
}

static bool holds(uint16_t code, uint32_t a, uint32_t than)
{
    switch (OP(code)) {
    case JEQ:
        return a == than;
    case JGT:
        return a > than;
    case JGE:
        return a >= than;
    default: /* JSET */
        return (a & than) != 0;
    }
}

struct machine {
    uint32_t a, x, mem[CBPF_MEMWORDS];
};

/* Loads, but those of the packet. */
static uint32_t load_own(const struct cbpf_insn *insn, const struct machine *m, uint32_t len)
{
    switch (insn->code & 0xe0) {
    case MEM:
        return m->mem[insn->k];
    case LEN:
        return len;
    default:
        return insn->k;
    }
}

/* LD and LDX. False: beyond the packet's end. */
static bool run_load(const struct cbpf_insn *insn, struct machine *m, const struct packet *p)
{
    uint32_t at = insn->k;

    if (CLASS(insn->code) == LDX) {
        if (insn->code != (LDX | BYTE | MSH)) {
            m->x = load_own(insn, m, p->len);
            return true;
        }
        if (!load(p, at, 1, &m->x))
            return false;
        m->x = (m->x & 15) * 4; /* the length of an IP header */
        return true;
    }
    switch (insn->code & 0xe0) {
    case IND:
        if (__builtin_add_overflow(at, m->x, &at))
            return false;
        return load(p, at, load_size(insn->code), &m->a);
    case ABS:
        return load(p, at, load_size(insn->code), &m->a);
    default:
        m->a = load_own(insn, m, p->len);
        return true;
    }
}

uint32_t cbpf_run(const struct cbpf_insn *program, const struct nic_seg *pieces, unsigned count,
                  uint32_t len)
{
    const struct packet packet = { .pieces = pieces, .count = count, .len = len };
    struct machine m = { 0 };

    for (const struct cbpf_insn *insn = program;; insn++) {
        uint32_t operand = insn->code & X ? m.x : insn->k;

        switch (CLASS(insn->code)) {
        case LD:
        case LDX:
            if (!run_load(insn, &m, &packet))
                return 0;
            break;
        case ST:
            m.mem[insn->k] = m.a;
            break;
        case STX:
            m.mem[insn->k] = m.x;
            break;
        case ALU:
            if (!alu(insn->code, &m.a, operand))
                return 0;
            break;
        case JMP:
            if (OP(insn->code) == JA)
                insn += insn->k;
            else
                insn += holds(insn->code, m.a, operand) ? insn->jt : insn->jf;
            break;
        case RET:
            return insn->code & A ? m.a : insn->k;
        default: /* MISC */
            if (insn->code & TXA)
                m.a = m.x;
            else
                m.x = m.a;
        }
    }
}
