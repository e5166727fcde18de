/*
 * `xdp`: the programs that see received frames first, in bpftool's words: loaded, shown, swapped
 * while packets come. Main context; printing waits, so what is printed is a copy, or kept by a
 * reference.
 */
#include "bpf/prog.h"
#include <kernel/console.h>
#include <kernel/lib.h>
#include <net/bpf_text.h>
#include <net/stack.h>
#include <net/xdp.h>
#include <net/xdp_load.h>
#include <string.h>

#define USAGE                                                                                      \
    "xdp [list] | xdp show [id N|name NAME] | xdp load FILE [prog NAME] | xdp unload | "           \
    "xdp dump xlated|jited [id N|name NAME] | xdp jit on|off | xdp files"

#define LOG_BYTES  (64u << 10)
#define TEXT_BYTES 256u /* of one instruction */
#define CODE_MAX   64u  /* bytes of machine code of one, that are shown */

/* ---- Which program ---- */

static bool decimal(const char *text, uint32_t *value)
{
    uint64_t n = 0;

    for (const char *c = text; *c != '\0'; c++) {
        if (*c < '0' || *c > '9')
            return false;
        n = n * 10 + (uint64_t)(*c - '0');
        if (n > UINT32_MAX)
            return false;
    }
    *value = (uint32_t)n;
    return *text != '\0';
}

/* "id N", "name NAME", or NAME; nothing: what is attached. With a reference, or NULL: it was said
 * why. */
static struct bpf_prog *find_prog(struct console *con, int argc, char **argv)
{
    bool by_id = argc == 2 && strcmp(argv[0], "id") == 0;
    const char *word = argc > 0 ? argv[argc - 1] : NULL;
    struct bpf_prog *prog = NULL;
    uint32_t id = 0;

    if (argc > 2 || (argc == 2 && !by_id && strcmp(argv[0], "name") != 0)) {
        console_error(con, "which program? id and its number, or name and its name");
        return NULL;
    }
    if (by_id && !decimal(word, &id)) {
        console_error(con, "%s is no id", word);
        return NULL;
    }
    net_enter();
    if (word == NULL)
        prog = xdp_attached;
    else
        prog = by_id ? bpf_prog_by_id(id) : bpf_prog_by_name(word);
    if (prog != NULL)
        bpf_prog_hold(prog);
    net_leave();
    if (prog == NULL && word == NULL)
        console_error(con, "no program is attached");
    else if (prog == NULL)
        console_error(con, "there is no program %s%s; `xdp list` shows them", by_id ? "of id " : "",
                      word);
    return prog;
}

static void put_prog(struct bpf_prog *prog)
{
    net_enter();
    bpf_prog_put(prog);
    net_leave();
}

/* ---- xdp list, xdp show ---- */

static const char *const verdicts[XDP_ACTIONS] = { "aborted", "drop", "pass", "tx", "redirect" };

/* What is shown of one, as it was at one moment. */
struct shown {
    struct bpf_prog prog;
    uint32_t map_ids[BPF_PROG_MAPS_MAX];
    bool attached;
};

static bool copy_prog(unsigned i, struct shown *shown)
{
    const struct bpf_prog *prog;

    net_enter();
    prog = bpf_prog_at(i);
    if (prog != NULL) {
        shown->prog = *prog;
        shown->attached = prog == xdp_attached;
        for (uint32_t k = 0; k < prog->map_count; k++)
            shown->map_ids[k] = prog->maps[k]->id;
    }
    net_leave();
    return prog != NULL;
}

static void show_json(struct json *j, const struct shown *shown)
{
    const struct bpf_prog *prog = &shown->prog;

    json_object(j, NULL);
    json_u64(j, "id", prog->id);
    json_str(j, "name", prog->name);
    json_str(j, "section", prog->section);
    json_bool(j, "gpl_compatible", prog->gpl);
    json_bool(j, "attached", shown->attached);
    json_u64(j, "loaded_at_ns", prog->loaded_ns);
    json_u64(j, "bytes_xlated", (uint64_t)prog->count * sizeof(struct bpf_insn));
    json_u64(j, "bytes_jited", prog->entry != NULL ? prog->image_bytes : 0);
    json_u64(j, "verified_insns", prog->verified_insns);
    json_u64(j, "verify_ns", prog->verify_ns);
    json_array(j, "map_ids");
    for (uint32_t k = 0; k < prog->map_count; k++)
        json_u64(j, NULL, shown->map_ids[k]);
    json_array_end(j);
    json_object(j, "actions");
    for (unsigned v = 0; v < XDP_ACTIONS; v++)
        json_u64(j, verdicts[v], prog->actions[v]);
    json_object_end(j);
    json_object_end(j);
}

static void show_text(struct console *con, const struct shown *shown)
{
    const struct bpf_prog *prog = &shown->prog;
    char rate[CONSOLE_RATE_MAX];

    console_printf(con, "%u: xdp  name %s%s%s\n", prog->id, prog->name, prog->gpl ? "  gpl" : "",
                   shown->attached ? "  attached to " STACK_IFNAME : "");
    console_printf(con, "\tloaded_at %llu.%03us  verified %u insns in %llu us\n",
                   (unsigned long long)(prog->loaded_ns / NS_PER_SEC),
                   (unsigned)(prog->loaded_ns % NS_PER_SEC / NS_PER_MS), prog->verified_insns,
                   (unsigned long long)(prog->verify_ns / NS_PER_US));
    console_printf(con, "\txlated %uB  ", prog->count * (unsigned)sizeof(struct bpf_insn));
    if (prog->entry != NULL)
        console_printf(con, "jited %uB", (unsigned)prog->image_bytes);
    else
        console_printf(con, "not jited");
    for (uint32_t k = 0; k < prog->map_count; k++)
        console_printf(con, "%s%u", k == 0 ? "  map_ids " : ",", shown->map_ids[k]);
    console_printf(con, "\n\t");
    for (unsigned v = 0; v < XDP_ACTIONS; v++)
        console_printf(con, "%s%s %llu%s", v == 0 ? "" : "  ", verdicts[v],
                       (unsigned long long)prog->actions[v],
                       console_rate_text(con, prog->actions[v], 0, rate));
    console_printf(con, "\n");
}

/* All of them, or one. */
static int list(struct console *con, const struct bpf_prog *only)
{
    /* Too large for a stack, and not static: while we wait for the serial port, another may be made
     * for HTTP. */
    struct shown *shown = bpf_mem_alloc(sizeof(*shown));
    bool any = false;
    struct json j;

    if (shown == NULL)
        return console_error(con, "there is no memory");
    if (con->json) {
        console_json(con, &j);
        json_bool(&j, "jit", bpf_jit_enabled);
        json_array(&j, "programs");
    }
    for (unsigned i = 0; copy_prog(i, shown); i++) {
        if (only != NULL && shown->prog.id != only->id)
            continue;
        any = true;
        if (con->json)
            show_json(&j, shown);
        else
            show_text(con, shown);
    }
    if (con->json) {
        json_array_end(&j);
        json_end(&j);
    } else if (!any) {
        console_printf(con, "no program is loaded; `xdp files` shows what there is\n");
    }
    bpf_mem_free(shown);
    return 0;
}

static int show(struct console *con, int argc, char **argv)
{
    struct bpf_prog *prog;
    int result;

    if (argc == 0)
        return list(con, NULL);
    prog = find_prog(con, argc, argv);
    if (prog == NULL)
        return 1;
    result = list(con, prog);
    put_prog(prog);
    return result;
}

/* ---- xdp files ---- */

static int files(struct console *con)
{
    const struct boot_program *object;
    struct json j;

    if (con->json) {
        console_json(con, &j);
        json_array(&j, "files");
    }
    for (unsigned i = 0; (object = xdp_object_at(i)) != NULL; i++) {
        if (con->json) {
            json_object(&j, NULL);
            json_str(&j, "name", object->name);
            json_u64(&j, "bytes", object->file.bytes);
            json_object_end(&j);
        } else {
            console_printf(con, "%8llu  %s\n", (unsigned long long)object->file.bytes,
                           object->name);
        }
    }
    if (con->json) {
        json_array_end(&j);
        json_end(&j);
    } else if (xdp_object_at(0) == NULL) {
        console_printf(con, "none came with the boot volume: make xdp, then make run\n");
    }
    return 0;
}

/* ---- xdp load, xdp unload ---- */

/* The reason is the error's line; the verifier's way to it, which may be long, follows. */
static int say_refused(struct console *con, char *text)
{
    char *rest = strchr(text, '\n');

    if (rest != NULL)
        *rest++ = '\0';
    console_error(con, "%s", text);
    while (rest != NULL && *rest != '\0' && !con->json) {
        char *line = rest;

        rest = strchr(line, '\n');
        if (rest != NULL)
            *rest++ = '\0';
        console_printf(con, "%s\n", line);
    }
    return 1;
}

static int load(struct console *con, int argc, char **argv)
{
    bool chosen = argc == 3 && strcmp(argv[1], "prog") == 0;
    struct bpf_log log = { .size = LOG_BYTES, .level = con->json ? 0 : 1 };
    int result = 0;

    if (argc != 1 && !chosen)
        return console_error(con, "xdp load FILE [prog NAME]; `xdp files` shows the files");
    log.text = bpf_mem_alloc(LOG_BYTES);
    if (log.text == NULL)
        return console_error(con, "there is no memory");
    if (!xdp_load_file(argv[0], chosen ? argv[2] : NULL, &log))
        result = say_refused(con, log.text);
    bpf_mem_free(log.text);
    return result != 0 ? result : show(con, 0, NULL);
}

/* ---- xdp dump ---- */

/* The machine code of instruction `at` (which takes `slots`), as bytes. */
static const char *code_text(const struct bpf_prog *prog, uint32_t at, unsigned slots,
                             char text[3 * CODE_MAX + 1])
{
    uint32_t begin = prog->jit_offsets[at], end = prog->jit_offsets[at + slots];

    return bpf_text_bytes((const uint8_t *)prog->image + begin, MIN(end - begin, CODE_MAX), text,
                          3 * CODE_MAX + 1);
}

static const struct bpf_subprog *function_at(const struct bpf_prog *prog, uint32_t at)
{
    for (uint32_t i = 0; i < prog->subprog_count; i++)
        if (prog->subprogs[i].start == at)
            return &prog->subprogs[i];
    return NULL;
}

static void dump_text(struct console *con, const struct bpf_prog *prog, bool jited)
{
    char text[TEXT_BYTES], hex[3 * CODE_MAX + 1];

    for (uint32_t at = 0; at < prog->count;) {
        const struct bpf_subprog *function = function_at(prog, at);
        unsigned slots = bpf_disasm(prog, at, text, sizeof(text));

        if (function != NULL)
            console_printf(con, "%s:\n", function->name[0] != '\0' ? function->name : prog->name);
        console_printf(con, "%4u: (%02x) %s\n", at, prog->insns[at].code, text);
        if (jited)
            console_printf(con, "\t%s\n", code_text(prog, at, slots, hex));
        at += slots;
    }
}

static void dump_json(struct console *con, const struct bpf_prog *prog, bool jited)
{
    char text[TEXT_BYTES], hex[3 * CODE_MAX + 1];
    struct json j;

    console_json(con, &j);
    json_u64(&j, "id", prog->id);
    json_str(&j, "name", prog->name);
    json_array(&j, "insns");
    for (uint32_t at = 0; at < prog->count;) {
        unsigned slots = bpf_disasm(prog, at, text, sizeof(text));

        json_object(&j, NULL);
        json_u64(&j, "index", at);
        json_str(&j, "disasm", text);
        json_str(&j, "code", jited ? code_text(prog, at, slots, hex) : NULL);
        json_object_end(&j);
        at += slots;
    }
    json_array_end(&j);
    json_end(&j);
}

static int dump(struct console *con, int argc, char **argv)
{
    bool jited = argc > 0 && strcmp(argv[0], "jited") == 0;
    struct bpf_prog *prog;

    if (!jited && (argc == 0 || strcmp(argv[0], "xlated") != 0))
        return console_error(con,
                             "xdp dump xlated (instructions) or xdp dump jited (machine code)");
    prog = find_prog(con, argc - 1, argv + 1);
    if (prog == NULL)
        return 1;
    if (jited && (prog->entry == NULL || prog->jit_offsets == NULL)) {
        console_error(con, "program %u was not compiled", prog->id);
        put_prog(prog);
        return 1;
    }
    if (con->json)
        dump_json(con, prog, jited);
    else
        dump_text(con, prog, jited);
    put_prog(prog);
    return 0;
}

/* ---- xdp jit ---- */

static int jit(struct console *con, int argc, char **argv)
{
    bool on = argc == 1 && strcmp(argv[0], "on") == 0;

    if (argc != 0 && !on && (argc != 1 || strcmp(argv[0], "off") != 0))
        return console_error(con, "jit is on or off");
    if (argc == 1)
        bpf_jit_enabled = on; /* a byte, read for each frame */
    if (con->json)
        return list(con, NULL);
    console_printf(con, "jit %s\n", bpf_jit_enabled ? "on" : "off");
    return 0;
}

/* ---- The command ---- */

static const char *verb(unsigned i)
{
    static const char *const verbs[] = { "list", "show", "load", "unload", "dump", "jit", "files" };

    return i < ARRAY_SIZE(verbs) ? verbs[i] : NULL;
}

static int cmd_xdp(struct console *con, int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "list";
    int more = argc > 1 ? argc - 2 : 0;
    char **rest = argv + 2;

    if (strcmp(what, "show") == 0)
        return show(con, more, rest);
    if (strcmp(what, "load") == 0)
        return load(con, more, rest);
    if (strcmp(what, "dump") == 0)
        return dump(con, more, rest);
    if (strcmp(what, "jit") == 0)
        return jit(con, more, rest);
    if (strcmp(what, "list") != 0 && strcmp(what, "unload") != 0 && strcmp(what, "files") != 0)
        return console_error(con, "xdp %s: there is no such thing; xdp -h shows what there is",
                             what);
    if (more > 0)
        return console_error(con, "what is %s?", rest[0]);
    if (strcmp(what, "files") == 0)
        return files(con);
    if (strcmp(what, "unload") == 0)
        xdp_unload();
    return list(con, NULL);
}
CONSOLE_COMMAND_COMPLETE(xdp, USAGE, "XDP programs: load, show, swap them", cmd_xdp, verb);
