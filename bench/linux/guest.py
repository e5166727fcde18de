"""The Linux guest that is measured beside ours: the same QEMU options but for how it boots."""

import json
import os
import select
import subprocess
import time
from pathlib import Path

BOOT_SECONDS = 120
REPLY_SECONDS = 30
# Quiet, so that nothing else is on the line; without mitigations, which cost Linux time here and
# that Tophalf does not have; power is off at the end.
CMDLINE = "console=ttyS0 quiet loglevel=1 mitigations=off panic=-1 rdinit=/init"


class LinuxGuestError(AssertionError):
    """The guest did not do what was waited for."""


class LinuxGuest:
    """with LinuxGuest(folder of build.sh, QEMU options of the card) as guest: ...

    append: more of the kernel's command line (WEB=1 starts nginx); args: more of QEMU's."""

    def __init__(self, folder, net_args, memory="256M", pass_fds=(), cpu="max", append="", args=()):
        folder = Path(folder)
        self.command_line = [
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none",
            "-vga", "none", "-machine", "q35", "-accel", os.environ.get("ACCEL", "tcg"),
            "-cpu", cpu, "-m", memory,
            "-monitor", "none", "-no-reboot", "-serial", "stdio",
            "-name", "linux,debug-threads=on",
            "-kernel", str(folder / "vmlinuz"), "-initrd", str(folder / "initramfs.gz"),
            "-append", f"{CMDLINE} {append}".strip(), *net_args, *args]
        self._got = b""
        self.started = time.monotonic()
        self.process = subprocess.Popen(self.command_line, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        pass_fds=pass_fds)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _line(self, seconds):
        deadline = time.monotonic() + seconds
        while b"\n" not in self._got:
            left = deadline - time.monotonic()
            ready = left > 0 and select.select([self.process.stdout], [], [], left)[0]
            piece = self.process.stdout.read1(65536) if ready else b""
            if not piece:
                raise LinuxGuestError(f"the Linux guest says no more; last: {self._got[-300:]!r}")
            self._got += piece
        line, self._got = self._got.split(b"\n", 1)
        return line.decode(errors="replace").strip()

    def wait_ready(self):
        while (line := self._line(BOOT_SECONDS)) != "READY":
            if line.startswith("! "):
                raise LinuxGuestError(line[2:])

    def command(self, words):
        self.process.stdin.write(words.encode() + b"\n")
        self.process.stdin.flush()
        while True:
            line = self._line(REPLY_SECONDS)
            if line.startswith("! "):
                raise LinuxGuestError(line[2:])
            if line.startswith("= "):
                return line[2:]

    def counters(self):
        return json.loads(self.command("counters"))

    def xdp(self, on):
        self.command("xdp on" if on else "xdp off")

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
