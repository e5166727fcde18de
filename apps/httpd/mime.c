/* Content types: see mime.h. Names as registered with IANA (RFC 6838; JavaScript: RFC 9239). */
#include "mime.h"
#include <kernel/lib.h>
#include <string.h>

#define UTF8 "; charset=utf-8"

static const struct {
    char extension[12];
    const char *type;
} types[] = {
    { "html", "text/html" UTF8 },
    { "htm", "text/html" UTF8 },
    { "css", "text/css" UTF8 },
    { "js", "text/javascript" UTF8 },
    { "mjs", "text/javascript" UTF8 },
    { "txt", "text/plain" UTF8 },
    { "md", "text/markdown" UTF8 },
    { "csv", "text/csv" UTF8 },
    { "json", "application/json" },
    { "map", "application/json" },
    { "webmanifest", "application/manifest+json" },
    { "xml", "application/xml" },
    { "atom", "application/atom+xml" },
    { "rss", "application/rss+xml" },
    { "xhtml", "application/xhtml+xml" },
    { "svg", "image/svg+xml" },
    { "png", "image/png" },
    { "jpg", "image/jpeg" },
    { "jpeg", "image/jpeg" },
    { "gif", "image/gif" },
    { "webp", "image/webp" },
    { "avif", "image/avif" },
    { "ico", "image/vnd.microsoft.icon" },
    { "bmp", "image/bmp" },
    { "woff2", "font/woff2" },
    { "woff", "font/woff" },
    { "ttf", "font/ttf" },
    { "otf", "font/otf" },
    { "mp3", "audio/mpeg" },
    { "ogg", "audio/ogg" },
    { "opus", "audio/ogg" },
    { "wav", "audio/wav" },
    { "mp4", "video/mp4" },
    { "webm", "video/webm" },
    { "wasm", "application/wasm" },
    { "pdf", "application/pdf" },
    { "zip", "application/zip" },
    { "gz", "application/gzip" },
};

static bool same(const char *s, const char *extension)
{
    for (; *s != '\0'; s++, extension++)
        if ((*s >= 'A' && *s <= 'Z' ? *s | 0x20 : *s) != *extension)
            return false;
    return *extension == '\0';
}

const char *mime_type(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(slash != NULL ? slash : path, '.');

    if (dot != NULL)
        for (size_t i = 0; i < ARRAY_SIZE(types); i++)
            if (same(dot + 1, types[i].extension))
                return types[i].type;
    return "application/octet-stream";
}
