/* What a loader hears of a program: see prog.h. Pure code. */
#include "prog.h"
#include <kernel/fmt.h>
#include <kernel/lib.h>

void bpf_log_printf(struct bpf_log *log, const char *fmt, ...)
{
    va_list ap;
    uint32_t room;
    int wanted;

    if (log == NULL || log->text == NULL || log->used >= log->size)
        return;
    /* Behind a cut nothing more is said: a line with a hole would read as another one. */
    if (log->cut)
        return;
    room = log->size - log->used;
    va_start(ap, fmt);
    wanted = fmt_vsnprintf(log->text + log->used, room, fmt, ap);
    va_end(ap);
    log->cut = (uint32_t)wanted >= room;
    log->used += MIN((uint32_t)wanted, room - 1);
}
