/*
 * Bytes from a terminal to keys (ECMA-48 §5.4 for the shape of escape sequences). A sequence may
 * come in any pieces; garbage ends in the ground state, where a control character always gets at
 * once. Pure code, any context.
 */
#ifndef KERNEL_KEYS_H
#define KERNEL_KEYS_H

#include <stdint.h>

#define CTRL(c) ((c)&0x1f)

enum key {
    KEY_NONE = 256,
    KEY_UP,
    KEY_DOWN,
    KEY_LEFT,
    KEY_RIGHT,
    KEY_HOME,
    KEY_END,
    KEY_DELETE,
    KEY_WORD_LEFT,
    KEY_WORD_RIGHT,
    KEY_KILL_WORD_LEFT,
    KEY_KILL_WORD_RIGHT,
};

struct keys {
    enum { KEYS_GROUND, KEYS_ESC, KEYS_CSI, KEYS_SS3 } state;
    unsigned param[2], param_index;
};

/* The key that this byte completes: an ASCII character or an enum key; KEY_NONE for none. Bytes
 * from 0x80 (UTF-8 and others) are passed over. */
int keys_decode(struct keys *k, uint8_t byte);

#endif
