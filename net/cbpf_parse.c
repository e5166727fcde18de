/* The text that tcpdump -ddd prints: see cbpf.h. Pure code. */
#include <net/cbpf.h>

struct text {
    const char *at, *end;
    unsigned numbers; /* read so far */
};

static bool is_between(char c)
{
    return c == ' ' || c == ',' || c == '\n' || c == '\r' || c == '\t';
}

/* The next number, up to `max`. False: there is none such. */
static bool number(struct text *text, uint32_t max, uint32_t *out)
{
    uint64_t value = 0;
    const char *from;

    while (text->at < text->end && is_between(*text->at))
        text->at++;
    from = text->at;
    while (text->at < text->end && *text->at >= '0' && *text->at <= '9') {
        value = value * 10 + (uint64_t)(*text->at++ - '0');
        if (value > max)
            return false;
    }
    if (text->at == from || (text->at < text->end && !is_between(*text->at)))
        return false;
    *out = (uint32_t)value;
    text->numbers++;
    return true;
}

static size_t refuse(struct cbpf_error *error, const struct text *text, const char *reason)
{
    *error = (struct cbpf_error){ .at = text->numbers, .reason = reason };
    return 0;
}

static bool insn(struct text *text, struct cbpf_insn *out)
{
    uint32_t code, jt, jf;

    if (!number(text, UINT16_MAX, &code) || !number(text, UINT8_MAX, &jt) ||
        !number(text, UINT8_MAX, &jf) || !number(text, UINT32_MAX, &out->k))
        return false;
    out->code = (uint16_t)code;
    out->jt = (uint8_t)jt;
    out->jf = (uint8_t)jf;
    return true;
}

size_t cbpf_parse(const char *text, size_t len, struct cbpf_insn out[], size_t max,
                  struct cbpf_error *error)
{
    struct text t = { .at = text, .end = text + len };
    uint32_t count;

    if (!number(&t, UINT32_MAX, &count))
        return refuse(error, &t, "begins with no number of instructions");
    if (count == 0 || count > max)
        return refuse(error, &t, "too many instructions, or none");
    for (uint32_t i = 0; i < count; i++)
        if (!insn(&t, &out[i]))
            return refuse(error, &t, "not a number that can stand here");
    while (t.at < t.end && is_between(*t.at))
        t.at++;
    if (t.at != t.end)
        return refuse(error, &t, "more than the instructions it began with");
    return cbpf_check(out, count, error) ? count : 0;
}
