/*
 * What it costs this machine to wake a sleeping thread on another core: wake CORE_SLEEPS CORE_WAKES
 *
 * A halted vCPU is such a thread, and QEMU's main loop is what wakes it, by a condition variable as
 * here. This is the part of a round trip that no guest that halts can save. Prints one line of
 * JSON.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS  1000
#define REST_US 1000 /* between two: time enough to fall asleep, and for the core to go idle */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wanted = PTHREAD_COND_INITIALIZER;
static unsigned asked, answered;
static uint64_t asked_ns, took_ns[ROUNDS];

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void stay_on(int core)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(core, &set);
    if (sched_setaffinity(0, sizeof(set), &set) < 0)
        fprintf(stderr, "wake: core %d is not ours; staying where we are\n", core);
}

static void *sleeper(void *core)
{
    stay_on(*(int *)core);
    pthread_mutex_lock(&lock);
    while (answered < ROUNDS) {
        while (asked == answered)
            pthread_cond_wait(&wanted, &lock);
        took_ns[answered++] = now_ns() - asked_ns;
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    pthread_t thread;
    int sleeps_on;

    if (argc != 3) {
        fprintf(stderr, "usage: wake CORE_SLEEPS CORE_WAKES\n");
        return 2;
    }
    sleeps_on = atoi(argv[1]);
    stay_on(atoi(argv[2]));
    if (pthread_create(&thread, NULL, sleeper, &sleeps_on) != 0)
        return 1;
    for (unsigned i = 0; i < ROUNDS; i++) {
        usleep(REST_US);
        pthread_mutex_lock(&lock);
        asked++;
        asked_ns = now_ns();
        pthread_cond_signal(&wanted);
        pthread_mutex_unlock(&lock);
    }
    pthread_join(thread, NULL);
    qsort(took_ns, ROUNDS, sizeof(took_ns[0]), compare);
    printf("{\"p50_ns\":%llu,\"p99_ns\":%llu}\n", (unsigned long long)took_ns[ROUNDS / 2],
           (unsigned long long)took_ns[ROUNDS * 99 / 100]);
    return 0;
}
