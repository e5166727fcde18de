/* The reference guest's only program: it answers commands on the serial console.
 *
 *   counters    one line of JSON, monotonic: what UDP and the card counted, idle and total time
 *   xdp on|off  drop UDP datagrams to port 9 in the driver, before there is an sk_buff
 *   load NAME   attach the XDP program of /xdp/NAME in the driver, in place of what is there
 *   map NAME KEY VALUE   set an entry of one of its maps; both in hexadecimal
 *   poweroff
 *
 * Answers begin with "= "; errors with "! ".
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define CARD       "eth0"
#define PORT_DROPS 9
#define STATS_MAX  256

static int xdp_link = -1;

static const char *slurp(const char *path)
{
    static char text[65536];
    int fd = open(path, O_RDONLY);
    size_t len = 0;

    for (ssize_t n; fd >= 0 && (n = read(fd, text + len, sizeof(text) - 1 - len)) > 0;)
        len += (size_t)n;
    if (fd >= 0)
        close(fd);
    text[len] = 0;
    return text;
}

/* Udp: InDatagrams NoPorts InErrors of /proc/net/snmp. Each has been through the UDP path. */
static void udp_counters(unsigned long long *packets, unsigned long long *delivered)
{
    const char *line = strstr(slurp("/proc/net/snmp"), "\nUdp: ");
    unsigned long long in = 0, no_ports = 0, errors = 0;

    if (line)
        line = strstr(line + 1, "\nUdp: "); /* the headings are on the first one */
    if (line)
        sscanf(line, "\nUdp: %llu %llu %llu", &in, &no_ports, &errors);
    *delivered = in + no_ports;
    *packets = in + no_ports + errors;
}

static unsigned long long rx_interrupts(void)
{
    const char *end = strstr(slurp("/proc/interrupts"), "-input.0");
    const char *start = end;

    while (start && start[-1] != '\n')
        start--;
    start = start ? strchr(start, ':') : NULL;
    return start ? strtoull(start + 1, NULL, 10) : 0;
}

/* The driver's own count; a map in the program would cost each packet a lookup. */
static unsigned long long xdp_drops(void)
{
    static union {
        struct ethtool_gstrings strings;
        struct ethtool_stats stats;
        char room[sizeof(struct ethtool_gstrings) + STATS_MAX * ETH_GSTRING_LEN];
    } names, values;
    struct ifreq request = { .ifr_name = CARD };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    unsigned long long drops = 0;

    names.strings =
        (struct ethtool_gstrings){ .cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_STATS };
    request.ifr_data = names.room;
    if (ioctl(fd, SIOCETHTOOL, &request) == 0) {
        uint32_t count = names.strings.len < STATS_MAX ? names.strings.len : STATS_MAX;

        values.stats = (struct ethtool_stats){ .cmd = ETHTOOL_GSTATS };
        request.ifr_data = values.room;
        if (ioctl(fd, SIOCETHTOOL, &request) == 0)
            for (uint32_t i = 0; i < count; i++)
                if (!strcmp((char *)&names.strings.data[i * ETH_GSTRING_LEN],
                            "rx_queue_0_xdp_drops"))
                    drops = values.stats.data[i];
    }
    close(fd);
    return drops;
}

/* Of the only CPU. Without ticks while idle, the kernel knows its idle time to the microsecond,
 * but says it in hundredths of a second. */
static unsigned long long idle_ns(void)
{
    unsigned long long user, nice, system, idle, wait;

    if (sscanf(slurp("/proc/stat"), "cpu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle,
               &wait) != 5)
        return 0;
    return (idle + wait) * (1000000000ULL / (unsigned long long)sysconf(_SC_CLK_TCK));
}

static void counters(void)
{
    unsigned long long packets, delivered, dropped, interrupts, idle, now;
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    now = (unsigned long long)t.tv_sec * 1000000000ULL + (unsigned long long)t.tv_nsec;
    udp_counters(&packets, &delivered);
    dropped = xdp_drops();
    interrupts = rx_interrupts();
    idle = idle_ns();
    printf("= {\"time_ns\":%llu,\"udp_packets\":%llu,\"udp_delivered\":%llu,\"xdp_dropped\":%llu,"
           "\"rx_interrupts\":%llu,\"idle_ns\":%llu,\"total_ns\":%llu}\n",
           now, packets, delivered, dropped, interrupts, idle, now);
}

static int sys_bpf(int command, union bpf_attr *attr)
{
    return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

#define INSN(c, d, s, o, i)                                                                        \
    {                                                                                              \
        .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i)                        \
    }
#define LOAD(size, d, s, o)   INSN(BPF_LDX | BPF_MEM | (size), d, s, o, 0)
#define SKIP_UNLESS(d, i, to) INSN(BPF_JMP | BPF_JNE | BPF_K, d, 0, to, i)

/* Ethernet, IPv4 without options, UDP, destination port: drop; all else goes on. */
static int load_program(void)
{
    struct bpf_insn program[] = {
        LOAD(BPF_W, 2, 1, offsetof(struct xdp_md, data)),
        LOAD(BPF_W, 3, 1, offsetof(struct xdp_md, data_end)),
        INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, XDP_PASS),
        INSN(BPF_ALU64 | BPF_MOV | BPF_X, 4, 2, 0, 0),
        INSN(BPF_ALU64 | BPF_ADD | BPF_K, 4, 0, 0, 42),
        INSN(BPF_JMP | BPF_JGT | BPF_X, 4, 3, 9, 0),
        LOAD(BPF_H, 4, 2, 12),
        SKIP_UNLESS(4, 0x0008, 7), /* big-endian 0x0800 */
        LOAD(BPF_B, 4, 2, 14),
        SKIP_UNLESS(4, 0x45, 5),
        LOAD(BPF_B, 4, 2, 23),
        SKIP_UNLESS(4, 17, 3),
        LOAD(BPF_H, 4, 2, 36),
        SKIP_UNLESS(4, PORT_DROPS << 8, 1),
        INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, XDP_DROP),
        INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
    };
    static char log[16384];
    union bpf_attr attr = {
        .prog_type = BPF_PROG_TYPE_XDP,
        .insns = (uintptr_t)program,
        .insn_cnt = sizeof(program) / sizeof(program[0]),
        .license = (uintptr_t) "Dual BSD/GPL",
        .log_buf = (uintptr_t)log,
        .log_size = sizeof(log),
        .log_level = 1,
    };
    int fd = sys_bpf(BPF_PROG_LOAD, &attr);

    if (fd < 0)
        printf("! the program does not load: %s: %.200s\n", strerror(errno), log);
    return fd;
}

static void xdp_on(void)
{
    union bpf_attr attr = { 0 };
    int program;

    if (xdp_link < 0) {
        program = load_program();
        if (program < 0)
            return;
        attr.link_create.prog_fd = (uint32_t)program;
        attr.link_create.target_ifindex = if_nametoindex(CARD);
        attr.link_create.attach_type = BPF_XDP;
        attr.link_create.flags = XDP_FLAGS_DRV_MODE; /* in the driver, or not at all */
        xdp_link = sys_bpf(BPF_LINK_CREATE, &attr);
        close(program);
    }
    if (xdp_link < 0)
        printf("! the driver does not take the program: %s\n", strerror(errno));
    else
        puts("= on");
}

static void xdp_off(void)
{
    if (xdp_link >= 0)
        close(xdp_link);
    xdp_link = -1;
}

/* ---- Objects, as people load them: libbpf ---- */

static struct bpf_object *object;

static void unload(void)
{
    bpf_xdp_detach((int)if_nametoindex(CARD), XDP_FLAGS_DRV_MODE, NULL);
    bpf_object__close(object);
    object = NULL;
}

static void load(const char *name)
{
    struct bpf_program *program;
    char path[8200];

    xdp_off();
    unload();
    snprintf(path, sizeof(path), "/xdp/%s", name);
    object = bpf_object__open_file(path, NULL);
    program = object ? bpf_object__next_program(object, NULL) : NULL;
    if (!program || bpf_object__load(object) != 0 ||
        bpf_xdp_attach((int)if_nametoindex(CARD), bpf_program__fd(program), XDP_FLAGS_DRV_MODE,
                       NULL) != 0)
        printf("! %s: %s\n", path, strerror(errno));
    else
        printf("= %s\n", bpf_program__name(program));
}

static bool from_hex(const char *text, uint8_t *out, size_t size)
{
    for (size_t i = 0; i < size; i++, text += 2)
        if (sscanf(text, "%2hhx", &out[i]) != 1)
            return false;
    return *text == 0;
}

static void map_set(char *words)
{
    const char *name = strtok(words, " "), *key_text = strtok(NULL, " ");
    const char *value_text = strtok(NULL, " ");
    struct bpf_map *map = name && object ? bpf_object__find_map_by_name(object, name) : NULL;
    uint8_t key[256], value[4096];

    if (!map || !key_text || !value_text || bpf_map__key_size(map) > sizeof(key) ||
        bpf_map__value_size(map) > sizeof(value) ||
        !from_hex(key_text, key, bpf_map__key_size(map)) ||
        !from_hex(value_text, value, bpf_map__value_size(map)))
        puts(
            "! map wants the name of a map of the loaded object, a key and a value as it has them");
    else if (bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY) != 0)
        printf("! %s: %s\n", name, strerror(errno));
    else
        puts("= set");
}

int main(void)
{
    char line[8192];
    struct termios tty;
    int fd = open("/dev/ttyS0", O_RDWR);

    if (fd >= 0 && dup2(fd, 0) == 0 && dup2(fd, 1) == 1 && tcgetattr(0, &tty) == 0) {
        tty.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(0, TCSANOW, &tty);
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    puts(if_nametoindex(CARD) ? "READY" : "! there is no " CARD);
    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\r\n")] = 0;
        if (!strcmp(line, "counters"))
            counters();
        else if (!strcmp(line, "xdp on"))
            xdp_on();
        else if (!strcmp(line, "xdp off")) {
            xdp_off();
            unload();
            puts("= off");
        } else if (!strncmp(line, "load ", 5))
            load(line + 5);
        else if (!strncmp(line, "map ", 4))
            map_set(line + 4);
        else if (!strcmp(line, "poweroff"))
            break;
        else
            printf("! no command '%s' (there are: counters, xdp on|off, load, map, poweroff)\n",
                   line);
    }
    sync();
    reboot(RB_POWER_OFF);
    return 1;
}
