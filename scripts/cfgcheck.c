/*
 * Refuse a tophalf.cfg at build time that the loader would refuse at boot: cfgcheck FILE
 *
 * The same parser (boot/cfg.c), on the build machine, naming file and line as a compiler does.
 */
#include <boot/cfg.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_MAX (1 << 20)

static void print_line(const char *text, size_t len, unsigned number)
{
    size_t at = 0;

    while (number > 1 && at < len)
        if (text[at++] == '\n')
            number--;
    fputs("    ", stderr);
    while (at < len && text[at] != '\n')
        fputc(text[at++], stderr);
    fputc('\n', stderr);
}

int main(int argc, char **argv)
{
    static struct cfg_pair pairs[CFG_PAIRS_MAX];
    static char text[FILE_MAX];
    struct cfg_error error;
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    size_t len;

    if (file == NULL) {
        fprintf(stderr, "CONFIG=%s: there is no such file\n", argc == 2 ? argv[1] : "");
        return 1;
    }
    len = fread(text, 1, sizeof(text), file);
    fclose(file);
    if (len == sizeof(text)) {
        fprintf(stderr, "%s: too large for a configuration\n", argv[1]);
        return 1;
    }
    if (cfg_parse(text, len, pairs, CFG_PAIRS_MAX, &error) < 0) {
        fprintf(stderr, "%s:%u: %s\n", argv[1], error.line, error.message);
        print_line(text, len, error.line);
        return 1;
    }
    return 0;
}
