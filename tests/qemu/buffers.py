"""What a guest holds: packet buffers, lwIP's pools, heap. After any test it is what it was before.

    before = settled(guest)
    ...
    assert_back(guest, before)

or, in a fixture, around each test that has the guest:

    with all_back(guest):
        yield guest
"""

import contextlib
import time

import qemu

# These come and go by themselves (lwIP's timers, who lingers in TIME-WAIT: see below; and a group
# for each address that a router's advertisement makes).
NOT_COUNTED = ("memp.SYS_TIMEOUT_used", "memp.TCP_PCB_used", "memp.MLD6_GROUP_used")


def held(guest):
    """What is in use of everything that is counted, by name."""
    stats = guest.counters()
    pools = {pool["name"]: pool["used_bytes"] for pool in guest.console_json("free")["pools"]}
    sockets = [row["state"] for row in guest.console_json("ss -a")["sockets"]]
    used = {name: value for name, value in stats.items()
            if name.startswith("memp.") and name.endswith("_used") and name not in NOT_COUNTED}
    used["pktbuf"] = stats["pktbuf.total"] - stats["pktbuf.free"]
    used["stack.rx_held"] = stats["stack.rx_held"]
    used["heap"] = pools["Kmalloc"]
    used["connections"] = len([s for s in sockets if s not in ("LISTEN", "TIME-WAIT")])
    # A PCB may serve TIME-WAIT for a minute, but nothing else that is not shown.
    used["hidden PCBs"] = max(0, stats["memp.TCP_PCB_used"] - used["connections"]
                              - sockets.count("TIME-WAIT"))
    return used


def settled(guest, seconds=20):
    """What is held when there are no connections and nothing is on its way."""
    deadline = time.monotonic() + seconds
    now = None
    while True:
        last, now = now, held(guest)
        if now == last and now["connections"] == now["hidden PCBs"] == now["stack.rx_held"] == 0:
            return now
        if time.monotonic() > deadline:
            guest.fail(f"not quiet after {seconds} s: {now}")
        time.sleep(0.3)


def assert_back(guest, before, seconds=20):
    """Frames may still be on their way, and sent ones wait for the next poll: so not at once."""
    deadline = time.monotonic() + seconds
    while (now := held(guest)) != before:
        if time.monotonic() > deadline:
            changed = {name: (before[name], now[name]) for name in now if now[name] != before[name]}
            guest.fail(f"not back after {seconds} s, as {{name: (before, now)}}: {changed}")
        time.sleep(0.05)


@contextlib.contextmanager
def all_back(guest):
    """A test that shares this guest. What the first one begins with is what each must end with."""
    if guest.process.poll() is not None:
        guest.fail("an earlier test ended this guest")
    qemu.used_guests.append(guest)
    if not hasattr(guest, "before"):
        guest.before = settled(guest)
    yield guest
    assert_back(guest, guest.before)
