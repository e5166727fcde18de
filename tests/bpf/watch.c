/* Who was it? A sanitizer's report names our line, not the program that led there; and what runs
 * for ever names nothing. */
#include "oracle.h"
#include <sanitizer/common_interface_defs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PROGRAM_SECONDS 20 /* Linux's own limit takes one */

static void say(void)
{
    fprintf(stderr, "bpf_oracle: in \"%s\"\n", oracle.current != NULL ? oracle.current : "");
}

static void on_alarm(int signal)
{
    (void)signal;
    fprintf(stderr, "bpf_oracle: this takes more than %d s\n", PROGRAM_SECONDS);
    say();
    abort();
}

void oracle_watch(void)
{
    __sanitizer_set_death_callback(say);
    signal(SIGALRM, on_alarm);
}

void oracle_enter(const char *name)
{
    oracle.current = name;
    alarm(PROGRAM_SECONDS);
}
