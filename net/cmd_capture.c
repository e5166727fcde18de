/* The console command `capture`: the captures that are under way. Main context. */
#include <kernel/console.h>
#include <kernel/softirq.h>
#include <kernel/time.h>
#include <net/capture.h>

static void print_json(struct console *con, const struct capture_status *status, unsigned count)
{
    uint64_t now_ns = time_ns();
    struct json j;

    console_json(con, &j);
    json_array(&j, "captures");
    for (unsigned i = 0; i < count; i++) {
        json_object(&j, NULL);
        json_u64(&j, "age_ns", now_ns - status[i].begun_ns);
        json_u64(&j, "filter_instructions", status[i].filter_len);
        json_u64(&j, "seen", status[i].seen);
        json_u64(&j, "matched", status[i].matched);
        json_u64(&j, "dropped", status[i].dropped);
        json_u64(&j, "bytes", status[i].bytes);
        json_bool(&j, "ended", status[i].ended);
        json_object_end(&j);
    }
    json_array_end(&j);
    json_end(&j);
}

static void print_text(struct console *con, const struct capture_status *status, unsigned count)
{
    uint64_t now_ns = time_ns();

    if (count == 0) {
        console_printf(con, "none: curl -sN 'http://<this machine>/_/capture.pcapng?seconds=10' | "
                            "tcpdump -n -r -\n");
        return;
    }
    console_printf(con, "   age filter       seen    matched    dropped        bytes\n");
    for (unsigned i = 0; i < count; i++)
        console_printf(con, "%4llu s %6u %10llu %10llu %10llu %12llu%s\n",
                       (unsigned long long)((now_ns - status[i].begun_ns) / NS_PER_SEC),
                       status[i].filter_len, (unsigned long long)status[i].seen,
                       (unsigned long long)status[i].matched, (unsigned long long)status[i].dropped,
                       (unsigned long long)status[i].bytes, status[i].ended ? ", ended" : "");
}

static int cmd_capture(struct console *con, int argc, char **argv)
{
    struct capture_status status[CAPTURES_MAX];
    unsigned count;

    (void)argv;
    if (argc > 1)
        return console_error(con, "takes no arguments");
    softirq_disable();
    count = capture_status(status);
    softirq_enable();
    (con->json ? print_json : print_text)(con, status, count);
    return 0;
}
CONSOLE_COMMAND(capture, "capture", "the captures of frames under way: /_/capture.pcapng",
                cmd_capture);
