/*
 * \_S5 out of AML (ACPI 6.4 §20.2). There is no interpreter here: the package is constant in
 * every firmware we know of, so its bytes are looked for: NameOp, perhaps '\', "_S5_", PackageOp.
 * What only looks like it (in a string or a buffer) has to get all of that right, and the scan
 * goes on where it does not. No length in it is believed.
 */
#include "aml.h"
#include <string.h>

#define AML_ZERO    0x00
#define AML_ONE     0x01
#define AML_NAME    0x08
#define AML_BYTE    0x0a
#define AML_WORD    0x0b
#define AML_DWORD   0x0c
#define AML_PACKAGE 0x12
#define AML_ROOT    0x5c

#define SLP_TYP_MAX 7 /* three bits in PM1_CNT */

/* What is left to read. */
struct aml {
    const uint8_t *p;
    size_t len;
};

static bool take(struct aml *aml, uint8_t *byte)
{
    if (aml->len == 0)
        return false;
    *byte = *aml->p++;
    aml->len--;
    return true;
}

/* PkgLength (§20.2.4): cuts what is left down to the package's own bytes. */
static bool enter_package(struct aml *aml)
{
    size_t whole = aml->len, length, own;
    uint8_t lead, next;

    if (!take(aml, &lead))
        return false;
    length = lead & (lead >> 6 == 0 ? 0x3f : 0x0f);
    for (unsigned i = 0; i < lead >> 6; i++) {
        if (!take(aml, &next))
            return false;
        length |= (size_t)next << (4 + 8 * i);
    }
    own = whole - aml->len; /* it counts its own bytes */
    if (length < own || length > whole)
        return false;
    aml->len = length - own;
    return true;
}

/* A constant integer. */
static bool take_integer(struct aml *aml, uint32_t *value)
{
    uint8_t op, byte;
    unsigned width;

    if (!take(aml, &op))
        return false;
    *value = op;
    if (op == AML_ZERO || op == AML_ONE)
        return true;
    width = op == AML_BYTE ? 1 : op == AML_WORD ? 2 : op == AML_DWORD ? 4 : 0;
    *value = 0;
    for (unsigned i = 0; i < width; i++) {
        if (!take(aml, &byte))
            return false;
        *value |= (uint32_t)byte << (8 * i);
    }
    return width > 0;
}

/* PackageOp PkgLength NumElements SLP_TYPa SLP_TYPb ... */
static bool read_s5_package(struct aml aml, uint8_t *type_a, uint8_t *type_b)
{
    uint8_t op, elements;
    uint32_t a, b;

    if (!take(&aml, &op) || op != AML_PACKAGE || !enter_package(&aml) || !take(&aml, &elements))
        return false;
    if (elements < 1 || !take_integer(&aml, &a))
        return false;
    b = a;
    if (elements > 1 && !take_integer(&aml, &b))
        return false;
    if (a > SLP_TYP_MAX || b > SLP_TYP_MAX)
        return false;
    *type_a = (uint8_t)a;
    *type_b = (uint8_t)b;
    return true;
}

bool aml_find_s5(const uint8_t *aml, size_t len, uint8_t *type_a, uint8_t *type_b)
{
    for (size_t i = 1; i < len && len - i > 4; i++) {
        bool named =
            aml[i - 1] == AML_NAME || (i > 1 && aml[i - 1] == AML_ROOT && aml[i - 2] == AML_NAME);

        if (named && memcmp(aml + i, "_S5_", 4) == 0 &&
            read_s5_package((struct aml){ aml + i + 4, len - i - 4 }, type_a, type_b))
            return true;
    }
    return false;
}
