/*
 * Very many HTTP connections at once, or one after the other, from one address: a client that does
 * what it is told, line by line, and answers each line with one of JSON.
 *
 *   crowd TO PORT FROM PATH FILE
 *
 *   open N     open connections until there are N
 *   use        one request on each of them, all at the same time
 *   close      all of them
 *   fresh N    N connections, some at a time, with one request each; the server closes first
 *
 * FILE holds what each answer's body must be, byte for byte. An answer says how many connections
 * did it right ("done"), how many did not ("errors", the first few on stderr), how many of our
 * segments had to be sent again, and how long it took. A connection that ends unasked is an error
 * of the next line.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 12000u
#define AT_A_TIME       64u /* that are being opened; the interface's queue must hold their SYNs */
#define BODY_MAX        65536u
#define HEAD_MAX        1024u
#define ERRORS_SHOWN    5
#define PATIENCE_MS     30000

enum state { CLOSED, OPENING, IDLE, ASKED, ANSWERED };

struct connection {
    int fd;
    enum state state;
    size_t got_len;
    char *got; /* while ASKED */
};

static struct sockaddr_in to, from;
static struct connection all[CONNECTIONS_MAX];
static char body[BODY_MAX + 1], keep[512], last[512];
static size_t body_len;
static int poller;

static unsigned done, errors, under_way;
static unsigned long resent;

static void wrong(struct connection *c, const char *what)
{
    if (errors++ < ERRORS_SHOWN)
        fprintf(stderr, "crowd: connection %zu: %s (%s)\n", (size_t)(c - all), what,
                strerror(errno));
}

static void hang_up(struct connection *c)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);

    if (c->fd >= 0 && getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0)
        resent += info.tcpi_total_retrans;
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    free(c->got);
    c->got = NULL;
    c->state = CLOSED;
}

static void call(struct connection *c)
{
    struct epoll_event event = { .events = EPOLLOUT, .data.ptr = c };
    int yes = 1;

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0 ||
        setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof(yes)) != 0 ||
        bind(c->fd, (struct sockaddr *)&from, sizeof(from)) != 0 ||
        (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) != 0 && errno != EINPROGRESS)) {
        wrong(c, "cannot connect");
        hang_up(c);
        return;
    }
    epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event);
    c->state = OPENING;
    under_way++;
}

static void ask(struct connection *c, const char *request)
{
    c->got = malloc(HEAD_MAX + body_len);
    c->got_len = 0;
    c->state = ASKED;
    if (c->got == NULL || send(c->fd, request, strlen(request), MSG_NOSIGNAL) < 0) {
        wrong(c, "cannot send");
        hang_up(c);
        return;
    }
    under_way++;
}

static bool called(struct connection *c)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
    socklen_t len = sizeof(errno);

    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &errno, &len);
    if (errno != 0) {
        wrong(c, "not opened");
        hang_up(c);
        return false;
    }
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
    c->state = IDLE;
    return true;
}

/* 1: a whole and right answer; 0: not all here yet; -1: wrong. */
static int judge(const struct connection *c)
{
    const char *end = memmem(c->got, c->got_len, "\r\n\r\n", 4);
    size_t head_len;

    if (end == NULL)
        return c->got_len < HEAD_MAX ? 0 : -1;
    head_len = (size_t)(end + 4 - c->got);
    if (c->got_len < head_len + body_len)
        return 0;
    return c->got_len == head_len + body_len && memcmp(c->got, "HTTP/1.1 200 OK\r\n", 17) == 0 &&
                   memcmp(c->got + head_len, body, body_len) == 0
               ? 1
               : -1;
}

/* What came on a connection that was asked for something; true: that is over. */
static bool received(struct connection *c)
{
    ssize_t n = recv(c->fd, c->got + c->got_len, HEAD_MAX + body_len - c->got_len, 0);
    int verdict;

    if (n < 0 && errno == EAGAIN)
        return false;
    if (n <= 0) {
        wrong(c, n == 0 ? "closed before the answer" : "cannot receive");
        hang_up(c);
        return true;
    }
    c->got_len += (size_t)n;
    verdict = judge(c);
    if (verdict == 0)
        return false;
    if (verdict > 0) {
        free(c->got);
        c->got = NULL;
        c->state = ANSWERED;
    } else {
        wrong(c, "a wrong answer");
        hang_up(c);
    }
    return true;
}

/* After the last answer: nothing but the server's FIN. */
static void ended(struct connection *c)
{
    char more;

    if (recv(c->fd, &more, 1, 0) == 0)
        done++;
    else
        wrong(c, "not closed in good order");
    hang_up(c);
}

static void event(struct connection *c, bool fresh)
{
    if (c->state == OPENING) {
        under_way--;
        if (!called(c))
            return;
        if (fresh)
            ask(c, last);
        else
            done++;
    } else if (c->state == ASKED) {
        if (!received(c))
            return;
        under_way -= !fresh || c->state == CLOSED;
        if (c->state == ANSWERED && !fresh) {
            c->state = IDLE;
            done++;
        }
    } else if (c->state == ANSWERED) {
        under_way--;
        ended(c);
    } else if (c->state == IDLE) {
        wrong(c, "ended unasked");
        hang_up(c);
    }
}

static void wait_for_events(bool fresh)
{
    struct epoll_event events[256];
    int n = epoll_wait(poller, events, 256, PATIENCE_MS);

    if (n == 0) { /* nothing at all for so long */
        for (struct connection *c = all; c < all + CONNECTIONS_MAX; c++) {
            if (c->state == CLOSED || c->state == IDLE)
                continue;
            wrong(c, "no answer");
            hang_up(c);
        }
        under_way = 0;
    }
    for (int i = 0; i < n; i++)
        event(events[i].data.ptr, fresh);
}

static void do_open(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        while (under_way >= AT_A_TIME)
            wait_for_events(false);
        if (all[i].state == CLOSED)
            call(&all[i]);
    }
}

static void do_use(void)
{
    for (struct connection *c = all; c < all + CONNECTIONS_MAX; c++)
        if (c->state == IDLE)
            ask(c, keep);
}

static void do_close(void)
{
    for (struct connection *c = all; c < all + CONNECTIONS_MAX; c++) {
        if (c->state == CLOSED)
            continue;
        hang_up(c);
        done++;
    }
}

static void do_fresh(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct connection *c = &all[i % AT_A_TIME];

        while (c->state != CLOSED)
            wait_for_events(true);
        call(c);
    }
    while (under_way > 0)
        wait_for_events(true);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool obey(const char *line)
{
    double start = now();
    unsigned n;

    done = errors = 0;
    resent = 0;
    if (sscanf(line, "open %u", &n) == 1 && n <= CONNECTIONS_MAX)
        do_open(n);
    else if (sscanf(line, "fresh %u", &n) == 1)
        do_fresh(n);
    else if (strcmp(line, "use\n") == 0)
        do_use();
    else if (strcmp(line, "close\n") == 0)
        do_close();
    else
        return false;
    while (under_way > 0)
        wait_for_events(false);
    printf("{\"done\":%u,\"errors\":%u,\"resent\":%lu,\"seconds\":%.3f}\n", done, errors, resent,
           now() - start);
    fflush(stdout);
    return true;
}

static bool read_body(const char *path)
{
    FILE *f = fopen(path, "rb");

    if (f == NULL)
        return false;
    body_len = fread(body, 1, sizeof(body), f);
    fclose(f);
    return body_len <= BODY_MAX;
}

int main(int argc, char **argv)
{
    struct rlimit files;
    char line[64];

    if (argc != 6 || !read_body(argv[5])) {
        fprintf(stderr, "usage: crowd TO PORT FROM PATH FILE\n");
        return 2;
    }
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    to = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2])) };
    from = (struct sockaddr_in){ .sin_family = AF_INET };
    if (inet_pton(AF_INET, argv[1], &to.sin_addr) != 1 ||
        inet_pton(AF_INET, argv[3], &from.sin_addr) != 1)
        return 2;
    snprintf(keep, sizeof(keep), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", argv[4]);
    snprintf(last, sizeof(last), "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
             argv[4]);
    poller = epoll_create1(EPOLL_CLOEXEC);
    for (struct connection *c = all; c < all + CONNECTIONS_MAX; c++)
        c->fd = -1;
    while (fgets(line, sizeof(line), stdin) != NULL) {
        if (!obey(line)) {
            fprintf(stderr, "crowd: bad line: %s", line);
            return 2;
        }
    }
    return 0;
}
