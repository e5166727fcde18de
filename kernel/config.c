/*
 * tophalf.cfg at run time: a copy of its pairs, and who asked for them. A bad value never stops
 * the boot: the log says key, value and what would be right, and the default is used.
 */
#include <boot/cfg.h>
#include <kernel/config.h>
#include <kernel/fmt.h>
#include <kernel/page.h>
#include <kernel/printk.h>
#include <string.h>

static struct setting {
    char key[CFG_KEY_MAX + 1];
    char value[CFG_VALUE_MAX + 1];
    bool used;
} settings[CFG_PAIRS_MAX];
static unsigned setting_count;

static void setting_store(struct setting *s, const struct cfg_pair *pair)
{
    memcpy(s->key, pair->key, pair->key_len);
    s->key[pair->key_len] = '\0';
    memcpy(s->value, pair->value, pair->value_len);
    s->value[pair->value_len] = '\0';
    s->used = false;
}

void config_init(const struct boot_info *info)
{
    static struct cfg_pair pairs[CFG_PAIRS_MAX];
    struct cfg_error err;
    int n;

    setting_count = 0;
    if (info->config.bytes == 0) {
        printk("config: no tophalf.cfg, all defaults");
        return;
    }
    n = cfg_parse(phys_to_virt(info->config.base), info->config.bytes, pairs, ARRAY_SIZE(pairs),
                  &err);
    if (n < 0) { /* the loader has checked it, so this is a loader of another build */
        printk("config: tophalf.cfg line %u: %s; all defaults", err.line, err.message);
        return;
    }
    for (int i = 0; i < n; i++)
        if (pairs[i].key_len <= CFG_KEY_MAX && pairs[i].value_len <= CFG_VALUE_MAX)
            setting_store(&settings[setting_count++], &pairs[i]);
}

const char *config_get(const char *key, const char *fallback)
{
    for (unsigned i = 0; i < setting_count; i++) {
        if (strcmp(settings[i].key, key) == 0) {
            settings[i].used = true;
            return settings[i].value;
        }
    }
    return fallback;
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return 16;
}

/* The whole text is one number that fits, in decimal or with 0x. */
static bool parse_u64(const char *text, uint64_t *out)
{
    unsigned base = 10;

    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        base = 16;
        text += 2;
    }
    if (*text == '\0')
        return false;
    for (*out = 0; *text != '\0'; text++) {
        unsigned digit = (unsigned)digit_value(*text);

        if (digit >= base || *out > (UINT64_MAX - digit) / base)
            return false;
        *out = *out * base + digit;
    }
    return true;
}

uint64_t config_u64(const char *key, uint64_t fallback, uint64_t min, uint64_t max)
{
    const char *value = config_get(key, NULL);
    uint64_t n;

    if (value == NULL)
        return fallback;
    if (parse_u64(value, &n) && n >= min && n <= max)
        return n;
    printk("config: %s=%s: must be a number from %llu to %llu; using %llu", key, value,
           (unsigned long long)min, (unsigned long long)max, (unsigned long long)fallback);
    return fallback;
}

static bool is_one_of(const char *value, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strcmp(value, *words) == 0)
            return true;
    return false;
}

bool config_bool(const char *key, bool fallback)
{
    static const char *const yes[] = { "1", "on", "yes", "true", NULL };
    static const char *const no[] = { "0", "off", "no", "false", NULL };
    const char *value = config_get(key, NULL);

    if (value == NULL)
        return fallback;
    if (is_one_of(value, yes))
        return true;
    if (is_one_of(value, no))
        return false;
    printk("config: %s=%s: must be on or off; using %s", key, value, fallback ? "on" : "off");
    return fallback;
}

/* "a, b or c" */
static void list_names(char *buf, size_t size, const char *const *names)
{
    size_t len = 0;

    buf[0] = '\0';
    for (unsigned i = 0; names[i] != NULL && len < size; i++)
        len += (size_t)fmt_snprintf(buf + len, size - len, "%s%s",
                                    i == 0                 ? ""
                                    : names[i + 1] == NULL ? " or "
                                                           : ", ",
                                    names[i]);
}

unsigned config_choice(const char *key, const char *const *names, unsigned fallback)
{
    const char *value = config_get(key, NULL);
    char list[128];

    if (value == NULL)
        return fallback;
    for (unsigned i = 0; names[i] != NULL; i++)
        if (strcmp(value, names[i]) == 0)
            return i;
    list_names(list, sizeof(list), names);
    printk("config: %s=%s: must be %s; using %s", key, value, list, names[fallback]);
    return fallback;
}

void config_report_unused(void)
{
    for (unsigned i = 0; i < setting_count; i++)
        if (!settings[i].used)
            printk("config: nothing knows the key \"%s\" (= %s): mistyped?", settings[i].key,
                   settings[i].value);
}
