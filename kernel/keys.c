/* Bytes from a terminal to keys: the sequences of VT100, xterm, rxvt and the Linux console. */
#include "keys.h"
#include <kernel/lib.h>

static int csi_key(const struct keys *k, uint8_t final)
{
    bool modified = k->param[1] > 1; /* Shift, Alt or Ctrl held: 1;5C and the like */

    switch (final) {
    case 'A':
        return KEY_UP;
    case 'B':
        return KEY_DOWN;
    case 'C':
        return modified ? KEY_WORD_RIGHT : KEY_RIGHT;
    case 'D':
        return modified ? KEY_WORD_LEFT : KEY_LEFT;
    case 'H':
        return KEY_HOME;
    case 'F':
        return KEY_END;
    case '~':
        switch (k->param[0]) {
        case 1:
        case 7:
            return KEY_HOME;
        case 4:
        case 8:
            return KEY_END;
        case 3:
            return KEY_DELETE;
        }
    }
    return KEY_NONE;
}

static int esc_key(uint8_t byte)
{
    switch (byte) {
    case 'b':
        return KEY_WORD_LEFT;
    case 'f':
        return KEY_WORD_RIGHT;
    case 'd':
        return KEY_KILL_WORD_RIGHT;
    case 0x7f:
        return KEY_KILL_WORD_LEFT;
    default:
        return KEY_NONE;
    }
}

static int decode_csi(struct keys *k, uint8_t byte)
{
    if (byte >= '0' && byte <= '9') {
        unsigned *n = &k->param[k->param_index];
        *n = MIN(*n * 10 + (byte - '0'), 9999u);
    } else if (byte == ';') {
        k->param_index = 1;
        k->param[1] = 0;
    } else if (byte >= 0x40 && byte != '[' && byte != 0x7f) {
        k->state = KEYS_GROUND;
        return csi_key(k, byte);
    } /* else an intermediate byte, or the second '[' of the Linux console's F1 to F5 */
    return KEY_NONE;
}

int keys_decode(struct keys *k, uint8_t byte)
{
    if (byte == 0x1b) {
        k->state = KEYS_ESC;
        return KEY_NONE;
    }
    if (byte < ' ' || byte >= 0x80)
        k->state = KEYS_GROUND;
    if (byte >= 0x80)
        return KEY_NONE;

    switch (k->state) {
    case KEYS_ESC:
        k->state = byte == '[' ? KEYS_CSI : byte == 'O' ? KEYS_SS3 : KEYS_GROUND;
        k->param[0] = k->param[1] = k->param_index = 0;
        return k->state == KEYS_GROUND ? esc_key(byte) : KEY_NONE;
    case KEYS_CSI:
        return decode_csi(k, byte);
    case KEYS_SS3:
        k->state = KEYS_GROUND;
        return byte == '~' ? KEY_NONE : csi_key(k, byte);
    case KEYS_GROUND:
        break;
    }
    return byte;
}
