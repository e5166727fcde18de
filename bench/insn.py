"""The counters of bench/plugin/insn.c: instructions that a running guest has executed."""

import struct
import sys
from array import array
from pathlib import Path

MAGIC = 0x31304E534E494854
HEADER = 32  # magic, total, base, size


def plugin_options(plugin, out, base=0, size=0):
    """QEMU's arguments; the counters are in the file `out` as soon as it runs."""
    profile = f",base={base:#x},size={size}" if size else ""
    return ["-plugin", f"{Path(plugin).resolve()},out={Path(out).resolve()}{profile}"]


class Counters:
    """Reading disturbs nothing: the file is QEMU's own memory."""

    def __init__(self, path):
        self.path = path
        magic, _, self.base, self.size = self._words(0, 4)
        if magic != MAGIC:
            raise ValueError(f"{path} is not a file of the insn plugin")

    def _words(self, first, count):
        with open(self.path, "rb") as file:
            file.seek(8 * first)
            return struct.unpack(f"<{count}Q", file.read(8 * count))

    def total(self):
        return self._words(1, 1)[0]

    def addresses(self):
        """Executions of the instruction at base + index."""
        with open(self.path, "rb") as file:
            file.seek(HEADER)
            counts = array("Q", file.read(8 * self.size))
        if sys.byteorder == "big":
            counts.byteswap()
        return counts
