"""A network of one's own: the process starts itself anew in a network namespace, where it may make
interfaces as it likes; all of it is gone when the process ends."""

import os
import subprocess
import sys
from pathlib import Path

INSIDE = "TOPHALF_BENCH_NETNS"
TAP = "tap0"
HOST_IP = "10.0.0.1"
GUEST_IP = "10.0.0.2"
GUEST_MAC = "52:54:00:12:34:56"  # what QEMU gives the first card


def enter():
    """Go on in a namespace: as root directly, else with a user namespace of our own."""
    if os.environ.get(INSIDE):
        return
    os.environ[INSIDE] = "1"
    options = ["-n"] if os.geteuid() == 0 else ["-U", "-r", "-n"]
    os.execvp("unshare", ["unshare", *options, sys.executable, *sys.argv])


def run(*words):
    result = subprocess.run(words, capture_output=True, text=True)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(words)}: {result.stderr.strip()}\n"
                         "A tap device is needed: /dev/net/tun, and the right to make one in a "
                         "network namespace (root, or user namespaces).")
    return result.stdout


def make_tap():
    """An interface whose other end a guest's card is, alone with us on a /24."""
    run("ip", "link", "set", "lo", "up")
    run("ip", "tuntap", "add", TAP, "mode", "tap")
    run("ip", "address", "add", f"{HOST_IP}/24", "dev", TAP)
    # No router solicitations and multicast reports in between.
    Path(f"/proc/sys/net/ipv6/conf/{TAP}/disable_ipv6").write_text("1")
    run("ip", "link", "set", TAP, "up")


def know_guest():
    """The guest's link address, so that nobody waits for an ARP reply before it is up."""
    run("ip", "neighbour", "replace", GUEST_IP, "lladdr", GUEST_MAC, "dev", TAP)


def qemu_options(card=""):
    """card: further options of virtio-net-pci (",tx=timer"). The tap has vnet headers: offloads."""
    return ["-netdev", f"tap,id=n0,ifname={TAP},script=no,downscript=no,vhost=off",
            "-device", f"virtio-net-pci,netdev=n0,romfile={card}"]
