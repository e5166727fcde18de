"""RST, FIN and SYN in every state of a connection, simultaneous close, TIME-WAIT.

SYN-SENT is missing: no app of ours opens connections. Sequence numbers are checked as RFC 9293
§3.10.7.4 and RFC 5961 §3 have it: only a RST at exactly the next number ends a connection; one
elsewhere in the window draws an ACK.
"""

import contextlib

import pytest

import links
import qemu
from buffers import all_back, settled
from frames import ping
from peer import ACK, FIN, RST, SYN, Peer, request
from test_tcp import BYTES, CFG, FLIGHT
from test_http import make_image

pytestmark = pytest.mark.xdist_group("tcp")

FILES = {"page": BYTES[:3000], "large": BYTES[:600_000]}


@pytest.fixture(scope="module")
def booted(tmp_path_factory, lossy_program):
    image = make_image(tmp_path_factory.mktemp("site"), FILES, CFG)
    with links.Link("tap") as link, qemu.Guest(image=image, net=link.plug) as guest:
        link.lead_to_wire(lossy_program)
        guest.wire = link.wire
        guest.wait_prompt()
        guest.wait_for("(link-local)")
        ping(guest)
        with Peer(guest) as peer:
            peer.open()
            peer.send("PA", request("/page"))
            assert peer.answer() == FILES["page"]
        guest.before = settled(guest)
        yield guest


@pytest.fixture
def guest(booted):
    booted.wire.drain()
    with all_back(booted):
        yield booted


# ------------------------------------------------------------ how a state is reached


def syn_recv(peer):
    peer.syn()
    assert peer.next("SYN-ACK").has(SYN | ACK)


def established(peer):
    peer.open()


def ask_to_close(peer, ack):
    """The response has come, and the guest's FIN behind it; acknowledged is so much of them."""
    peer.open()
    peer.send("PA", request("/page", close=True))
    assert peer.answer() == FILES["page"]
    while peer.fin is None:
        peer.next("FIN")
    peer.until_ping()
    if ack:
        peer.send()


def fin_wait_1(peer):
    ask_to_close(peer, ack=False)


def fin_wait_2(peer):
    ask_to_close(peer, ack=True)


def closing(peer):
    """Our FIN crosses the guest's: it is not acknowledged."""
    ask_to_close(peer, ack=False)
    peer.send("FA", ack=peer.fin)
    assert peer.next("ACK of the FIN", lambda s: s.ack == peer.sent)


def close_wait(peer):
    """It has our FIN, and still has to send what our window does not take."""
    peer.open()
    peer.send("PA", request("/large"))
    while peer.received < FLIGHT * 1460:
        peer.next()
    peer.send(window=0)
    peer.send("FA")
    assert peer.next("ACK of the FIN", lambda s: s.ack == peer.sent)


def last_ack(peer):
    """Our FIN was first, the guest's is not acknowledged."""
    peer.open()
    peer.send("FA")
    assert peer.next("FIN", lambda s: s.has(FIN)).ack == peer.sent


def time_wait(peer):
    ask_to_close(peer, ack=True)
    peer.send("FA")
    assert peer.next("ACK of the FIN", lambda s: s.ack == peer.sent)


STATES = {"SYN-RECV": syn_recv, "ESTAB": established, "FIN-WAIT-1": fin_wait_1,
          "FIN-WAIT-2": fin_wait_2, "CLOSING": closing, "CLOSE-WAIT": close_wait,
          "LAST-ACK": last_ack, "TIME-WAIT": time_wait}
SYNCHRONIZED = [state for state in STATES if state not in ("SYN-RECV", "TIME-WAIT")]


def reach(peer, state):
    STATES[state](peer)
    peer.until_ping()
    assert peer.state() == state


# ------------------------------------------------------------ RST


@pytest.mark.parametrize("state", STATES)
def test_reset(guest, state):
    """At the next number it ends the connection, without an answer; TIME-WAIT stays (RFC 1337)."""
    with Peer(guest) as peer:
        reach(peer, state)
        peer.send("R")
        came = peer.until_ping()
        assert not [s for s in came if not s.data and not s.flags & FIN], came
        assert peer.state() == ("TIME-WAIT" if state == "TIME-WAIT" else None)


@pytest.mark.parametrize("state", SYNCHRONIZED)
def test_reset_elsewhere_in_the_window(guest, state):
    """A challenge: who really knows the connection resets it at the number of the answer."""
    with Peer(guest) as peer:
        reach(peer, state)
        peer.send("R", at=peer.sent + 1000)
        assert [s.ack for s in peer.until_ping() if not s.data] == [peer.sent]
        assert peer.state() == state


@pytest.mark.parametrize("at", [-1, 2_000_000, -2**31 + 10])
@pytest.mark.parametrize("state", STATES)
def test_reset_outside_of_the_window(guest, state, at):
    with Peer(guest) as peer:
        reach(peer, state)
        peer.send("R", at=peer.sent + at)
        came = peer.until_ping()
        assert not [s for s in came if s.has(RST)]
        assert peer.state() == state


# ------------------------------------------------------------ FIN


@pytest.mark.parametrize("state, then", [
    ("SYN-RECV", "LAST-ACK"), ("ESTAB", "LAST-ACK"), ("FIN-WAIT-1", "TIME-WAIT"),
    ("FIN-WAIT-2", "TIME-WAIT")])
def test_fin(guest, state, then):
    """It is acknowledged, with what we have acknowledged so far taken into account."""
    with Peer(guest) as peer:
        reach(peer, state)
        peer.send("FA")
        assert [s.ack for s in peer.until_ping()][-1] == peer.sent
        assert peer.state() == then


@pytest.mark.parametrize("state", ["CLOSING", "CLOSE-WAIT", "LAST-ACK", "TIME-WAIT"])
def test_fin_again(guest, state):
    """Our FIN is there already: that it comes again means that its ACK was lost."""
    with Peer(guest) as peer:
        reach(peer, state)
        ack = peer.received if state in ("CLOSING", "LAST-ACK") else None
        peer.send("FA", at=peer.sent - 1, ack=ack)
        assert peer.sent in [s.ack for s in peer.until_ping()]
        assert peer.state() == state


@pytest.mark.parametrize("flags", ["F", "FA"])
def test_fin_without_a_connection(guest, flags):
    """A listener's port: nothing to end (RFC 9293 §3.10.7.2: an ACK there is answered by a RST)."""
    with Peer(guest) as peer:
        peer.sent, peer.guest_isn = 0, 1000
        peer.send(flags, ack=77)
        came = peer.until_ping()
        assert [s.has(RST) for s in came] == ([True] if "A" in flags else [])
        assert peer.state() is None


@pytest.mark.parametrize("flags, start", [("F", None), ("FA", 77), ("A", 77), ("", None),
                                          ("R", None), ("RA", None)])
def test_closed_port(guest, flags, start):
    """RFC 9293 §3.10.7.1: everything but a RST is answered by one, at the number that was
    acknowledged."""
    with Peer(guest, port=4242) as peer:
        peer.sent, peer.guest_isn = 0, 1000
        peer.send(flags, ack=77)
        came = peer.until_ping()
        assert [s.flags & ~ACK for s in came] == ([] if "R" in flags else [RST])
        assert start is None or came[0].start == start


def test_fin_beyond_a_gap(guest):
    """It counts when what was lost before it has come, not earlier."""
    text = request("/page")
    with Peer(guest) as peer:
        peer.open()
        peer.send("FPA", text[20:], at=20)
        assert [s.ack for s in peer.until_ping()] == [0]
        assert peer.state() == "ESTAB"
        peer.send("A", text[:20])
        peer.sent = len(text) + 1
        assert peer.answer() == FILES["page"]
        while peer.fin is None:
            peer.next("FIN")
        peer.send()
        peer.wait_state(None)


def test_simultaneous_close(guest):
    """Both FINs cross, then both ACKs: FIN-WAIT-1, CLOSING, TIME-WAIT (RFC 9293 fig. 13)."""
    with Peer(guest) as peer:
        reach(peer, "CLOSING")
        peer.send()
        peer.until_ping()
        assert peer.state() == "TIME-WAIT"


def test_simultaneous_close_with_the_acks_lost(guest):
    """The guest's FIN comes again until it is acknowledged."""
    with Peer(guest) as peer:
        reach(peer, "CLOSING")
        again = peer.next("FIN", lambda s: s.has(FIN))
        assert again.end == peer.fin + 1 and again.ack == peer.sent
        peer.send("FA", at=peer.sent - 1)
        peer.until_ping()
        assert peer.state() == "TIME-WAIT"


def test_data_behind_our_fin(guest):
    """There is none: it must not reach the app."""
    with Peer(guest) as peer:
        reach(peer, "LAST-ACK")
        peer.send("PA", request("/page"), ack=peer.received)
        assert not [s for s in peer.until_ping() if s.data]


def test_close_wait_is_answered_to_the_end(guest):
    with Peer(guest) as peer:
        reach(peer, "CLOSE-WAIT")
        peer.send(window=65535)
        assert peer.answer() == FILES["large"]
        while peer.fin is None:
            peer.next("FIN")
        peer.send()
        peer.wait_state(None)


# ------------------------------------------------------------ SYN


@pytest.mark.parametrize("state", SYNCHRONIZED)
@pytest.mark.parametrize("at", [0, 1000, 10_000_000])
def test_syn_on_a_connection(guest, state, at):
    """RFC 5961 §4: a challenge, wherever it is, and nothing changes."""
    with Peer(guest) as peer:
        reach(peer, state)
        peer.send("S", at=peer.sent + at)
        came = [s for s in peer.until_ping() if not s.data]
        assert peer.sent in [s.ack for s in came] and not [s for s in came if s.flags & (SYN | RST)]
        assert peer.state() == state


def test_syn_again(guest):
    """The SYN-ACK was lost: it comes again, with the same number."""
    with Peer(guest) as peer:
        peer.syn()
        first = peer.next("SYN-ACK")
        number = peer.guest_isn
        peer.send("S", at=-1, options=[("MSS", 1460)])
        again = peer.next("SYN-ACK", lambda s: s.has(SYN | ACK))
        assert (again.ack, peer.guest_isn) == (first.ack, number)
        peer.send()
        peer.send("PA", request("/page"))
        assert peer.answer() == FILES["page"]


def test_more_syns_than_the_backlog(guest):
    """One less than TCP_DEFAULT_LISTEN_BACKLOG wait for the end of their handshake; who comes beyond
    is answered with a cookie. All of them get in (tests/qemu/test_hardening.py has the floods)."""
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(Peer(guest)) for _ in range(260)]
        before = guest.counters()
        for peer in peers:
            peer.syn()
        assert all(peer_answered(guest, peers))
        after = guest.counters()
        for name in ("tcp_listen_overflows", "tcp_syncookies_sent"):
            assert after[f"stack.{name}"] == before[f"stack.{name}"] + 260 - 254
        for peer in peers[0], peers[253], peers[254], peers[259]:
            peer.send()
            peer.send("PA", request("/page"))
            assert peer.answer() == FILES["page"]
        after = guest.counters()
        assert after["stack.tcp_syncookies_recv"] == before["stack.tcp_syncookies_recv"] + 2
    with Peer(guest) as peer:
        peer.open()


def peer_answered(guest, peers):
    """For each of them whether a SYN-ACK has come; they learn its number."""
    ping(guest)
    frames = [frame for _, frame in guest.wire.seen]
    for peer in peers:
        for frame in frames:
            peer._parse(frame)
        yield peer.guest_isn is not None


# ------------------------------------------------------------ TIME-WAIT (net/tcp_timewait.h)


def test_time_wait_acknowledges_old_data(guest):
    with Peer(guest) as peer:
        reach(peer, "TIME-WAIT")
        peer.send("PA", b"old", at=0)
        assert [s.ack for s in peer.until_ping()] == [peer.sent]
        peer.send()  # a pure ACK takes no sequence space: no answer
        peer.silent()
        assert peer.state() == "TIME-WAIT"


@pytest.mark.parametrize("ahead", [1, 100_000, 2**31 - 2])
def test_time_wait_reopened(guest, ahead):
    """A SYN whose number lies behind all that the old connection received (RFC 9293 §3.10.7.4)."""
    with Peer(guest) as old:
        reach(old, "TIME-WAIT")
        isn = (old.isn + 1 + old.sent + ahead) % 2**32
        with Peer(guest, sport=old.sport, isn=isn) as peer:
            peer.open()
            assert peer.guest_isn != old.guest_isn
            assert peer.state() == "ESTAB"
            peer.send("PA", request("/page"))
            assert peer.answer() == FILES["page"]


@pytest.mark.parametrize("behind", [0, 1, 100_000, 2**31 - 1])
def test_time_wait_not_reopened(guest, behind):
    """An older number may be an old duplicate: it is answered by an ACK of the old connection."""
    with Peer(guest) as peer:
        reach(peer, "TIME-WAIT")
        peer.send("S", at=peer.sent - behind)
        came = peer.until_ping()
        assert [(s.flags, s.ack, s.start) for s in came] == [(ACK, peer.sent, peer.fin + 1)]
        assert peer.state() == "TIME-WAIT"


def test_time_wait_does_not_answer_what_is_broken(guest):
    """A wrong checksum is counted and dropped."""
    with Peer(guest) as peer:
        reach(peer, "TIME-WAIT")
        before = guest.counters()["tcp.chkerr"]
        peer.send("PA", b"old", at=0, checksum=1)
        peer.silent()
        assert guest.counters()["tcp.chkerr"] == before + 1


def test_many_in_time_wait(guest):
    """They take no connection and none of lwIP's memory (assert_back)."""
    peers = [Peer(guest) for _ in range(50)]
    for peer in peers:
        time_wait(peer)
    stats = guest.counters()
    assert stats["memp.TCP_PCB_used"] == 0
    rows = guest.console_json("ss -a", seconds=60)["sockets"]
    mine = {str(peer.sport) for peer in peers}
    assert len([r for r in rows if r["state"] == "TIME-WAIT" and str(r["peer_port"]) in mine]) == 50
