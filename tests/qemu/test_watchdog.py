"""Rings that stand still: an interrupt that is lost, a peer that does not read, a broken card.

`fault = on` gives the console the faults `lost-irq` and `nic-broken` (net/fault_net.c).
"""

import time

import pytest

from conftest import WIRED_CFG
from frames import echo_request, is_echo_reply, ping
from qemu import GuestError

PAYLOAD = b"x" * 1400


@pytest.fixture
def guest(boot):
    guest = boot(cfg=WIRED_CFG + "fault = on\nmode = napi\n", net="wire")
    guest.wait_prompt()
    guest.wait_for("(link-local)")
    time.sleep(3)  # what the stack sends by itself after boot (MLD, router solicitations)
    ping(guest)
    return guest


def watchdog(guest):
    return guest.console_json("stats watchdog")["watchdog"]


def wait_until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not in {seconds} s"
        time.sleep(0.2)


def logged(guest, what):
    """The log, once that is in it."""
    wait_until(lambda: what in guest.console("dmesg"), 5, what)
    return guest.console("dmesg")


def test_an_ordinary_guest_stalls_never(guest):
    for number in range(20):
        ping(guest, 0x2100 + number)
    time.sleep(1.5)
    ping(guest, 0x2120)
    counted = watchdog(guest)
    for name in ("rx_stalls", "tx_stalls", "kicks", "rearms", "resets", "recovery_fails"):
        assert counted[name] == 0, counted


@pytest.mark.parametrize("mode", ["napi", "adaptive"])
def test_lost_receive_interrupt(guest, mode):
    guest.console(f"mode {mode}")
    ping(guest)
    before = guest.counters()
    assert before["watchdog.rx_stalls"] == 0
    if mode == "adaptive":  # while it polls, it misses no interrupt
        wait_until(lambda: guest.console_json("mode")["regime"] == "interrupt", 5, "quiet")
    guest.console("fault lost-irq")
    for number in range(5):
        guest.wire.send(echo_request(0x2000, seq=number))
    with pytest.raises(GuestError):  # not before the watchdog has looked twice
        guest.wire.expect(is_echo_reply(0x2000), 0.3)
    for number in range(5):
        guest.wire.expect(is_echo_reply(0x2000, number), 5, "the reply, late")

    after = guest.counters()
    assert after["watchdog.rx_stalls"] == 1
    assert after["watchdog.rearms"] >= 1 and after["watchdog.kicks"] >= 1
    assert after["watchdog.resets"] == 0 and after["nic.device_resets"] == 0
    log = logged(guest, "watchdog: rx goes on")
    assert "watchdog: rx stall: no progress in 500 ms" in log
    line = next(text for text in log.splitlines() if "rx stall: rx ring of" in text)
    numbers = dict(item.strip().rsplit(" ", 1) for item in line.split("of ")[1].split(": ")[1]
                   .split(","))
    assert (int(numbers["used"]) - int(numbers["taken"])) % 65536 == 5
    assert numbers["interrupt"] == "masked"
    assert "rx stall: tx ring of" in log
    for number in range(20):  # the interrupt is back
        ping(guest, 0x2200 + number, seconds=2)
    assert watchdog(guest)["rx_stalls"] == 1


def back_up(guest, count, ident):
    """The wire is not read, and `count` answers are on their way."""
    guest.wire.reading.clear()
    for number in range(count):
        guest.wire.send(echo_request(ident, PAYLOAD, seq=number))


def test_backpressure_is_no_fault(guest):
    """A stop of three seconds: noticed, kicked, and not reset; all is delivered afterwards."""
    back_up(guest, 120, 0x2300)  # more than the socket takes, and no more than it and the ring
    wait_until(lambda: watchdog(guest)["tx_stalls"] == 1, 3, "a stall of the transmit ring")
    time.sleep(1.5)
    guest.wire.reading.set()
    for number in range(120):
        guest.wire.expect(is_echo_reply(0x2300, number), 5, f"reply {number}")
    counted = guest.counters()
    assert counted["watchdog.tx_stalls"] == 1 and counted["watchdog.kicks"] == 2
    assert counted["watchdog.resets"] == 0 and counted["nic.device_resets"] == 0
    assert "tx stall: tx ring of" in logged(guest, "watchdog: tx goes on")
    ping(guest)


def test_a_long_stop_resets_and_goes_on(guest):
    """Longer than the bound: the device is reset, once; frames in flight may be lost, no more."""
    back_up(guest, 120, 0x2400)
    wait_until(lambda: watchdog(guest)["resets"] == 1, 10, "a reset")
    time.sleep(2)
    assert guest.console_json("uptime")
    guest.wire.reading.set()
    time.sleep(0.5)
    guest.wire.drain()
    ping(guest, 0x2401)
    counted = guest.counters()
    assert counted["watchdog.resets"] == 1 and counted["watchdog.recoveries"] == 1
    assert "its transmit ring stands still" in guest.console("dmesg")


def test_a_card_that_breaks_again_and_again(guest):
    """The first time it is reset at once, then it has to wait; it always comes back."""
    guest.console("fault nic-broken")
    ping(guest, 0x2500)
    for number in range(1, 4):
        guest.console("fault nic-broken")
        wait_until(lambda n=number: watchdog(guest)["recoveries"] == n + 1, 10, "a reset")
        ping(guest, 0x2500 + number)
    assert guest.counters()["nic.device_resets"] == 4
    assert watchdog(guest)["resets"] == 0
    assert "link down" in guest.text() and "the network card was reset" in guest.text()
    assert "panic" not in guest.text()
