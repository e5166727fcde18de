"""More frames than the guest can take, for as long as a block runs.

    with Flood(guest, frame) as flood:
        ...
    flood.sent      # frames; behind the block, all of them have been taken

-netdev stream reads on while the guest has no buffers, and keeps what it has read: a sender that
does not look at the guest would fill QEMU's memory, and the guest would be at it for minutes
afterwards. So each batch ends in a ping, and no more than WINDOW batches are on their way: many
times what the receive ring holds, all the time, and nothing is lost.
"""

import threading
import time

from frames import GUEST_IP, echo_request, is_echo_reply, ping

BATCH = 250
WINDOW = 32  # batches: 8000 frames
IDENT = 0x464C


class Flood:
    def __init__(self, guest, frame, dst=GUEST_IP, seconds_at_most=60):
        ping(guest, dst=dst)  # the guest knows our address, or its first replies might be lost
        self._wire = guest.wire
        self._batch = self._wire.pack(
            [frame] * BATCH + [echo_request(IDENT, dst=dst, src=self._wire.ip)])
        self._deadline = time.monotonic() + seconds_at_most
        self._room = threading.Semaphore(WINDOW)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._is_mark = is_echo_reply(IDENT)
        self._others = None
        self.batches = 0
        self.sent = 0

    def _send(self):
        while not self._ended.is_set() and time.monotonic() < self._deadline:
            if self._room.acquire(timeout=0.1):
                self._wire.send_packed(self._batch)
                self.batches += 1

    def _wanted(self, frame):
        if self._is_mark(frame):
            self._room.release()
            return False
        return self._others is None or self._others(frame)

    def __enter__(self):
        self._others, self._wire.wanted = self._wire.wanted, self._wanted
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join(30)
        for _ in range(WINDOW):  # all that is on its way comes to its end
            if not self._room.acquire(timeout=30):
                raise AssertionError("the guest has not answered all that it was sent")
        self._wire.wanted = self._others
        self.sent = self.batches * (BATCH + 1)
