/*
 * A small HTTP load client for the tests: one thread, epoll, every answer checked byte for byte.
 *
 *   load PORT MODE CONNECTIONS REQUESTS SECONDS PATH FILE
 *
 * MODE keep: REQUESTS over CONNECTIONS connections that stay open. fresh: one request on each
 * connection; we close first. server: the same, but asks the server to close first. FILE holds
 * what the body must be. Ends after REQUESTS or SECONDS, whichever comes first; with 0 REQUESTS
 * there are as many as SECONDS allow, and those that are on their way then are waited for. Prints
 * one line of JSON; its status is 0 if all requests were answered rightly.
 *
 * One source address only: QEMU's user networking shows them all to the guest as its gateway, so
 * that equal ports of two addresses would be one connection there, perhaps one in TIME_WAIT. And
 * it listens with a backlog of one, so that few may be on their way at a time: a lost SYN costs a
 * second.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX     1024
#define ERRORS_SHOWN 5
#define OPENING_MAX  2  /* connections that have had no answer yet */
#define LAST_WAIT    20 /* seconds for the last answers where SECONDS decide */

enum mode { KEEP, FRESH, SERVER };

struct connection {
    int fd;
    char *got; /* head and body of the answer being read */
    size_t got_len;
    double asked; /* when */
    bool waiting; /* for an answer */
    bool opening; /* for the first one */
};

static enum mode mode;
static unsigned port, opening;
static unsigned long wanted, started, done, failed, connects;
static double slowest; /* answer, in seconds */
static char request[512];
static size_t request_len, body_len, got_max;
static char *body;
static int poller;

static void error(const char *what)
{
    if (failed++ < ERRORS_SHOWN)
        fprintf(stderr, "load: after %lu answers: %s (%s)\n", done, what, strerror(errno));
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool open_connection(struct connection *c)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connects++;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
        error("cannot connect");
        return false;
    }
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event);
    return true;
}

static void close_connection(struct connection *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->got_len = 0;
    c->waiting = false;
    opening -= c->opening;
    c->opening = false;
}

/* Ask once more, on a new connection if there is none, unless all has been asked. */
static void ask(struct connection *c)
{
    if (started == wanted) {
        close_connection(c);
        return;
    }
    started++;
    if (c->fd < 0) {
        c->opening = true;
        opening++;
        if (!open_connection(c)) {
            close_connection(c);
            return;
        }
    }
    c->waiting = true;
    c->asked = now();
    if (send(c->fd, request, request_len, MSG_NOSIGNAL) != (ssize_t)request_len) {
        error("cannot send");
        close_connection(c);
    }
}

/* 1: a whole and right answer; 0: not all here yet; -1: wrong. */
static int check_answer(const struct connection *c)
{
    const char *end = memmem(c->got, c->got_len, "\r\n\r\n", 4);
    const char *length;
    size_t head_len;

    if (end == NULL)
        return c->got_len < HEAD_MAX ? 0 : -1;
    head_len = (size_t)(end + 4 - c->got);
    length = memmem(c->got, head_len, "\r\nContent-Length: ", 18);
    if (memcmp(c->got, "HTTP/1.1 200 OK\r\n", 17) != 0 || length == NULL ||
        strtoul(length + 18, NULL, 10) != body_len || c->got_len > head_len + body_len)
        return -1;
    if (c->got_len < head_len + body_len)
        return 0;
    return memcmp(c->got + head_len, body, body_len) == 0 ? 1 : -1;
}

static void answered(struct connection *c)
{
    double took = now() - c->asked;

    if (took > slowest)
        slowest = took;
    done++;
    c->got_len = 0;
    c->waiting = false;
    if (mode == KEEP)
        ask(c);
    else if (mode == FRESH)
        close_connection(c); /* SERVER: the end of the stream must come next */
    opening -= c->opening;
    c->opening = false;
}

static void readable(struct connection *c)
{
    ssize_t n = recv(c->fd, c->got + c->got_len, got_max - c->got_len, 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n == 0 && mode == SERVER && !c->waiting) {
        close_connection(c);
        return;
    }
    if (n <= 0) {
        error(n == 0 ? "closed before the answer" : "cannot receive");
        close_connection(c);
        return;
    }
    c->got_len += (size_t)n;
    n = c->waiting ? check_answer(c) : -1;
    if (n < 0) {
        error("a wrong answer");
        close_connection(c);
    } else if (n > 0) {
        answered(c);
    }
}

static void read_body(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct stat st;

    if (f == NULL || fstat(fileno(f), &st) != 0) {
        perror(path);
        exit(2);
    }
    body_len = (size_t)st.st_size;
    body = malloc(body_len + 1);
    if (body == NULL || fread(body, 1, body_len, f) != body_len)
        exit(2);
    fclose(f);
    got_max = body_len + HEAD_MAX;
}

static void run(struct connection *all, unsigned count, double seconds)
{
    struct epoll_event events[64];
    double end = now() + seconds, last = end;

    if (wanted == 0) {
        wanted = ULONG_MAX;
        last += LAST_WAIT;
    }
    while (done + failed < wanted && now() < last) {
        int n;

        for (unsigned i = 0; i < count && opening < OPENING_MAX && started < wanted; i++)
            if (all[i].fd < 0)
                ask(&all[i]);
        n = epoll_wait(poller, events, 64, 200);

        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;

            if (c->fd >= 0)
                readable(c);
        }
        if (wanted == ULONG_MAX && now() >= end)
            wanted = started;
    }
    for (unsigned i = 0; i < count; i++)
        close_connection(&all[i]);
}

int main(int argc, char **argv)
{
    unsigned count;
    struct connection *all;
    double start;

    if (argc != 8) {
        fprintf(stderr, "usage: load PORT keep|fresh|server CONNECTIONS REQUESTS SECONDS PATH "
                        "FILE\n");
        return 2;
    }
    port = (unsigned)atoi(argv[1]);
    mode = argv[2][0] == 'k' ? KEEP : argv[2][0] == 'f' ? FRESH : SERVER;
    count = (unsigned)atoi(argv[3]);
    wanted = strtoul(argv[4], NULL, 10);
    read_body(argv[7]);
    request_len =
        (size_t)snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n",
                         argv[6], mode == SERVER ? "Connection: close\r\n" : "");
    poller = epoll_create1(EPOLL_CLOEXEC);
    all = calloc(count, sizeof(*all));
    if (poller < 0 || all == NULL)
        return 2;
    for (unsigned i = 0; i < count; i++) {
        all[i].fd = -1;
        all[i].got = malloc(got_max);
        if (all[i].got == NULL)
            return 2;
    }
    start = now();
    run(all, count, atof(argv[5]));
    printf("{\"wanted\":%lu,\"done\":%lu,\"errors\":%lu,\"connections\":%lu,\"seconds\":%.3f,"
           "\"slowest_ms\":%.3f}\n",
           wanted, done, failed, connects, now() - start, slowest * 1000);
    return done == wanted && failed == 0 ? 0 : 1;
}
