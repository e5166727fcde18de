"""What became of each packet: the counters of `stats`, which must add up."""

import time


def grown(before, after):
    return {name: value - before[name] for name, value in after.items() if name in before}


def check(c, strangers=False):
    """Every received packet is counted once in each layer, and every sent one.

    `c` is what Guest.counters() gives, or the difference of two. Fragments are not thought of.
    strangers: there may be IPv6 packets for others (Linux's own multicasts; a corrupted address,
    which no header checksum tells from a right one): lwIP drops them without counting them.
    """
    taken = c["nic.rx_queue_0_packets"]
    unwanted = sum(c[f"stack.rx_{why}"] for why in ("vlan", "ethertype", "other_host", "truncated"))
    # What a program passed is the stack's. Redirected frames are sent, or a raw ring's.
    fates = ("drops", "aborted", "tx", "tx_errors", "redirect_errors", "frags_drop")
    xdp = sum(c[f"nic.rx_queue_0_xdp_{fate}"] for fate in fates)
    raw = c["xsk.rx_packets"] + c["xsk.rx_fill_ring_empty_descs"]
    assert taken == c["stack.rx_frames"] + unwanted + xdp + raw, c

    # lwIP counts an ARP packet after a look at its header, anything else before.
    passed_on = c["etharp.recv"] + c["etharp.proterr"] + c["ip.recv"] + c["ip6.recv"]
    assert c["stack.rx_frames"] == passed_on, c

    transports = sum(c[f"{name}.recv"] for name in ("udp", "tcp", "icmp", "icmp6"))
    lost = c["ip.recv"] + c["ip6.recv"] - transports - c["ip.drop"] - c["ip6.drop"]
    assert lost == 0 or (strangers and 0 < lost <= c["ip6.recv"]), (lost, c)

    sent = c["stack.tx_frames"] + c["nic.rx_queue_0_xdp_tx"] + c["xsk.tx_packets"]
    assert c["nic.tx_queue_0_packets"] == sent, c


def assert_nothing_went_wrong(c, slow_peer=False):
    """No packet was dropped for want of something, and nothing had to be mended.

    slow_peer: the other end of the wire may leave frames unread for half a second when its machine
    is busy; the device waits for it, and the watchdog kicks the device, which does no harm.
    """
    for name in ("rx_queue_0_drop_no_buffer", "rx_queue_0_drop_runt", "rx_queue_0_drop_over_length",
                 "rx_queue_0_drop_bad_length", "rx_queue_0_drop_ring", "rx_queue_0_drop_checksum",
                 "tx_queue_0_drop_ring", "device_resets"):
        assert c[f"nic.{name}"] == 0, (name, c)
    mended = ("resets", "recoveries", "recovery_fails")
    looked_at = ("rx_stalls", "tx_stalls", "kicks", "rearms")
    for name in mended if slow_peer else mended + looked_at:
        assert c[f"watchdog.{name}"] == 0, (name, c)
    for name in ("stack.rx_aborts", "stack.tx_no_memory", "stack.tx_no_device",
                 "stack.tx_copied"):
        assert c[name] == 0, (name, c)


def wait_quiet(guest, seconds=20):
    """Wait until nothing is on its way through the guest any more; its counters then."""
    deadline = time.monotonic() + seconds
    last = guest.counters()
    while True:
        time.sleep(0.3)
        now = guest.counters()
        moved = [name for name in ("nic.rx_queue_0_packets", "nic.tx_queue_0_packets", "pktbuf.free")
                 if now[name] != last[name]]
        if not moved:
            return now
        assert time.monotonic() < deadline, f"still moving: {moved}"
        last = now
