/* From a target to a name: never a way out, and what is escaped resolves to the same again. */
#include "fuzz.h"
#include <httpd/http_path.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[HTTP_PATH_MAX + 1], escaped[3 * HTTP_PATH_MAX + 2], again[HTTP_PATH_MAX + 1];
    char *target = exactly(data, size);
    int n;

    if (size == 0 || *target != '/') {
        free(target);
        return 0;
    }
    n = http_path_resolve(target, size, path, sizeof(path));
    free(target);
    MUST(n == -400 || n == -404 || (n >= 0 && n <= HTTP_PATH_MAX));
    if (n < 0)
        return 0;
    MUST(strlen(path) == (size_t)n); /* no NUL in it */
    MUST(path[0] != '/' && strstr(path, "//") == NULL);
    MUST(strncmp(path, "../", 3) != 0 && strcmp(path, "..") != 0 && strstr(path, "/../") == NULL);
    MUST(n < 3 || strcmp(path + n - 3, "/..") != 0);
    escaped[0] = '/';
    MUST(http_path_escape(path, escaped + 1, sizeof(escaped) - 1) >= 0);
    MUST(http_path_resolve(escaped, strlen(escaped), again, sizeof(again)) == n);
    MUST(strcmp(path, again) == 0);
    return 0;
}
