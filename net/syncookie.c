/* SYN cookies: see syncookie.h. */
#include "syncookie.h"
#include <kernel/lib.h>
#include <kernel/panic.h>
#include <string.h>

#define SLOT_AT   24u
#define LOW_MASK  0xffffffu
#define AGE_MAX   1u    /* slots */
#define SLOT_MASK 0xffu /* what of the slot's number the cookie shows */

/* RFC 9293 §3.7.1, IPv6's least MTU, and Ethernet's with IPv6 and IPv4. */
static const uint16_t mss_table[] = { 536, 1220, 1440, 1460 };

static uint32_t hash(const uint8_t key[ISN_KEY_BYTES], const struct syncookie_ends *ends,
                     uint32_t isn, uint32_t slot, uint8_t use)
{
    uint8_t text[2 * 16 + 2 * 2 + 2 * 4 + 1];
    size_t n = 2 * ends->addr_bytes;

    ASSERT(ends->addr_bytes <= 16);
    memcpy(text, ends->local, ends->addr_bytes);
    memcpy(text + ends->addr_bytes, ends->remote, ends->addr_bytes);
    memcpy(text + n, &ends->local_port, 2);
    memcpy(text + n + 2, &ends->remote_port, 2);
    memcpy(text + n + 4, &isn, 4);
    memcpy(text + n + 8, &slot, 4);
    text[n + 12] = use;
    return (uint32_t)siphash24(key, text, n + 13);
}

/* What the cookie's slot is added to. */
static uint32_t base(const uint8_t key[ISN_KEY_BYTES], const struct syncookie_ends *ends)
{
    return hash(key, ends, 0, 0, 0) + ends->remote_isn;
}

static uint32_t low(const uint8_t key[ISN_KEY_BYTES], const struct syncookie_ends *ends,
                    uint32_t slot)
{
    return hash(key, ends, ends->remote_isn, slot, 1);
}

uint32_t syncookie_make(const uint8_t key[ISN_KEY_BYTES], const struct syncookie_ends *ends,
                        uint32_t slot, uint16_t mss)
{
    uint32_t index = ARRAY_SIZE(mss_table) - 1;

    while (index > 0 && mss_table[index] > mss)
        index--;
    return base(key, ends) + (slot << SLOT_AT) + ((low(key, ends, slot) + index) & LOW_MASK);
}

uint16_t syncookie_check(const uint8_t key[ISN_KEY_BYTES], const struct syncookie_ends *ends,
                         uint32_t slot, uint32_t cookie)
{
    uint32_t rest = cookie - base(key, ends);
    uint32_t age = (slot - (rest >> SLOT_AT)) & SLOT_MASK, index;

    if (age > AGE_MAX)
        return 0;
    index = (rest - low(key, ends, slot - age)) & LOW_MASK;
    return index < ARRAY_SIZE(mss_table) ? mss_table[index] : 0;
}
