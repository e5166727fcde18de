/*
 * The load of the counted benchmarks: a fixed number of HTTP requests, over a fixed number of
 * connections that each have one request on its way.
 *
 *   client HOST PORT keep|fresh CONNECTIONS REQUESTS SECONDS PATH UPLOAD [COUNTER]
 *
 * keep: connections stay open. fresh: a connection for each request; the server is asked to close
 * it. UPLOAD: bytes to POST with each request; 0 asks with GET. COUNTER is the file of
 * bench/plugin/insn.c: it is read when all connections are open, used once and quiet again, and
 * when the last answer is here. So neither the boot nor the handshakes of kept connections count,
 * nor a guest that waits.
 *
 * One thread, epoll, no pacing: what wrk does, but a number of requests where wrk has seconds.
 * Prints one line of JSON; its status is 0 if each request was answered with 2xx within SECONDS.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX    2048
#define READ_MAX    (256 << 10)
#define OPENING_MAX 64 /* a burst of SYNs that every listener's queue takes */
#define QUIET_NS    150000000
#define EVENTS      256

struct connection {
    int fd;
    bool asking;           /* an answer is awaited */
    bool opening;          /* the first one */
    bool answered;         /* perhaps before the request's body was all sent */
    char head[HEAD_MAX];   /* of the answer, as far as it is here */
    size_t head_len;       /* 0 again while the body comes */
    uint64_t body_left;    /* of the answer, to come */
    uint64_t request_left; /* of the request, to be sent */
};

static struct sockaddr_in server;
static bool fresh;
static unsigned count;
static uint64_t wanted, started, done, failed, received;
static unsigned opening;
static char *request; /* its body as well */
static size_t request_len;
static struct connection *all;
static int poller;
static const volatile uint64_t *counter;

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void error(struct connection *c, const char *what)
{
    if (failed++ == 0)
        fprintf(stderr, "client: after %lu answers: %s (%s)\n", done, what, strerror(errno));
    opening -= c->opening;
    c->opening = c->asking = c->answered = false;
    close(c->fd);
    c->fd = -1;
}

static void watch(struct connection *c, int how, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = c };

    epoll_ctl(poller, how, c->fd, &event);
}

static bool open_connection(struct connection *c)
{
    int one = 1;

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return false;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(c->fd, (struct sockaddr *)&server, sizeof(server)) != 0 && errno != EINPROGRESS)
        return false;
    c->opening = true;
    opening++;
    watch(c, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
    return true;
}

static void send_request(struct connection *c)
{
    ssize_t n = send(c->fd, request + request_len - c->request_left, c->request_left, MSG_NOSIGNAL);

    if (n < 0 && errno != EAGAIN) {
        error(c, "cannot send");
        return;
    }
    c->request_left -= n > 0 ? (uint64_t)n : 0;
    watch(c, EPOLL_CTL_MOD, c->request_left > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void ask(struct connection *c)
{
    if (started == wanted)
        return;
    started++;
    c->asking = true;
    c->head_len = 0;
    c->body_left = 0;
    c->request_left = request_len;
    if (c->fd >= 0)
        send_request(c);
    else if (!open_connection(c))
        error(c, "cannot connect"); /* sent when it can be written to */
}

/* A server may answer before it has read the request's body: then the rest is sent first. */
static void finish(struct connection *c)
{
    if (!c->answered || c->request_left > 0)
        return;
    c->asking = c->answered = false;
    opening -= c->opening;
    c->opening = false;
    done++;
    if (!fresh)
        ask(c); /* fresh: the end of the stream comes next */
}

/* What a read brought: the rest of a body, or a head. False: that was no answer. */
static bool take(struct connection *c, const char *data, size_t len)
{
    const char *length, *end;
    size_t n = len < HEAD_MAX - 1 - c->head_len ? len : HEAD_MAX - 1 - c->head_len;

    if (c->body_left == 0) {
        memcpy(c->head + c->head_len, data, n);
        c->head_len += n;
        c->head[c->head_len] = 0;
        end = strstr(c->head, "\r\n\r\n");
        if (end == NULL)
            return c->head_len < HEAD_MAX - 1;
        length = strcasestr(c->head, "\r\nContent-Length: ");
        if (memcmp(c->head, "HTTP/1.1 2", 10) != 0)
            return false;
        c->body_left = length != NULL ? strtoull(length + 18, NULL, 10) : 0;
        len -= n - (c->head_len - (size_t)(end + 4 - c->head));
        c->head_len = 0;
    }
    if (len > c->body_left)
        return false;
    c->body_left -= len;
    if (c->body_left == 0) {
        c->answered = true;
        finish(c);
    }
    return true;
}

static void readable(struct connection *c)
{
    static char buffer[READ_MAX];
    ssize_t n = recv(c->fd, buffer, sizeof(buffer), 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0 && c->asking) {
        received += (uint64_t)n;
        if (!take(c, buffer, (size_t)n))
            error(c, "a wrong answer");
    } else if (n == 0 && fresh && !c->asking) {
        close(c->fd);
        c->fd = -1;
    } else {
        error(c, n == 0 ? "closed before the answer" : "cannot receive");
    }
}

/* That many requests, from wherever the last ones left the connections. */
static void run(uint64_t requests, uint64_t end_ns)
{
    struct epoll_event events[EVENTS];

    wanted = requests;
    started = done = received = 0;
    for (unsigned i = 0; i < count; i++)
        if (all[i].fd >= 0 && !all[i].asking && !fresh)
            ask(&all[i]);
    while (done + failed < wanted && now_ns() < end_ns) {
        int n;

        for (unsigned i = 0; i < count && opening < OPENING_MAX && started < wanted; i++)
            if (all[i].fd < 0)
                ask(&all[i]);
        n = epoll_wait(poller, events, EVENTS, 100);
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;

            if (c->fd >= 0 && (events[i].events & EPOLLOUT) && c->request_left > 0) {
                send_request(c);
                finish(c);
            }
            if (c->fd >= 0 && (events[i].events & ~(uint32_t)EPOLLOUT))
                readable(c);
        }
    }
}

static void make_request(const char *host, const char *path, size_t upload)
{
    char head[1024], body[64] = "";

    if (upload > 0)
        snprintf(body, sizeof(body), "Content-Length: %zu\r\n", upload);
    request_len = (size_t)snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: %s\r\n%s%s\r\n",
                                   upload > 0 ? "POST" : "GET", path, host,
                                   fresh ? "Connection: close\r\n" : "", body);
    request = calloc(1, request_len + upload);
    if (request == NULL || request_len >= sizeof(head))
        exit(2);
    memcpy(request, head, request_len);
    request_len += upload;
}

static void map_counter(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *map = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

    if (map == MAP_FAILED) {
        perror(path);
        exit(2);
    }
    counter = (const uint64_t *)map + 1; /* struct counters: behind the magic number */
}

static uint64_t instructions(void)
{
    return counter != NULL ? *counter : 0;
}

int main(int argc, char **argv)
{
    uint64_t requests, end_ns, start_ns, before;

    if (argc != 9 && argc != 10) {
        fprintf(stderr, "usage: client HOST PORT keep|fresh CONNECTIONS REQUESTS SECONDS PATH "
                        "UPLOAD [COUNTER]\n");
        return 2;
    }
    server.sin_family = AF_INET;
    server.sin_port = htons((uint16_t)atoi(argv[2]));
    fresh = strcmp(argv[3], "fresh") == 0;
    count = (unsigned)strtoul(argv[4], NULL, 10);
    requests = strtoull(argv[5], NULL, 10);
    all = calloc(count, sizeof(*all));
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (inet_pton(AF_INET, argv[1], &server.sin_addr) != 1 || count == 0 || requests == 0 ||
        all == NULL || poller < 0) {
        fprintf(stderr, "client: HOST is an IPv4 address; CONNECTIONS and REQUESTS are numbers\n");
        return 2;
    }
    make_request(argv[1], argv[7], strtoull(argv[8], NULL, 10));
    if (argc == 10)
        map_counter(argv[9]);
    for (unsigned i = 0; i < count; i++)
        all[i].fd = -1;

    end_ns = now_ns() + strtoull(argv[6], NULL, 10) * 1000000000;
    run(count, end_ns); /* each connection opened, and used once */
    usleep(QUIET_NS / 1000);
    before = instructions();
    start_ns = now_ns();
    if (failed == 0)
        run(requests, end_ns);
    printf("{\"done\":%lu,\"failed\":%lu,\"bytes\":%lu,\"seconds\":%.6f,\"instructions\":%lu}\n",
           done, failed, received, (double)(now_ns() - start_ns) / 1e9, instructions() - before);
    return done == requests && failed == 0 ? 0 : 1;
}
