/*
 * The load of the key-value benchmark: GETs in memcached's UDP protocol, a fixed number on their
 * way.
 *
 *   kvload HOST PORT WINDOW SECONDS KEYS VALUE_BYTES MISSES [REQUESTS COUNTER]
 *
 * First KEYS keys are set, with values of VALUE_BYTES. Then, for SECONDS, or until REQUESTS (0: any
 * number) are answered, they are asked for in turn; MISSES of 100 requests name keys that are not
 * there. WINDOW requests are on their way; one without an answer for 100 ms is given up, counted,
 * and replaced. COUNTER is the file of bench/plugin/insn.c, read before the first GET and behind
 * the last.
 *
 * Batched, as bench/pktgen.c: up to BATCH datagrams a system call, a pause when nothing has come,
 * so that QEMU's main loop gets the core. Prints one line of JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define BATCH       32u
#define WINDOW_MAX  1024u
#define DATAGRAM    1500u
#define PATIENCE_NS 100000000ull
#define PAUSE_NS    50000
#define HEADER      8u
#define TIMES_MAX   4000000u

struct request {
    uint64_t sent_ns; /* 0: not on its way */
    bool hit;
};

static struct request requests[65536]; /* by request id */
static uint32_t *times_ns;
static uint64_t time_count;
static uint64_t asked, answered, hits, wrong, lost;
static unsigned in_flight, keys, value_bytes, misses;
static int fd;

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
    fprintf(stderr, "kvload: %s: %s\n", what, strerror(errno));
    exit(1);
}

static unsigned put_header(uint8_t *at, uint16_t id)
{
    const uint8_t header[HEADER] = { (uint8_t)(id >> 8), (uint8_t)id, 0, 0, 0, 1, 0, 0 };

    memcpy(at, header, sizeof(header));
    return HEADER;
}

/* Is this a right answer to a request that waits? */
static void take(const uint8_t *datagram, size_t len, uint64_t now)
{
    struct request *request;
    bool is_hit = len > HEADER + 6 && memcmp(datagram + HEADER, "VALUE ", 6) == 0;

    if (len < HEADER + 5) {
        wrong++;
        return;
    }
    request = &requests[datagram[0] << 8 | datagram[1]];
    if (request->sent_ns == 0)
        return; /* given up before */
    if (time_count < TIMES_MAX)
        times_ns[time_count++] = (uint32_t)(now - request->sent_ns);
    if (is_hit != request->hit || memcmp(datagram + len - 5, "END\r\n", 5) != 0 ||
        (is_hit && len < HEADER + value_bytes))
        wrong++;
    request->sent_ns = 0;
    in_flight--;
    answered++;
    hits += is_hit;
}

static bool receive(void)
{
    static uint8_t room[BATCH][DATAGRAM];
    static struct mmsghdr batch[BATCH];
    static struct iovec pieces[BATCH];
    uint64_t now;
    int n;

    for (unsigned i = 0; i < BATCH; i++) {
        pieces[i] = (struct iovec){ .iov_base = room[i], .iov_len = DATAGRAM };
        batch[i].msg_hdr = (struct msghdr){ .msg_iov = &pieces[i], .msg_iovlen = 1 };
    }
    n = recvmmsg(fd, batch, BATCH, MSG_DONTWAIT, NULL);
    now = now_ns();
    for (int i = 0; i < n; i++)
        take(room[i], batch[i].msg_len, now);
    return n > 0;
}

static void ask_batch(unsigned count)
{
    static uint8_t room[BATCH][64];
    static struct mmsghdr batch[BATCH];
    static struct iovec pieces[BATCH];
    uint64_t now = now_ns();
    int sent;

    for (unsigned i = 0; i < count; i++) {
        uint16_t id = (uint16_t)(asked + i);
        bool hit = (asked + i) % 100 >= misses;
        unsigned len = put_header(room[i], id);

        len += (unsigned)sprintf((char *)room[i] + len, "get %s%08u\r\n", hit ? "key" : "not",
                                 (unsigned)((asked + i) % keys));
        pieces[i] = (struct iovec){ .iov_base = room[i], .iov_len = len };
        batch[i].msg_hdr = (struct msghdr){ .msg_iov = &pieces[i], .msg_iovlen = 1 };
        if (requests[id].sent_ns != 0) { /* 65,536 later */
            lost++;
            in_flight--;
        }
        requests[id] = (struct request){ .sent_ns = now, .hit = hit };
    }
    sent = sendmmsg(fd, batch, count, 0);
    for (unsigned i = sent > 0 ? (unsigned)sent : 0; i < count; i++)
        requests[(uint16_t)(asked + i)].sent_ns = 0;
    if (sent > 0) {
        asked += (unsigned)sent;
        in_flight += (unsigned)sent;
    }
}

/* What was lost, by the card's ring or QEMU's, is not waited for. */
static void give_up(void)
{
    uint64_t now = now_ns();

    for (unsigned id = 0; id < 65536 && in_flight > 0; id++)
        if (requests[id].sent_ns != 0 && now - requests[id].sent_ns > PATIENCE_NS) {
            requests[id].sent_ns = 0;
            in_flight--;
            lost++;
        }
}

static void store(void)
{
    uint8_t datagram[DATAGRAM], reply[DATAGRAM];
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

    for (unsigned key = 0; key < keys; key++) {
        unsigned len = put_header(datagram, (uint16_t)key), tries = 0;
        ssize_t n = 0;

        len +=
            (unsigned)sprintf((char *)datagram + len, "set key%08u 0 0 %u\r\n", key, value_bytes);
        memset(datagram + len, 'v', value_bytes);
        memcpy(datagram + len + value_bytes, "\r\n", 2);
        len += value_bytes + 2;
        do {
            if (tries++ == 20) {
                errno = ETIMEDOUT;
                die("set");
            }
            if (send(fd, datagram, len, 0) < 0)
                die("set");
            n = poll(&poll_fd, 1, 200) > 0 ? recv(fd, reply, sizeof(reply), MSG_DONTWAIT) : 0;
        } while (n < (ssize_t)HEADER + 6 || memcmp(reply, datagram, 2) != 0);
        if (memcmp(reply + HEADER, "STORED", 6) != 0) {
            fprintf(stderr, "kvload: set: %.*s\n", (int)(n - HEADER), reply + HEADER);
            exit(1);
        }
    }
}

static int by_time(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static double percentile_us(double share)
{
    return time_count == 0 ? 0 : times_ns[(uint64_t)(share * (double)(time_count - 1))] / 1000.0;
}

static const volatile uint64_t *open_counter(const char *path)
{
    int file = open(path, O_RDONLY);
    void *at = file < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);

    if (at == MAP_FAILED)
        die(path);
    return (const volatile uint64_t *)at + 1; /* bench/insn.py: the total */
}

int main(int argc, char **argv)
{
    struct sockaddr_in to = { .sin_family = AF_INET };
    const volatile uint64_t *counter = NULL;
    uint64_t begun, end, wanted = 0, instructions = 0, looked = 0;
    const struct timespec pause = { .tv_nsec = PAUSE_NS };
    unsigned window;
    int bytes = 4 << 20;

    prctl(PR_SET_PDEATHSIG, 9);
    if (argc != 8 && argc != 10) {
        fprintf(stderr, "usage: kvload HOST PORT WINDOW SECONDS KEYS VALUE_BYTES MISSES "
                        "[REQUESTS COUNTER]\n");
        return 2;
    }
    to.sin_port = htons((uint16_t)atoi(argv[2]));
    window = (unsigned)atoi(argv[3]);
    keys = (unsigned)atoi(argv[5]);
    value_bytes = (unsigned)atoi(argv[6]);
    misses = (unsigned)atoi(argv[7]);
    if (inet_pton(AF_INET, argv[1], &to.sin_addr) != 1 || window < 1 || window > WINDOW_MAX ||
        keys < 1 || value_bytes > 1024 || misses > 100) {
        fprintf(stderr, "kvload: HOST is an IPv4 address, WINDOW 1 to %u, VALUE_BYTES up to 1024\n",
                WINDOW_MAX);
        return 2;
    }
    times_ns = calloc(TIMES_MAX, sizeof(*times_ns));
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (times_ns == NULL || fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
        die(argv[1]);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) != 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    store();
    if (argc == 10) {
        wanted = strtoull(argv[8], NULL, 10);
        counter = open_counter(argv[9]);
        instructions = *counter;
    }
    begun = now_ns();
    end = begun + (uint64_t)atoi(argv[4]) * 1000000000ull;
    while (now_ns() < end && (wanted == 0 || answered < wanted)) {
        unsigned room = window - in_flight < BATCH ? window - in_flight : BATCH;

        if (room >= (window < BATCH ? 1 : BATCH / 4)) /* worth a system call */
            ask_batch(room);
        if (!receive())
            nanosleep(&pause, NULL);
        if (now_ns() - looked > PATIENCE_NS / 4) {
            give_up();
            looked = now_ns();
        }
    }
    end = now_ns();
    instructions = counter != NULL ? *counter - instructions : 0;
    qsort(times_ns, time_count, sizeof(*times_ns), by_time);
    printf("{\"answered\":%llu,\"hits\":%llu,\"wrong\":%llu,\"lost\":%llu,\"per_second\":%.0f,"
           "\"p50_us\":%.1f,\"p99_us\":%.1f,\"instructions\":%llu}\n",
           (unsigned long long)answered, (unsigned long long)hits, (unsigned long long)wrong,
           (unsigned long long)lost, (double)answered * 1e9 / (double)(end - begun),
           percentile_us(0.5), percentile_us(0.99), (unsigned long long)instructions);
    return answered > 0 && wrong == 0 ? 0 : 1;
}
