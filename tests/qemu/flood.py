"""More frames than the guest can take, for as long as a block runs.

    with Flood(guest, frame) as flood:
        ...

-netdev stream reads on while the guest has no buffers, and keeps what it has read: a sender that
does not look at the guest would fill QEMU's memory, and the guest would be at it for minutes
afterwards. So each batch ends in a ping, and while these are answered no more than WINDOW batches
are on their way: many times what the receive ring holds, all the time. A guest that drops frames
(the interrupt mode, overloaded) does not answer them all: then there is a batch each millisecond,
and one in a while if that is more than the frames' way through QEMU can take.
"""

import struct
import threading
import time

from frames import GUEST_IP, echo_request, is_echo_reply, ping

BATCH = 250
WINDOW = 32  # batches: 8000 frames
LIMIT = 20 * WINDOW  # 32 MB in QEMU
IDENT = 0x464C


class Flood:
    def __init__(self, guest, frame, dst=GUEST_IP, seconds_at_most=60):
        ping(guest, dst=dst)  # the guest knows our address, or its first replies might be lost
        self._wire = guest.wire
        self._frames = self._wire.pack([frame] * BATCH)
        self._head = bytes(echo_request(IDENT, b"", dst=dst, src=self._wire.ip))[:-8]
        self._deadline = time.monotonic() + seconds_at_most
        self._is_reply = is_echo_reply(IDENT)
        self._answered = 0  # batches; those before have been answered, too, or were dropped
        self._changed = threading.Condition()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._others = None
        self._batches = 0
        self.sent = 0  # of the frame; the pings are not counted

    def _mark(self):
        """The ping that ends the batch (RFC 792: an echo request without data)."""
        ident_seq = struct.pack(">HH", IDENT, self._batches & 0xFFFF)
        total = 0x0800 + sum(struct.unpack(">HH", ident_seq))
        total = (total & 0xFFFF) + (total >> 16)
        checksum = 0xFFFF - ((total & 0xFFFF) + (total >> 16))
        return self._wire.pack([self._head + struct.pack(">BBH", 8, 0, checksum) + ident_seq])

    def _send(self):
        while not self._ended.is_set() and time.monotonic() < self._deadline:
            with self._changed:
                waiting = self._batches - self._answered
                if waiting >= WINDOW:
                    self._changed.wait(0.001 if waiting < LIMIT else 0.1)
            self._batches += 1
            self._wire.send_packed(self._frames + self._mark(), BATCH + 1)
            self.sent += BATCH

    def _wanted(self, frame):
        if not self._is_reply(frame):
            return self._others is None or self._others(frame)
        with self._changed:
            (seq,) = struct.unpack_from(">H", frame, 40)
            self._answered += (seq - self._answered) & 0xFFFF
            self._changed.notify()
        return False

    def __enter__(self):
        self._others, self._wire.wanted = self._wire.wanted, self._wanted
        self._thread.start()
        return self

    def __exit__(self, *_):
        """All that was sent has been taken, or dropped, when this returns."""
        self._ended.set()
        self._thread.join(30)
        end = time.monotonic() + 30
        last = self._batches = self._batches + 1
        while self._answered < last:
            assert time.monotonic() < end, "the guest does not answer after the flood"
            self._wire.send_packed(self._mark())
            with self._changed:
                self._changed.wait_for(lambda: self._answered >= last, 0.2)
        self._wire.wanted = self._others
