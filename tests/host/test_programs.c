/* boot/programs.c over a volume in memory: which files are handed over, what is said of the others,
 * and that all memory comes back. */
#include "loader.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE      4096ull
#define FILES_MAX 48u

EFI_SYSTEM_TABLE *st;
EFI_BOOT_SERVICES *bs;

static struct file {
    char name[300];
    uint64_t attribute, bytes;
    bool unreadable;
} files[FILES_MAX];
static unsigned file_count;
static enum { FOLDER, NO_FOLDER, A_FILE } kind;
static unsigned fail_read_at; /* the folder's so-manieth read fails; 0: none */
static bool no_memory;

static char said[FILES_MAX][256];
static unsigned said_count;
static unsigned pages_held, open_files;

void say(const char *fmt, ...)
{
    va_list ap;

    assert_true(said_count < FILES_MAX);
    va_start(ap, fmt);
    vsnprintf(said[said_count++], sizeof(said[0]), fmt, ap);
    va_end(ap);
}

static uint64_t pages(uint64_t bytes)
{
    return (bytes + PAGE - 1) / PAGE;
}

uint64_t alloc_pages(uint64_t bytes)
{
    void *p;

    if (no_memory)
        return 0;
    p = aligned_alloc(PAGE, pages(bytes) * PAGE);
    memset(p, 0xa5, pages(bytes) * PAGE);
    pages_held += pages(bytes);
    return (uint64_t)p;
}

uint64_t alloc_zeroed(uint64_t bytes)
{
    uint64_t base = alloc_pages(bytes);

    if (base != 0)
        memset((void *)base, 0, pages(bytes) * PAGE);
    return base;
}

void free_pages(uint64_t base, uint64_t bytes)
{
    if (base == 0)
        return;
    pages_held -= pages(bytes);
    free((void *)base);
}

/* ---- The volume ---- */

struct handle {
    EFI_FILE_PROTOCOL protocol; /* first */
    struct file *file;          /* NULL: a folder */
    uint64_t at;                /* in the file; in the folder the next entry */
    bool is_root;
};

static EFI_STATUS EFIAPI fake_close(EFI_FILE_PROTOCOL *self)
{
    open_files--;
    free(self);
    return EFI_SUCCESS;
}

static UINTN fill_info(EFI_FILE_INFO *info, const struct file *file)
{
    UINTN len = strlen(file->name);

    memset(info, 0, SIZE_OF_EFI_FILE_INFO);
    info->FileSize = file->bytes;
    info->Attribute = file->attribute;
    for (UINTN i = 0; i <= len; i++)
        info->FileName[i] = (CHAR16)(unsigned char)file->name[i];
    info->Size = SIZE_OF_EFI_FILE_INFO + (len + 1) * sizeof(CHAR16);
    return info->Size;
}

static uint64_t fewer(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static EFI_STATUS EFIAPI fake_read(EFI_FILE_PROTOCOL *self, UINTN *bytes, void *out)
{
    struct handle *h = (struct handle *)self;

    if (h->file != NULL) {
        if (h->file->unreadable)
            return EFI_DEVICE_ERROR;
        *bytes = h->at < h->file->bytes ? fewer(*bytes, h->file->bytes - h->at) : 0;
        memset(out, h->file->name[0], *bytes);
        return EFI_SUCCESS;
    }
    assert_false(h->is_root);
    if (h->at + 1 == fail_read_at)
        return EFI_VOLUME_CORRUPTED;
    if (h->at == file_count) {
        *bytes = 0;
        return EFI_SUCCESS;
    }
    assert_true(*bytes >= SIZE_OF_EFI_FILE_INFO + 256 * sizeof(CHAR16));
    *bytes = fill_info(out, &files[h->at++]);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI fake_set_position(EFI_FILE_PROTOCOL *self, UINT64 at)
{
    struct handle *h = (struct handle *)self;

    assert_non_null(h->file);
    h->at = at == ~0ull ? h->file->bytes : at;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI fake_get_position(EFI_FILE_PROTOCOL *self, UINT64 *at)
{
    *at = ((struct handle *)self)->at;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI fake_get_info(EFI_FILE_PROTOCOL *self, EFI_GUID *guid, UINTN *bytes,
                                       void *out)
{
    struct handle *h = (struct handle *)self;
    static const struct file folder = { .name = "xdp", .attribute = EFI_FILE_DIRECTORY };

    (void)guid;
    assert_true(*bytes >= SIZE_OF_EFI_FILE_INFO + 256 * sizeof(CHAR16));
    *bytes = fill_info(out, h->file != NULL ? h->file : &folder);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI fake_open(EFI_FILE_PROTOCOL *self, EFI_FILE_PROTOCOL **out, CHAR16 *name,
                                   UINT64 mode, UINT64 attributes);

static EFI_FILE_PROTOCOL *new_handle(struct file *file, bool is_root)
{
    struct handle *h = calloc(1, sizeof(*h));

    *h = (struct handle){ .protocol = { .Open = fake_open,
                                        .Close = fake_close,
                                        .Read = fake_read,
                                        .SetPosition = fake_set_position,
                                        .GetPosition = fake_get_position,
                                        .GetInfo = fake_get_info },
                          .file = file,
                          .is_root = is_root };
    open_files++;
    return &h->protocol;
}

static EFI_STATUS EFIAPI fake_open(EFI_FILE_PROTOCOL *self, EFI_FILE_PROTOCOL **out, CHAR16 *name,
                                   UINT64 mode, UINT64 attributes)
{
    static struct file no_folder = { .name = "xdp" };
    char path[320];
    unsigned len = 0;

    assert_true(((struct handle *)self)->is_root);
    assert_int_equal(mode, EFI_FILE_MODE_READ);
    assert_int_equal(attributes, 0);
    do
        path[len] = (char)name[len];
    while (name[len++] != 0);
    if (strcmp(path, "\\xdp") == 0) {
        if (kind == NO_FOLDER)
            return EFI_NOT_FOUND;
        *out = new_handle(kind == A_FILE ? &no_folder : NULL, false);
        return EFI_SUCCESS;
    }
    assert_memory_equal(path, "\\xdp\\", 5);
    for (unsigned i = 0; i < file_count; i++) {
        if (strcmp(path + 5, files[i].name) == 0) {
            *out = new_handle(&files[i], false);
            return EFI_SUCCESS;
        }
    }
    fail_msg("%s was not listed", path);
    return EFI_NOT_FOUND;
}

static EFI_STATUS EFIAPI fake_open_volume(EFI_SIMPLE_FILE_SYSTEM_PROTOCOL *self,
                                          EFI_FILE_PROTOCOL **out)
{
    (void)self;
    *out = new_handle(NULL, true);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI fake_handle_protocol(EFI_HANDLE handle, EFI_GUID *guid, void **out)
{
    static EFI_LOADED_IMAGE_PROTOCOL loaded;
    static EFI_SIMPLE_FILE_SYSTEM_PROTOCOL volume = { .OpenVolume = fake_open_volume };
    static EFI_GUID loaded_guid = EFI_LOADED_IMAGE_PROTOCOL_GUID;

    (void)handle;
    *out = memcmp(guid, &loaded_guid, sizeof(*guid)) == 0 ? (void *)&loaded : (void *)&volume;
    return EFI_SUCCESS;
}

static struct boot_info info;

static int setup(void **state)
{
    static EFI_BOOT_SERVICES services;

    (void)state;
    services.HandleProtocol = fake_handle_protocol;
    bs = &services;
    memset(&info, 0, sizeof(info));
    file_count = said_count = fail_read_at = 0;
    kind = FOLDER;
    no_memory = false;
    assert_int_equal(files_open(NULL), EFI_SUCCESS);
    return 0;
}

/* Whatever happened, nothing is left open or allocated. */
static int teardown(void **state)
{
    (void)state;
    programs_free(&info);
    files_close();
    return pages_held != 0 || open_files != 0 || info.programs != 0;
}

static struct file *add(const char *name, uint64_t bytes)
{
    struct file *file = &files[file_count++];

    *file = (struct file){ .bytes = bytes };
    strcpy(file->name, name);
    return file;
}

static void expect(unsigned i, const char *name, uint64_t bytes)
{
    const struct boot_program *program = (const struct boot_program *)info.programs + i;
    const uint8_t *data = (const uint8_t *)program->file.base;

    assert_true(i < info.program_count);
    assert_string_equal(program->name, name);
    assert_int_equal(program->file.bytes, bytes);
    assert_int_equal(program->file.base % PAGE, 0);
    for (uint64_t at = 0; at < bytes; at++)
        assert_int_equal(data[at], name[0]);
    for (uint64_t at = bytes; at % PAGE != 0; at++)
        assert_int_equal(data[at], 0);
}

/* ---- Tests ---- */

static void test_taken(void **state)
{
    (void)state;
    add(".", 0)->attribute = EFI_FILE_DIRECTORY;
    add("..", 0)->attribute = EFI_FILE_DIRECTORY;
    add("firewall.o", 5000);
    add("README.txt", 10);
    add("dir.o", 0)->attribute = EFI_FILE_DIRECTORY;
    add("KV.O", 1);
    add(".o", 10);
    add("o", 10);
    add("empty.o", 0);
    add("firewall.o.bak", 10);
    programs_load(&info);
    assert_int_equal(info.program_count, 3);
    expect(0, "firewall.o", 5000);
    expect(1, "KV.O", 1);
    expect(2, "empty.o", 0);
    assert_int_equal(said_count, 0);
}

static void test_no_folder(void **state)
{
    (void)state;
    kind = NO_FOLDER;
    programs_load(&info);
    assert_int_equal(info.program_count, 0);
    kind = A_FILE;
    programs_load(&info);
    assert_int_equal(info.program_count, 0);
    assert_int_equal(said_count, 0);
}

static void test_limits(void **state)
{
    char longest[BOOT_PROGRAM_NAME_MAX + 2];

    (void)state;
    add("largest.o", BOOT_PROGRAM_BYTES_MAX);
    add("larger.o", BOOT_PROGRAM_BYTES_MAX + 1);
    memset(longest, 'n', sizeof(longest));
    strcpy(longest + BOOT_PROGRAM_NAME_MAX - 2, ".o");
    add(longest, 3);
    strcpy(longest + BOOT_PROGRAM_NAME_MAX - 2, "n.o");
    add(longest, 3);
    add("a b.o", 3);
    add("\xe4.o", 3);
    add("broken.o", 3)->unreadable = true;
    add("last.o", 3);
    programs_load(&info);
    assert_int_equal(info.program_count, 3);
    expect(0, "largest.o", BOOT_PROGRAM_BYTES_MAX);
    assert_int_equal(strlen(((struct boot_program *)info.programs)[1].name), BOOT_PROGRAM_NAME_MAX);
    expect(2, "last.o", 3);
    assert_int_equal(said_count, 5);
    assert_string_equal(said[0], "tophalf: xdp/larger.o is left out: it has more than 1024 KiB");
    assert_non_null(strstr(said[1], "name must be"));
    assert_non_null(strstr(said[2], "xdp/a?b.o is left out: its name"));
    assert_non_null(strstr(said[3], "xdp/?.o is left out"));
    assert_non_null(strstr(said[4], "xdp/broken.o is left out: it cannot be read"));
}

static void test_too_many(void **state)
{
    char name[16];

    (void)state;
    for (unsigned i = 0; i < BOOT_PROGRAMS_MAX + 2; i++) {
        snprintf(name, sizeof(name), "%c%u.o", 'a' + i % 26, i);
        add(name, i);
    }
    programs_load(&info);
    assert_int_equal(info.program_count, BOOT_PROGRAMS_MAX);
    expect(BOOT_PROGRAMS_MAX - 1, "f31.o", 31);
    assert_int_equal(said_count, 1);
    assert_non_null(strstr(said[0], "more than 32 programs"));
}

static void test_trouble(void **state)
{
    (void)state;
    add("a.o", 3);
    add("b.o", 3);
    fail_read_at = 2;
    programs_load(&info);
    assert_int_equal(info.program_count, 1);
    expect(0, "a.o", 3);
    assert_int_equal(said_count, 1);
    programs_free(&info);

    no_memory = true;
    programs_load(&info);
    assert_int_equal(info.program_count, 0);
    assert_int_equal(said_count, 2);
    assert_non_null(strstr(said[1], "not enough memory"));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_taken),    TEST(test_no_folder), TEST(test_limits),
        TEST(test_too_many), TEST(test_trouble),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
