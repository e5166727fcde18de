/* Which object's programs are loaded: see net/xdp_load.h. */
#include "bpf/object.h"
#include <kernel/boot.h>
#include <kernel/config.h>
#include <kernel/context.h>
#include <kernel/page.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <net/xdp.h>
#include <net/xdp_load.h>
#include <string.h>

#define SUFFIX     ".o"
#define LINE_BYTES 256

static struct bpf_object loaded; /* prog_count 0: none */

/* ---- The boot volume's ---- */

const struct boot_program *xdp_object_at(unsigned i)
{
    const struct boot_info *info = boot_info();

    return i < info->program_count ? (const struct boot_program *)phys_to_virt(info->programs) + i
                                   : NULL;
}

static bool is_named(const struct boot_program *object, const char *name)
{
    size_t len = strlen(name);

    return strncmp(object->name, name, len) == 0 &&
           (object->name[len] == '\0' || strcmp(object->name + len, SUFFIX) == 0);
}

const struct boot_program *xdp_object_find(const char *name)
{
    const struct boot_program *object;

    for (unsigned i = 0; (object = xdp_object_at(i)) != NULL; i++)
        if (is_named(object, name))
            return object;
    return NULL;
}

/* ---- Loading ---- */

static struct bpf_prog *find_program(const struct bpf_object *object, const char *program)
{
    if (program == NULL)
        return object->progs[0];
    for (unsigned i = 0; i < object->prog_count; i++)
        if (strcmp(object->progs[i]->name, program) == 0)
            return object->progs[i];
    for (unsigned i = 0; i < object->prog_count; i++)
        if (strcmp(object->progs[i]->section, program) == 0)
            return object->progs[i];
    return NULL;
}

static bool attach_from(const struct bpf_object *object, const char *program, struct bpf_log *log)
{
    struct bpf_prog *prog = find_program(object, program);
    const char *why;

    /* What the verifier has said of programs that are right is no reason. */
    log->used = 0;
    log->cut = false;
    if (prog == NULL) {
        bpf_log_printf(log, "%s: there is no program %s in it\n", object->name, program);
        return false;
    }
    if (!xdp_attach(prog, &why)) {
        bpf_log_printf(log, "%s: %s\n", object->name, why);
        return false;
    }
    return true;
}

static void let_go(struct bpf_object *object)
{
    if (object->prog_count > 0)
        bpf_object_put(object);
    object->prog_count = 0;
}

bool xdp_load(const void *file, size_t bytes, const char *name, const char *program,
              struct bpf_log *log)
{
    struct bpf_object object, before = loaded;

    ASSERT_CONTEXT(CONTEXT_MAIN);
    if (!bpf_object_load(&object, file, bytes, name, log))
        return false;
    if (!attach_from(&object, program, log)) {
        let_go(&object);
        return false;
    }
    loaded = object;
    let_go(&before);
    return true;
}

bool xdp_load_file(const char *name, const char *program, struct bpf_log *log)
{
    const struct boot_program *object = xdp_object_find(name);

    if (object == NULL) {
        bpf_log_printf(log,
                       "%s: there is no such file in xdp/ of the boot volume (make xdp fills it)\n",
                       name);
        return false;
    }
    return xdp_load(phys_to_virt(object->file.base), object->file.bytes, object->name, program,
                    log);
}

void xdp_unload(void)
{
    ASSERT_CONTEXT(CONTEXT_MAIN);
    xdp_detach();
    let_go(&loaded);
}

/* The bytes before the first such one. */
static size_t until(const char *text, char end)
{
    size_t len = 0;

    while (text[len] != '\0' && text[len] != end)
        len++;
    return len;
}

/* With the first line of what went wrong in the kernel's log. */
static bool load_logged(const char *name, const char *program)
{
    char text[LINE_BYTES];
    struct bpf_log log = { .text = text, .size = sizeof(text) };

    text[0] = '\0';
    if (xdp_load_file(name, program, &log))
        return true;
    printk("xdp: %.*s", (int)until(text, '\n'), text);
    return false;
}

bool xdp_attach_object(const char *name, const char **why)
{
    *why = "its XDP program could not be loaded: see the log";
    return load_logged(name, NULL);
}

/* "firewall.o", or "firewall.o program" */
void xdp_load_configured(void)
{
    const char *value = config_get("xdp", "");
    size_t len = until(value, ' ');
    char name[BOOT_PROGRAM_NAME_MAX + 1];
    const char *program = value + len;

    while (*program == ' ')
        program++;
    if (len == 0)
        return;
    if (len > BOOT_PROGRAM_NAME_MAX) {
        printk("xdp: xdp=%s: no file has so long a name", value);
        return;
    }
    memcpy(name, value, len);
    name[len] = '\0';
    load_logged(name, *program != '\0' ? program : NULL);
}
