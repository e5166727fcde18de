/* Helpers that ask the machine, and those that write into its log. */
#include "helper_impl.h"
#include <kernel/lib.h>
#include <kernel/printk.h>
#include <kernel/rand.h>
#include <kernel/time.h>

BPF_HELPER(ktime_get_ns)
{
    return time_ns();
}

/* As the former: this machine is never suspended. */
BPF_HELPER(ktime_get_boot_ns)
{
    return time_ns();
}

/* For sampling and balancing, not for secrets, as on Linux: xorshift64* (G. Marsaglia, S. Vigna)
 * from a random start. Of its product the upper half is the good one. */
BPF_HELPER(get_prandom_u32)
{
    static uint64_t state;

    while (unlikely(state == 0))
        rand_bytes(&state, sizeof(state));
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545f4914f6cdd1dull >> 32;
}

BPF_HELPER(get_smp_processor_id)
{
    _Static_assert(BPF_CPUS == 1, "the CPU would have to be asked for");
    return 0;
}

/* ---- The log. A program may say something about every packet: the console and `dmesg` show what
 * can be read, and how many lines were left out. ---- */

#define LINES_PER_SECOND 100u
#define LINE_MAX         448u /* what `dmesg` keeps of a line, less "bpf: " */
#define PRINTK_ARGS      3u
#define VPRINTK_ARGS     12u /* Linux's MAX_BPRINTF_VARARGS */

static bool may_log(void)
{
    static uint64_t second_ends_ns, left_out;
    static unsigned lines;
    uint64_t now_ns = time_ns();

    if (now_ns >= second_ends_ns) {
        second_ends_ns = now_ns + NS_PER_SEC;
        lines = 0;
        if (left_out > 0)
            printk("bpf: %llu lines left out", (unsigned long long)left_out);
        left_out = 0;
    }
    if (lines == LINES_PER_SECOND) {
        left_out++;
        return false;
    }
    lines++;
    return true;
}

/* One line of the log, whatever the program put in. */
static void log_line(char *line)
{
    size_t end = 0;

    for (; line[end] != '\0'; end++)
        if ((unsigned char)line[end] < ' ' || line[end] == 0x7f)
            line[end] = ' ';
    while (end > 0 && line[end - 1] == ' ') /* the newline that bpf_printk() has since libbpf 0.5 */
        end--;
    line[end] = '\0';
    printk("bpf: %s", line);
}

static uint64_t log_format(const char *format, uint32_t bytes, const uint64_t *args, unsigned count)
{
    static char line[LINE_MAX]; /* softirqs do not interrupt one another */
    int64_t length = bpf_format(line, sizeof(line), format, bytes, args, count);

    if (length >= 0 && may_log())
        log_line(line);
    return bpf_result(length);
}

BPF_HELPER(trace_printk)
{
    const uint64_t args[PRINTK_ARGS] = { r3, r4, r5 };

    return log_format(bpf_ptr(r1), (uint32_t)r2, args, PRINTK_ARGS);
}

BPF_HELPER(trace_vprintk)
{
    uint32_t bytes = (uint32_t)r4;
    uint64_t args[VPRINTK_ARGS];

    if (bytes % 8 != 0 || bytes > sizeof(args) || (bytes > 0 && r3 == 0))
        return bpf_result(-BPF_EINVAL);
    for (unsigned i = 0; i < bytes / 8; i++)
        args[i] = ((const uint64_t *)bpf_ptr(r3))[i];
    return log_format(bpf_ptr(r1), (uint32_t)r2, args, bytes / 8);
}
