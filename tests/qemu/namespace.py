"""A network namespace of a test's own, used from outside.

    space = Namespace()
    tap = space.tap("guest0", vnet=True)      # a file: the other end of an interface in there
    space.run("ip", "link", "set", "guest0", "up")
    client = space.socket()                   # connects from in there

A socket belongs for ever to the namespace in which it was made, and a tap's file to its interface,
whoever holds them: so a small process stands in the namespace and hands them out. With it the
namespace goes away, and all that is in it. Taps need /dev/net/tun and the right to make one in a
namespace of one's own: root, or user namespaces.
"""

import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import threading

TUNSETIFF, TUNSETOFFLOAD = 0x400454CA, 0x400454D0
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6 = 1, 2, 4


class Namespace:
    def __init__(self):
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._asking = threading.Lock()
        options = ["-n"] if os.geteuid() == 0 else ["-U", "-r", "-n"]
        with theirs:
            self._process = subprocess.Popen(
                ["unshare", *options, sys.executable, __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()])
        self._ask({"make": "nothing"})
        self._enter = ["nsenter", "-t", str(self._process.pid), "-n"]
        if os.geteuid() != 0:
            self._enter += ["-U", "--preserve-credentials"]
        self.run("ip", "link", "set", "lo", "up")

    def _ask(self, wish):
        with self._asking:
            self._ours.send(json.dumps(wish).encode())
            answer, fds, _, _ = socket.recv_fds(self._ours, 65536, 1)
        if answer != b"ok":
            raise OSError(answer.decode() or "the process in the namespace has ended")
        return fds[0] if fds else None

    def command(self, *words):
        """The words with which to run a program in there."""
        return [*self._enter, *map(str, words)]

    def run(self, *words):
        result = subprocess.run(self.command(*words), capture_output=True, text=True)
        assert result.returncode == 0, f"{' '.join(map(str, words))}: {result.stderr.strip()}"
        return result.stdout

    def write(self, path, text):
        """Write to a file of /proc/sys/net, which looks different in there."""
        self.run("sh", "-c", f"echo {text} > {path}")

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM):
        return socket.socket(fileno=self._ask({"make": "socket", "family": family, "kind": kind}))

    def tap(self, name, vnet=False, offload=False):
        """
        An interface; what the file that is returned reads was sent by it.

        vnet     each frame stands behind a virtio-net header
        offload  frames may be large and without their checksums (else the kernel sees to that)
        """
        fd = self._ask({"make": "tap", "name": name, "vnet": vnet, "offload": offload})
        self.write(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6", 1)  # it would talk unasked
        self.run("ip", "link", "set", name, "up")
        return os.fdopen(fd, "r+b", buffering=0)

    def close(self):
        self._ours.close()
        self._process.wait(20)


def make_tap(name, vnet, offload):
    fd = os.open("/dev/net/tun", os.O_RDWR)
    flags = IFF_TAP | IFF_NO_PI | (IFF_VNET_HDR if vnet else 0)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
    if offload:
        fcntl.ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6)
    return fd


def make(wish):
    if wish["make"] == "socket":
        return [socket.socket(wish["family"], wish["kind"]).detach()]
    if wish["make"] == "tap":
        return [make_tap(wish["name"], wish["vnet"], wish["offload"])]
    return []


def serve(asked):
    """In the namespace."""
    while wish := asked.recv(65536):
        fds = []
        try:
            fds = make(json.loads(wish))
            socket.send_fds(asked, [b"ok"], fds)
        except OSError as error:
            asked.send(str(error).encode())
        for fd in fds:
            os.close(fd)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
