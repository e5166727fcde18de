/* Who may use the admin area: see admin_access.h. */
#include "admin_access.h"
#include "bytes.h"
#include <kernel/config.h>
#include <kernel/fmt.h>
#include <kernel/lib.h>
#include <kernel/printk.h>
#include <kernel/rand.h>
#include <string.h>

#define NETS_MAX 16
/* The host's side of QEMU's user networking; and loopback, for where there is one. */
#define NETS_DEFAULT "10.0.2.2, fec0::2, 127.0.0.0/8, ::1"
#define TOKEN_MIN    16
#define ENTRY_MAX    64

struct net {
    ip_addr_t address;
    unsigned bits;
};
static struct net nets[NETS_MAX];
static unsigned net_count;
static char token[ADMIN_TOKEN_MAX + 1];

/* ---------------------------------------------------------------- addresses */

/* Digits up to `most`, and nothing else. */
static bool parse_bits(const char *text, unsigned most, unsigned *out)
{
    unsigned value = 0;

    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        value = value * 10 + (unsigned)(*text - '0');
        if (value > most)
            return false;
    }
    *out = value;
    return true;
}

/* "address" or "address/bits". */
static bool parse_net(const char *text, struct net *out)
{
    const char *slash = strchr(text, '/');
    size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
    char address[ENTRY_MAX];
    unsigned most;

    fmt_snprintf(address, sizeof(address), "%.*s", (int)len, text);
    if (!ipaddr_aton(address, &out->address))
        return false;
    most = IP_IS_V6(&out->address) ? 128 : 32;
    out->bits = most;
    return slash == NULL || parse_bits(slash + 1, most, &out->bits);
}

static bool separates(char c)
{
    return c == ',' || c == ' ' || c == '\t';
}

/* The next entry of the list at *at, without what separates them, into text. False: the end. */
static bool next_entry(const char **at, char *text, size_t size)
{
    const char *s = *at;
    size_t len = 0;

    while (separates(*s))
        s++;
    while (s[len] != '\0' && !separates(s[len]))
        len++;
    *at = s + len;
    if (len == 0)
        return false;
    fmt_snprintf(text, size, "%.*s", (int)MIN(len, size - 1), s);
    return true;
}

static void read_nets(const char *list)
{
    char text[ENTRY_MAX];

    net_count = 0;
    if (strcmp(list, "none") == 0)
        return;
    while (next_entry(&list, text, sizeof(text))) {
        if (net_count == NETS_MAX) {
            printk("httpd: admin=: more than %u addresses; the rest is left out", NETS_MAX);
            return;
        }
        if (parse_net(text, &nets[net_count]))
            net_count++;
        else
            printk("httpd: admin=: \"%s\" is no address or address/bits; left out", text);
    }
}

static bool is_in(const uint8_t *address, const uint8_t *net, unsigned bits)
{
    unsigned bytes = bits / 8;

    return memcmp(address, net, bytes) == 0 &&
           (bits % 8 == 0 || (address[bytes] ^ net[bytes]) >> (8 - bits % 8) == 0);
}

static const uint8_t *address_bytes(const ip_addr_t *address)
{
    return IP_IS_V6(address) ? (const uint8_t *)ip_2_ip6(address)->addr
                             : (const uint8_t *)&ip_2_ip4(address)->addr;
}

bool admin_allows(const ip_addr_t *address)
{
    for (unsigned i = 0; i < net_count; i++)
        if (IP_GET_TYPE(address) == IP_GET_TYPE(&nets[i].address) &&
            is_in(address_bytes(address), address_bytes(&nets[i].address), nets[i].bits))
            return true;
    return false;
}

/* ---------------------------------------------------------------- the token */

static void draw_token(void)
{
    uint8_t bytes[16];

    rand_bytes(bytes, sizeof(bytes));
    for (unsigned i = 0; i < sizeof(bytes); i++)
        fmt_snprintf(token + 2 * i, 3, "%02x", bytes[i]);
}

void admin_access_init(void)
{
    const char *given = config_get("admin_token", NULL);

    read_nets(config_get("admin", NETS_DEFAULT));
    if (given != NULL && strlen(given) >= TOKEN_MIN && strlen(given) <= ADMIN_TOKEN_MAX) {
        memcpy(token, given, strlen(given) + 1);
        return;
    }
    if (given != NULL)
        printk("httpd: admin_token= must have %u to %u characters; one was drawn instead",
               TOKEN_MIN, ADMIN_TOKEN_MAX);
    draw_token();
}

const char *admin_token(void)
{
    return token;
}

static bool same_in_constant_time(const char *a, const char *b, size_t len)
{
    volatile uint8_t difference = 0;

    for (size_t i = 0; i < len; i++)
        difference |= (uint8_t)(a[i] ^ b[i]);
    return difference == 0;
}

bool admin_has_token(const struct http_request *request)
{
    static const char scheme[] = "bearer ";
    struct http_text value = http_request_field(request, HTTP_AUTHORIZATION, 0);
    size_t skip = sizeof(scheme) - 1;

    if (value.at == NULL || value.len < skip || !same_name(value.at, scheme, skip))
        return false;
    return value.len - skip == strlen(token) &&
           same_in_constant_time(value.at + skip, token, value.len - skip);
}

/* ---------------------------------------------------------------- other sites */

static bool is_text(struct http_text value, const char *text)
{
    return value.len == strlen(text) && memcmp(value.at, text, value.len) == 0;
}

/* Without its port. */
static struct http_text host_name(struct http_text host)
{
    const char *colon;

    if (host.len > 0 && *host.at == '[')
        return host; /* an IPv6 address, see below */
    colon = memchr(host.at, ':', host.len);
    if (colon != NULL)
        host.len = (size_t)(colon - host.at);
    return host;
}

static bool is_own_host(struct http_text host)
{
    const char *own = config_get("hostname", "tophalf");
    char text[64];
    ip_addr_t address;

    if (host.at == NULL || host.len == 0)
        return true; /* HTTP/1.0: no browser */
    host = host_name(host);
    if (*host.at == '[' || is_text(host, "localhost") || is_text(host, own))
        return true;
    if (host.len >= sizeof(text))
        return false;
    fmt_snprintf(text, sizeof(text), "%.*s", (int)host.len, host.at);
    return ipaddr_aton(text, &address);
}

/* "http://" or "https://" and the Host. */
static bool is_origin_of(struct http_text origin, struct http_text host)
{
    size_t skip = origin.len > 8 && same_name(origin.at, "https://", 8)  ? 8
                  : origin.len > 7 && same_name(origin.at, "http://", 7) ? 7
                                                                         : 0;

    return skip > 0 && host.at != NULL && origin.len - skip == host.len &&
           memcmp(origin.at + skip, host.at, host.len) == 0;
}

bool admin_is_cross_site(const struct http_request *request)
{
    struct http_text host = http_request_field(request, HTTP_HOST, 0);
    struct http_text site = http_request_field(request, HTTP_SEC_FETCH_SITE, 0);
    struct http_text origin = http_request_field(request, HTTP_ORIGIN, 0);

    if (!is_own_host(host))
        return true;
    if (site.at != NULL && !is_text(site, "same-origin") && !is_text(site, "none"))
        return true;
    return origin.at != NULL && !is_origin_of(origin, host);
}
