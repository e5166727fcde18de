"""What lies between a guest's card and the test that talks with it.

    with Link("tap") as link, Guest(net=link.plug, ...) as guest:
        link.lead_to_host(lossy)        # TCP of this host on the far end: link.connect(port)
        link.lead_to_wire(lossy)        # or raw frames: a Wire

Kinds, each with all that QEMU offers there:

    stream  -netdev stream: no virtio-net header, no offloads; every frame is as on a cable
    tap     a tap with virtio-net headers: checksums and segmentation are offered in both
            directions. The guest's super-segments are cut by the kernel on the way to us.
    whole   the same, but they come to us as the guest handed them over, and ours go to it whole

    guest - tap g0 - bridge - tap far0 = lossy = tap host0 - TCP of this host
    guest - stream ================== lossy = socket pair - Wire

The bridge is how the kernel comes to cut: a tap whose reader wants no offloads has it done.
"""

import json
import os
import random
import socket
import subprocess

from namespace import Namespace
from qemu import Wire, die_with_parent

HOST_IP = "10.0.0.1"
GUEST_IP = "10.0.0.2"
HOST_IP6 = "fe80::1"
GUEST_IP6 = "fe80::5054:ff:fe12:3456"  # what it makes of its MAC, QEMU's first
KINDS = ("stream", "tap", "whole")

# Rates in percent, as lossy.c takes them.
NO_LOSS = {"drop": 0, "duplicate": 0, "corrupt": 0, "reorder": 0, "delay": 0}


class Lossy:
    """The program of lossy.c between two (kind, file) ends; it takes both over."""

    def __init__(self, program, a, b):
        fds = [end.fileno() for _, end in (a, b)]
        self._process = subprocess.Popen(
            [program, f"{a[0]}:{fds[0]}", f"{b[0]}:{fds[1]}"], pass_fds=fds,
            preexec_fn=die_with_parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _, end in (a, b):
            end.close()

    def set(self, seed=1, **rates):
        """These rates from now on; what was done by the last ones, [from a to b, from b to a]."""
        rates = {**NO_LOSS, **rates}
        self._process.stdin.write(f"{seed} {' '.join(str(rates[name]) for name in NO_LOSS)}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self):
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()


class Link:
    def __init__(self, kind):
        assert kind in KINDS
        self.kind = kind
        self.lossy = self.wire = None
        self._closing = []
        self.space = self._own(Namespace())
        if kind == "stream":
            ours, self._guest_end = socket.socketpair()
            self._far_end = ("stream", ours)
            return
        offload = kind == "whole"
        self._guest_end = self.space.tap("g0", vnet=True)
        self._far_end = ("vnet" if offload else "tap",
                         self.space.tap("far0", vnet=offload, offload=offload))
        self.space.run("ip", "link", "add", "br0", "type", "bridge")
        self.space.run("ip", "link", "set", "br0", "arp", "off")  # it has nothing to say
        self.space.write("/proc/sys/net/ipv6/conf/br0/disable_ipv6", 1)
        for name in ("g0", "far0"):
            self.space.run("ip", "link", "set", name, "master", "br0")
        self.space.run("ip", "link", "set", "br0", "up")

    def _own(self, thing):
        self._closing.insert(0, thing)
        return thing

    def plug(self, name, fds):
        """QEMU's arguments for the guest's end (qemu.Guest, net=)."""
        fds.append(self._guest_end)
        fd = self._guest_end.fileno()
        if self.kind == "stream":
            return ["-netdev", f"stream,id={name},addr.type=fd,addr.str={fd}"]
        return ["-netdev", f"tap,id={name},fd={fd},vhost=off"]

    def lead_to_host(self, program):
        """The far end is this host's TCP, at HOST_IP in the namespace."""
        whole = self.kind == "whole"
        host_end = self.space.tap("host0", vnet=whole, offload=whole)
        self.space.run("ip", "address", "add", f"{HOST_IP}/24", "dev", "host0")
        # Its own link-local address would have to be looked for by others first (RFC 4862).
        self.space.write("/proc/sys/net/ipv6/conf/host0/addr_gen_mode", 1)
        self.space.write("/proc/sys/net/ipv6/conf/host0/disable_ipv6", 0)
        self.space.run("ip", "address", "add", f"{HOST_IP6}/64", "dev", "host0", "nodad")
        self._scope = int(self.space.run("ip", "-o", "link", "show", "host0").split(":")[0])
        self.lossy = self._own(Lossy(program, self._far_end,
                                     ("vnet" if whole else "tap", host_end)))

    def lead_to_wire(self, program):
        """The far end is a Wire, which is what a cable would show: nothing is whole."""
        assert self.kind != "whole"
        if self.kind == "stream":
            ours = self._far_end[1]
        else:
            ours, theirs = socket.socketpair()
            self.lossy = self._own(Lossy(program, self._far_end, ("stream", theirs)))
        self._own(ours)
        self.wire = Wire(ours)

    def connect(self, port=80, timeout=60, ipv6=False):
        """A socket of this host's, connected with the guest."""
        client = self.space.socket(socket.AF_INET6 if ipv6 else socket.AF_INET)
        client.settimeout(timeout)
        try:
            client.connect((GUEST_IP6, port, 0, self._scope) if ipv6 else (GUEST_IP, port))
        except OSError:
            client.close()
            raise
        return client

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for thing in self._closing:
            thing.close()
        self._closing = []


def seed_of_this_run(number):
    """The seed of a test's number-th run: the same each time, unless LOSSY_SEED says another."""
    seed = int(os.environ.get("LOSSY_SEED", "1"))
    return random.Random(f"{seed} {number}").getrandbits(48)
