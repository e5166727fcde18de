/*
 * The programs that lead frames to a raw ring where no object was loaded for it, as libxdp has one
 * for AF_XDP: made here from a few instructions, and verified and compiled as any other. They show
 * in `xdp show`, and loading another one takes their place.
 */
#ifndef NET_XSK_PROG_H
#define NET_XSK_PROG_H

#include <stdbool.h>
#include <stdint.h>

/* Every frame to the socket `id`. False: *why is a constant sentence. Main context. */
bool xsk_prog_attach_all(uint32_t id, const char **why);

/* IPv4 without options or fragments, UDP to this port; all else goes up the stack. */
bool xsk_prog_attach_udp(uint32_t id, uint16_t port, const char **why);

#endif
