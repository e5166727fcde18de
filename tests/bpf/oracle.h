/* What the parts of bpf_oracle share. */
#ifndef TESTS_BPF_ORACLE_H
#define TESTS_BPF_ORACLE_H

#include "case.h"

struct oracle_state {
    bool with_linux, linux_only, verbose;
    bool other_release; /* than the one that the table is of: its verdicts may differ */
    unsigned differs;   /* rows of which they do */
    unsigned passed, failed;
    unsigned asked;    /* programs that Linux was given */
    unsigned compared; /* runs of ours whose outcome was held against Linux's */
    unsigned rejections, same_reason;
    unsigned stricter, restricted;
    const char *current; /* what is being run: named when a sanitizer ends us */
    char linux_log[WORLD_LOG], our_log[WORLD_LOG];
};
extern struct oracle_state oracle;

/* Name what was being run when a sanitizer ends the process, or when it takes too long. */
void oracle_watch(void);
void oracle_enter(const char *name); /* which stays valid */

/* Compiled objects: objects.c */
void oracle_check_objects(char *const *paths, int count);

extern const struct oracle_table table_alu, table_jmp, table_stack, table_ctx, table_packet,
    table_range, table_maps, table_calls, table_helpers, table_loops, table_invalid;

#endif
