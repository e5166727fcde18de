"""Combinations of offloads with QEMU's device on a tap: every pair of switches in every state.

All 2^13 would take hours; they are in tests/host/test_offloads.c, with a device of ours. Here each
two switches are both on, both off, and the one or the other, in some guest, as far as the standard
lets them (virtio 1.2 §5.1.3.1). Off is a switch by QEMU's device, which does not offer it, or by
our own offloads=, turn about. The echo app has the same bytes pass both ways, over IPv4 and IPv6.
"""

import itertools
import random

import pytest

import fates
import links
import qemu
from buffers import assert_back, settled
from test_loss import Run, echo

# Our name, QEMU's name, what it needs.
SWITCHES = {
    "csum": ("csum", ()), "guest_csum": ("guest_csum", ()), "mrg_rxbuf": ("mrg_rxbuf", ()),
    "ctrl_vq": ("ctrl_vq", ()), "ctrl_rx": ("ctrl_rx", ("ctrl_vq",)),
    "ctrl_guest_offloads": ("ctrl_guest_offloads", ("ctrl_vq",)),
    "tso4": ("host_tso4", ("csum",)), "tso6": ("host_tso6", ("csum",)),
    "guest_tso4": ("guest_tso4", ("guest_csum", "mrg_rxbuf")),
    "guest_tso6": ("guest_tso6", ("guest_csum", "mrg_rxbuf")),
    "event_idx": ("event_idx", ()), "indirect_desc": ("indirect_desc", ()),
    "ring_packed": ("packed", ()),
}
CFG = f"ip = {links.GUEST_IP}/24\ngateway = {links.HOST_IP}\necho_port = 80\n"
TRANSFER = Run(1 << 20, 1, 0)


def is_valid(kind):
    return all(kind[need] for name in kind if kind[name] for need in SWITCHES[name][1])


def pairs(kind):
    return set(itertools.combinations(kind.items(), 2))


def covering():
    """Valid combinations that have all pairs that a valid one can have; always the same ones."""
    values = itertools.product((True, False), repeat=len(SWITCHES))
    valid = [kind for kind in (dict(zip(SWITCHES, row)) for row in values) if is_valid(kind)]
    random.Random(1).shuffle(valid)
    valid.sort(key=lambda kind: all(kind.values()), reverse=True)  # all of them is the first
    chosen = []
    valid = [(kind, pairs(kind)) for kind in valid]
    missing = set().union(*(its_pairs for _, its_pairs in valid))
    while missing:
        best = max(valid, key=lambda one: len(one[1] & missing)) if chosen else valid[0]
        chosen.append(best[0])
        missing -= best[1]
    return chosen


def ways():
    """For each of them what is switched off by the device, and what by us: each time a switch is
    off it is the other way."""
    by_us_next = dict.fromkeys(SWITCHES, False)
    for kind in KINDS:
        sets = (set(), set())
        for name in (name for name, on in kind.items() if not on):
            sets[by_us_next[name]].add(name)
            by_us_next[name] = not by_us_next[name]
        yield sets


KINDS = covering()
WAYS = list(ways())


def test_the_covering():
    """It is one, it is small, and it has each switch off both ways."""
    assert 6 <= len(KINDS) <= 12 and all(map(is_valid, KINDS))
    for a, b in itertools.combinations(SWITCHES, 2):
        states = {(kind[a], kind[b]) for kind in KINDS}
        lacking = {(True, True), (True, False), (False, True), (False, False)} - states
        assert not lacking or (len(lacking) == 1 and (
            a in SWITCHES[b][1] and lacking == {(False, True)}
            or b in SWITCHES[a][1] and lacking == {(True, False)})), (a, b, lacking)
    for way in zip(*WAYS):
        assert set().union(*way) == set(SWITCHES)


@pytest.fixture
def linked(request, app_image, lossy_program):
    number = request.param
    by_device, by_us = WAYS[number]
    nic = ",".join(f"{SWITCHES[name][0]}={'off' if name in by_device else 'on'}"
                   for name in SWITCHES)
    cfg = CFG + f"offloads = {' '.join(f'-{name}' for name in sorted(by_us)) or 'all'}\n"
    with links.Link("whole") as link, qemu.Guest(image=app_image("echo"), cfg=cfg, net=link.plug,
                                                 nic=nic) as guest:
        link.lead_to_host(lossy_program)
        guest.wait_prompt()
        guest.wait_for("(link-local)")
        yield link, guest


@pytest.mark.parametrize("linked", [
    pytest.param(number, marks=pytest.mark.xdist_group(f"offloads{number % 2}"),
                 id="without " + ",".join(name for name, on in kind.items() if not on))
    for number, kind in enumerate(KINDS)], indirect=True)
def test_offloads(request, linked):
    """What is negotiated, that it is used, and that all bytes arrive."""
    link, guest = linked
    number = request.node.callspec.params["linked"]
    kind = KINDS[number]
    by_device, by_us = WAYS[number]

    rows = {row["name"]: row for row in guest.console_json("offload")["offloads"]}
    assert rows.keys() == SWITCHES.keys()
    for name, row in rows.items():
        assert row["offered"] == (name not in by_device), name
        assert row["allowed"] == (name not in by_us), name
        assert row["negotiated"] == kind[name], name

    link.space.run("ping", "-c", "3", "-i", "0.1", "-W", "10", "-s", "1400", links.GUEST_IP)
    transfer(link, Run(1 << 10, 1, 0), False)  # what is allocated once and for ever is now
    before = settled(guest)
    for ipv6, tso, guest_tso in ((False, "tso4", "guest_tso4"), (True, "tso6", "guest_tso6")):
        counted = guest.counters()
        transfer(link, TRANSFER, ipv6)
        assert_back(guest, before)
        c = fates.grown(counted, guest.counters())
        fates.check(c, strangers=True)
        fates.assert_nothing_went_wrong(c)
        assert (c["nic.tx_queue_0_csum"] > 100) == kind["csum"] or c["nic.tx_queue_0_gso"]
        assert (c["nic.tx_queue_0_gso"] > 10) == kind[tso]
        assert (c["nic.rx_queue_0_csum_ok"] > 10) == kind["guest_csum"]
        assert (c["nic.rx_queue_0_gso"] > 10) == kind[guest_tso]
        assert (c["nic.rx_queue_0_merged"] > 10) == kind[guest_tso]


def transfer(link, run, ipv6):
    with link.connect(ipv6=ipv6) as client:
        assert echo(client, run, 1) is None
