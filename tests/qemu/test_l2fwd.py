"""The app l2fwd: frames over a raw ring, in and out, and none lost but those that are counted."""

import struct

import pytest

import qemu
from conftest import WIRED_CFG
from frames import GUEST_MAC
from test_schema import errors

pytestmark = pytest.mark.xdist_group("raw")

OURS = bytes.fromhex(qemu.Wire.MAC.replace(":", ""))
GUEST = bytes.fromhex(GUEST_MAC.replace(":", ""))


@pytest.fixture(scope="module")
def guest(app_image):
    with qemu.Guest(image=app_image("l2fwd"), cfg=WIRED_CFG + "l2fwd_frames = 256\n", net="wire") as guest:
        guest.wait_prompt()
        yield guest


def frame(number, size=60):
    """Of an EtherType that is nobody's (RFC 5342: local experiments)."""
    return GUEST + OURS + b"\x88\xb5" + struct.pack(">I", number) + bytes(
        (number + i) & 255 for i in range(size - 18))


def back(frame):
    return frame[6:12] + frame[:6] + frame[12:]


def is_ours(got):
    return got[12:14] == b"\x88\xb5"


def test_it_polls(guest):
    assert guest.console_json("mode")["mode"] == "poll"


def test_swaps_the_addresses_and_nothing_else(guest):
    for size in (60, 61, 100, 512, 1514):
        sent = frame(size, size)
        guest.wire.send(sent)
        assert guest.wire.expect(is_ours, what="a frame back") == back(sent)


def test_every_frame_of_many_comes_back_in_order(guest):
    """20,000 in bursts of a hundred, so that the wire holds no more than the card's ring."""
    before = guest.console_json("l2fwd")
    for burst in range(200):
        frames = [frame(burst * 100 + i, 60 + i) for i in range(100)]
        guest.wire.send_packed(guest.wire.pack(frames), len(frames))
        for sent in frames:
            assert guest.wire.expect(is_ours, what="a frame back") == back(sent)
    after = guest.console_json("l2fwd")
    assert errors("l2fwd", after) == []
    assert after["frames"] - before["frames"] == 20000
    assert after["bytes"] - before["bytes"] == 200 * sum(60 + i for i in range(100))
    assert after["accounted"] is True
    stats = guest.counters()
    assert stats["nic.rx_queue_0_xdp_redirects"] == stats["nic.rx_queue_0_packets"]
    assert stats["xsk.rx_packets"] == stats["xsk.tx_packets"] == after["frames"]
    assert stats["nic.tx_queue_0_packets"] >= after["frames"]  # the stack, too, sends a few at boot


def test_more_than_its_frames_at_once(guest):
    """What does not come back was dropped, and is counted: by the card's ring or by the fill ring."""
    before, nic = guest.console_json("l2fwd"), guest.counters()
    frames = [frame(1_000_000 + i) for i in range(5000)]
    guest.wire.send_packed(guest.wire.pack(frames), len(frames))
    last = frame(2_000_000)
    while True:
        guest.wire.send(last)
        try:
            guest.wire.expect(lambda got: got == back(last), 2, "the last frame")
            break
        except qemu.GuestError:
            continue
    after, now = guest.console_json("l2fwd"), guest.counters()
    received = now["nic.rx_queue_0_packets"] - nic["nic.rx_queue_0_packets"]
    assert received >= after["frames"] - before["frames"] > 0
    dropped = received - (after["frames"] - before["frames"])
    assert now["xsk.rx_fill_ring_empty_descs"] - nic["xsk.rx_fill_ring_empty_descs"] == dropped
    assert after["accounted"] is True


def test_other_modes_do_as_well(guest):
    for mode in ("interrupt", "napi", "adaptive", "poll"):
        guest.console(f"mode {mode}")
        sent = frame(77)
        guest.wire.send(sent)
        assert guest.wire.expect(is_ours, what=f"a frame back in mode {mode}") == back(sent)


def test_the_command(guest):
    assert "all accounted for" in guest.console("l2fwd")
    assert errors("error", guest.console_json("l2fwd now")) == []
