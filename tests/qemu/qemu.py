"""The harness of the QEMU tests: a guest, its serial console, its web port, its wire.

    with Guest(cfg="ip = 10.0.0.2/24", net="wire") as guest:
        guest.wait_for(PROMPT)
        guest.console_json("stats")
        guest.wire.send(frame)

A Guest starts QEMU with the built image (a snapshot: nothing written to it is kept), or with a
copy of it whose boot volume was changed first (Volume). QEMU is always ended: by the with block,
and by the kernel if this process dies.

How raw frames travel: -netdev stream over a socket pair, each frame behind its length as four
big-endian bytes (QEMU 7.2, net/stream.c).
"""

import ctypes
import http.client
import json
import os
import queue
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import Ether

from screen import Screen

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BUILD", "build"))
BUILD = BUILD if BUILD.is_absolute() else TOP / BUILD
IMAGE = BUILD / "tophalf.img"
OVMF_PLACES = ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_CODE_4M.fd")

PROMPT = "tophalf> "
BOOT_SECONDS = 60  # a boot takes 4 to 5; a busy machine may need several times that
REPLY_SECONDS = 20

# Guests that the running test has used: conftest.py shows their consoles when it fails.
used_guests = []


class GuestError(AssertionError):
    """The guest did not do what was waited for; the message has the end of its console."""


def ovmf_code():
    for place in (os.environ.get("OVMF"), *OVMF_PLACES):
        if place and Path(place).exists():
            return place
    raise RuntimeError("no OVMF firmware: install the package ovmf")


def free_port():
    """A loopback port that nobody listens on now (QEMU binds it a moment later)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Volume:
    """A copy of the image whose EFI system partition can be changed, by mtools, without root."""

    def __init__(self, path, source=IMAGE):
        self.path = Path(path)
        subprocess.run(["cp", "--sparse=always", source, self.path], check=True)
        with open(self.path, "rb") as image:
            image.seek(512)
            header = image.read(512)
            assert header[:8] == b"EFI PART", "the image has no GPT"
            table_lba, count, size = struct.unpack_from("<QII", header, 72)
            image.seek(table_lba * 512)
            table = image.read(count * size)
        first_lba = struct.unpack_from("<Q", table, 32)[0]
        self._drive = f"{self.path}@@{first_lba * 512}"
        self._folders = {"EFI/", "EFI/BOOT/"}  # that there are

    def _mtool(self, *args, **kwargs):
        env = {**os.environ, "MTOOLS_SKIP_CHECK": "1"}
        return subprocess.run(args, check=True, env=env, capture_output=True, **kwargs).stdout

    def read(self, name):
        return self._mtool("mcopy", "-i", self._drive, f"::/{name}", "-")

    def write(self, name, content):
        if isinstance(content, str):
            content = content.encode()
        folder = name.rpartition("/")[0]
        if folder and f"{folder}/" not in self._folders:
            subprocess.run(["mmd", "-D", "s", "-i", self._drive, f"::/{folder}"], capture_output=True)
            self._folders.add(f"{folder}/")
        self._mtool("mcopy", "-o", "-i", self._drive, "-", f"::/{name}", input=content)

    def delete(self, name):
        self._mtool("mdel", "-i", self._drive, f"::/{name}")


class Wire:
    """The other end of the guest's Ethernet: frames in, frames out.

    Frames from the guest are kept in order for expect(). ARP requests and neighbour
    solicitations for our own addresses are answered by the reader itself while `answer` is set,
    as a host would, because a test that waits for something else would otherwise lose them.
    """

    MAC = "02:00:00:00:00:01"
    IP = "10.0.0.1"
    IP6 = "fe80::1"

    def __init__(self, sock):
        self.ip = self.IP  # a test may take another one
        self._sock = sock
        self._sending = threading.Lock()
        self.sent = 0  # frames
        self._frames = queue.Queue()
        self.answer = True
        self.wanted = None  # a test may say what frames are to be kept: wanted(frame)
        self.reading = threading.Event()  # cleared: the guest's frames pile up on their way
        self.reading.set()
        self.seen = []  # every frame that the guest sent, with its time.monotonic()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @staticmethod
    def pack(frames):
        """Frames as they travel, to be sent in one go."""
        return b"".join(struct.pack(">I", len(frame)) + frame for frame in map(bytes, frames))

    def send(self, frame):
        self.send_packed(self.pack([frame]))

    def send_packed(self, data, frames=1):
        with self._sending:
            self._sock.sendall(data)
            self.sent += frames

    def _read(self):
        got = bytearray()
        try:
            while True:
                self.reading.wait()
                piece = self._sock.recv(1 << 18)
                if not piece:
                    break
                got += piece
                del got[:self._take(got)]
        except OSError:
            pass
        self._frames.put(None)

    def _take(self, got):
        """The whole frames in what was read; returns how many bytes they were."""
        at = 0
        while len(got) - at >= 4:
            end = at + 4 + int.from_bytes(got[at:at + 4], "big")
            if end > len(got):
                break
            frame = bytes(got[at + 4:end])
            at = end
            if self.answer:
                self._answer(frame)
            if self.wanted is None or self.wanted(frame):
                self.seen.append((time.monotonic(), frame))
                self._frames.put(frame)
        return at

    def _answer(self, frame):
        ours = bytes.fromhex(self.MAC.replace(":", ""))
        if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\x00\x01":  # ARP request
            if frame[38:42] == socket.inet_aton(self.ip):
                self.send(
                    frame[6:12] + ours + frame[12:20] + b"\x00\x02"
                    + ours + frame[38:42] + frame[22:32]
                )
        elif frame[12:14] == b"\x86\xdd" and frame[20] == 58 and frame[54] == 135:
            if frame[62:78] == socket.inet_pton(socket.AF_INET6, self.IP6):
                self.send(
                    Ether(src=self.MAC, dst=frame[6:12])
                    / IPv6(src=self.IP6, dst=socket.inet_ntop(socket.AF_INET6, frame[22:38]))
                    / ICMPv6ND_NA(tgt=self.IP6, R=0, S=1, O=1)
                    / ICMPv6NDOptDstLLAddr(lladdr=self.MAC))

    def drain(self):
        """Forget the frames that came in so far."""
        while not self._frames.empty():
            self._frames.get_nowait()

    def expect(self, matches, seconds=REPLY_SECONDS, what="a frame"):
        """The next frame for which matches(frame) is true; what comes before it is dropped."""
        deadline = time.monotonic() + seconds
        others = 0
        while True:
            try:
                frame = self._frames.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise GuestError(f"no {what} in {seconds} s ({others} other frames)") from None
            if frame is None:
                raise GuestError(f"the wire was closed while waiting for {what}")
            if matches(frame):
                return frame
            others += 1


class Guest:
    """One QEMU. Nothing is shared between two of them but the read-only image."""

    def __init__(self, *, image=IMAGE, cfg=None, files=None, machine="q35", memory="256M",
                 cpu="max", nic="", net="user", serial=True, reboots=False, args=()):
        """
        cfg      the text of tophalf.cfg in place of the image's own
        files    {name on the boot volume: bytes, or None to delete it}
        nic      options of virtio-net-pci ("vectors=0")
        net      "user" (self.port is forwarded to port 80), "wire" (self.wire), "both" (on one
                 hub), "dgram" (a wire that nobody listens on), or None for a machine without a
                 NIC; or a function that returns QEMU's arguments: net(id, files to hand down)
        reboots  let a reset start the machine again, instead of ending QEMU
        args     further QEMU arguments
        """
        self.port = None
        self.wire = None
        self._closing = []
        self._screen = Screen()
        self._mark = 0  # wait_for() looks from this line on
        self._changed = threading.Condition()
        self._eof = False
        self._serial = None
        self.process = None
        self.folder = Path(tempfile.mkdtemp(prefix="tophalf-"))
        files = dict(files or {})
        if cfg is not None:
            files["tophalf.cfg"] = cfg
        try:
            if files:
                volume = Volume(self.folder / "changed.img", image)
                for name, content in files.items():
                    if content is None:
                        volume.delete(name)
                    else:
                        volume.write(name, content)
                image = volume.path
            self._start(image, machine, memory, cpu, nic, net, serial, reboots, args)
        except BaseException:
            self.close()
            raise
        used_guests.append(self)

    def _start(self, image, machine, memory, cpu, nic, net, serial, reboots, args):
        fds = []
        line = [
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none",
            "-vga", "none", "-machine", machine, "-accel", os.environ.get("ACCEL", "tcg"),
            "-cpu", cpu, "-m", memory, "-monitor", "none",
            "-drive", f"if=pflash,format=raw,readonly=on,file={ovmf_code()}",
            "-drive", f"file={image},format=raw,snapshot=on",
        ]
        if not reboots:
            line.append("-no-reboot")
        if serial:
            self._serial, theirs = socket.socketpair()
            fds.append(theirs)
            line += ["-chardev", f"socket,id=com1,fd={theirs.fileno()}", "-serial", "chardev:com1"]
        else:
            line += ["-serial", "none"]
        line += self._back_ends(net, fds)
        if net:
            line += ["-device", f"virtio-net-pci,netdev=n0,romfile={',' + nic if nic else ''}"]
        line += list(args)

        self.command = shlex.join(line)
        self._stderr = open(self.folder / "qemu.stderr", "wb")
        self._closing.append(self._stderr)
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            line, stdin=subprocess.DEVNULL, stdout=self._stderr, stderr=self._stderr,
            pass_fds=[f.fileno() for f in fds], preexec_fn=die_with_parent,
        )
        for theirs in fds:
            theirs.close()
        if self._serial:
            self._closing.append(self._serial)
            threading.Thread(target=self._read_serial, daemon=True).start()

    def _back_ends(self, net, fds):
        """QEMU's arguments for the other end of its NIC; n0 is what the NIC is led to."""
        if callable(net):
            return net("n0", fds)
        if net == "user":
            return self._user_net("n0")
        if net == "wire":
            return self._wire_net("n0", fds)
        if net == "both":
            # restrict: user networking does not forward what the wire sends to the world
            args = self._user_net("u0", ",restrict=on") + self._wire_net("w0", fds)
            for port in ("h0,netdev=u0", "h1,netdev=w0", "n0"):
                args += ["-netdev", f"hubport,hubid=0,id={port}"]
            return args
        if net == "dgram":
            ours = self.folder / "ours.sock"
            return ["-netdev", f"dgram,id=n0,local.type=unix,local.path={self.folder}/qemu.sock,"
                    f"remote.type=unix,remote.path={ours}"]
        return []

    def _user_net(self, name, options=""):
        self.port = free_port()
        return ["-netdev", f"user,id={name},hostfwd=tcp:127.0.0.1:{self.port}-:80{options}"]

    def _wire_net(self, name, fds):
        ours, theirs = socket.socketpair()
        fds.append(theirs)
        self._closing.append(ours)
        self.wire = Wire(ours)
        return ["-netdev", f"stream,id={name},addr.type=fd,addr.str={theirs.fileno()}"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """End QEMU, whatever state it is in. Its log stays readable through text()."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for thing in self._closing:
            thing.close()
        self._closing = []
        shutil.rmtree(self.folder, ignore_errors=True)

    # ------------------------------------------------------------ the serial console

    def _read_serial(self):
        while True:
            try:
                piece = self._serial.recv(65536)
            except OSError:
                piece = b""
            with self._changed:
                self._screen.feed(piece)
                self._eof = not piece
                self._changed.notify_all()
            if not piece:
                return

    def text(self):
        """All that the guest has said on its serial port, readable."""
        with self._changed:
            return self._screen.since(0)

    def tail(self, lines=40):
        stderr = ""
        if self.folder.exists():
            stderr = (self.folder / "qemu.stderr").read_text(errors="replace").strip()
        said = "\n".join(self.text().splitlines()[-lines:])
        return said + (f"\n-- QEMU says: {stderr}" if stderr else "")

    def fail(self, message):
        raise GuestError(f"{message}\n-- the end of its console:\n{self.tail()}")

    def type(self, keys):
        """Send keys as they are ("\\t", "\\r", "\\x1b[A"); wait_for() looks from this line on."""
        self.mark()
        self._serial.sendall(keys if isinstance(keys, bytes) else keys.encode())

    def mark(self):
        """Let wait_for() forget what was said before the line of the cursor."""
        with self._changed:
            self._mark = len(self._screen.lines)

    def said(self):
        """What was said since the mark."""
        with self._changed:
            return self._screen.since(self._mark)

    def wait_for(self, pattern, seconds=BOOT_SECONDS, regex=False):
        """Wait until the pattern stands in what was said since the mark; return that text."""
        wanted = re.compile(pattern if regex else re.escape(pattern), re.M)
        deadline = time.monotonic() + seconds
        while True:
            with self._changed:
                ended = self._eof
                said = self._screen.since(self._mark)
                if not ended and not wanted.search(said):
                    self._changed.wait(min(1.0, max(0.0, deadline - time.monotonic())))
            if wanted.search(said):
                return said
            if ended:
                self.fail(f"QEMU ended ({self.process.wait(10)}) before {pattern!r}")
            if time.monotonic() >= deadline:
                self.fail(f"no {pattern!r} in {seconds} s")
            time.sleep(0.005)  # output comes in single bytes: look at many of them at once

    def wait_prompt(self, seconds=BOOT_SECONDS):
        """Wait for a prompt with nothing behind it, on a line after that of the mark."""
        self.wait_for(rf"\n{PROMPT}\Z", seconds, regex=True)
        return self

    def console(self, command, seconds=REPLY_SECONDS):
        """Run a command; return what it printed, without the echo and the next prompt."""
        self.type(command + "\r")
        wanted = rf"^{PROMPT}{re.escape(command)}\n((?:.*\n)*?){PROMPT}\Z"
        said = self.wait_for(wanted, seconds, regex=True)
        return re.search(wanted, said, re.M).group(1)

    def console_json(self, command, seconds=REPLY_SECONDS):
        """Run a command with -j; return its parsed line."""
        said = self.console(f"{command} -j", seconds)
        lines = [line for line in said.splitlines() if line.startswith("{")]
        if len(lines) != 1:
            self.fail(f"{command} -j printed {len(lines)} lines of JSON:\n{said}")
        try:
            return json.loads(lines[0])
        except json.JSONDecodeError as error:
            self.fail(f"{command} -j is not JSON ({error}): {lines[0]!r}")

    def counters(self):
        """`stats -j` as one flat {"group.name": number}."""
        return flatten(self.console_json("stats"))

    # ------------------------------------------------------------ the web server

    def get(self, path="/", seconds=REPLY_SECONDS, method="GET", headers=None, body=None):
        """One request on a connection of its own: (status, headers, body)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def wait_http(self, seconds=BOOT_SECONDS):
        """Ask for / until it is answered; return that answer (with a status of 200 or not)."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return self.get(seconds=max(1.0, min(5.0, deadline - time.monotonic())))
            except (OSError, http.client.HTTPException) as error:
                if self.process.poll() is not None:
                    self.fail(f"QEMU ended ({self.process.returncode}) before it answered HTTP")
                if time.monotonic() > deadline:
                    self.fail(f"no answer to HTTP in {seconds} s: {error!r}")
                time.sleep(0.2)

    # ------------------------------------------------------------ the end

    def wait_end(self, seconds=REPLY_SECONDS):
        """Wait for QEMU to end by itself; return its exit status."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.fail(f"QEMU still runs after {seconds} s")


def flatten(tree, prefix=""):
    flat = {}
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for name, value in items:
        if isinstance(value, (dict, list)):
            flat.update(flatten(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def die_with_parent():
    """In the child, before QEMU: be killed when the test process dies, however it dies."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
