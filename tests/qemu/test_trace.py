"""The command `trace`: the stages of a packet's life with their functions, in the booted system."""

import http.client
import re
import threading
import time

import pytest
from scapy.layers.inet import TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6

import frames
from qemu import Wire

STAGES = "interrupt softirq rx_ring ip transport app response tx_ring kick done".split()
TAKEN = ["interrupt", "softirq", "rx_ring"]
ANSWERED = ["tx_ring", "kick", "done"]

# The functions that a web request on an open connection goes through, and their files.
REQUEST = {
    "interrupt": ("irq_rx", "drivers/virtio_net_setup.c"),
    "softirq": ("napi_poll", "net/napi.c"),
    "rx_ring": ("nic_rx_burst", "drivers/virtio_net.c"),
    "ip": ("tcp_predict", "net/tcp_predict.c"),
    "transport": ("tcp_predict", "net/tcp_predict.c"),
    "app": ("conn_recv", "apps/httpd/conn.c"),
    "response": ("conn_write_head", "apps/httpd/conn_out.c"),
    "tx_ring": ("nic_tx", "drivers/virtio_net.c"),
    "kick": ("nic_flush", "drivers/virtio_net.c"),
    "done": ("nic_tx_reap", "drivers/virtio_net.c"),
}


def check(packet):
    """What is so of every record: stages in the order of the walk, and of time."""
    order = [STAGES.index(stage["stage"]) for stage in packet["stages"]]
    times = [stage["ns"] for stage in packet["stages"]]
    assert order == sorted(set(order)), packet
    assert times == sorted(times) and times[0] == 0, packet
    return packet


def trace_while(guest, act, command="trace 1"):
    """Run the command with -j and act() (again and again) until it ends; its packets."""
    ended = threading.Event()

    def keep_acting():
        while not ended.wait(0.5):
            act()

    actor = threading.Thread(target=keep_acting)
    actor.start()
    try:
        packets = guest.console_json(f"{command} -t 20", 40)["packets"]
    finally:
        ended.set()
        actor.join()
    return [check(packet) for packet in packets]


def names(packet):
    return [stage["stage"] for stage in packet["stages"]]


def function(packet, name):
    return next(stage["function"] for stage in packet["stages"] if stage["stage"] == name)


def trace_frame(guest, frame):
    for _ in range(3):
        packet, = trace_while(guest, lambda: guest.wire.send(frame))
        assert packet["complete"] and not packet["lost"]
        if packet["bytes"] == max(len(bytes(frame)), 60):
            return packet
        # The wire's answer to a neighbour solicitation, of which the guest sends some by itself.
        assert "advertisement" in packet["summary"], packet
    raise AssertionError("never our frame")


def test_a_web_request_goes_through_all_ten_stages(shared):
    shared.wait_http()
    connection = http.client.HTTPConnection("127.0.0.1", shared.port, timeout=20)
    try:
        def ask():
            connection.request("GET", "/")
            assert connection.getresponse().read()

        ask()
        time.sleep(0.5)  # what is left of the handshake and this answer's ACK has come
        packets = trace_while(shared, ask, "trace 6")
    finally:
        connection.close()
    requests = [packet for packet in packets if "app" in names(packet)]
    assert requests, packets
    first = requests[0]
    assert names(first) == STAGES
    assert {s["stage"]: (s["function"], s["file"]) for s in first["stages"]} == REQUEST
    assert re.fullmatch(r"TCP [\d.]+:\d+ > [\d.]+:80 \[P\.\]", first["summary"])
    assert first["complete"] and first["kick_needed"]


@pytest.mark.parametrize("frame, summary, stages, transport", [
    (frames.echo_request(0x7101), "ICMP 10.0.0.1 > 10.0.0.2 echo request",
     ["ip", "transport", *ANSWERED], "icmp_input"),
    (frames.ether() / IPv6(src=Wire.IP6, dst=frames.GUEST_IP6) / ICMPv6EchoRequest(id=7),
     f"ICMPv6 {Wire.IP6} > {frames.GUEST_IP6} echo request",
     ["ip", "transport", *ANSWERED], "icmp6_input"),
    (frames.ether() / frames.ip() / TCP(sport=1025, dport=9, flags="S"),
     "TCP 10.0.0.1:1025 > 10.0.0.2:9 [S]", ["ip", "transport", *ANSWERED], "tcp_input"),
    (frames.ether() / frames.ip() / UDP(sport=53, dport=9) / b"x",
     "UDP 10.0.0.1:53 > 10.0.0.2:9", ["ip", "transport", *ANSWERED], "udp_input"),
    (frames.arp_request(), "ARP request 10.0.0.1 > 10.0.0.2", ANSWERED, None),
    # and those that nobody answers end where they are dropped
    (frames.ether(type=0x88CC) / b"lldp", "Ethernet type 0x88cc", [], None),
    (frames.ether() / frames.ip(chksum=1) / UDP(dport=9), "UDP 10.0.0.1:53 > 10.0.0.2:9",
     ["ip"], None),
    (frames.ether() / frames.ip() / UDP(dport=9, chksum=1), "UDP 10.0.0.1:53 > 10.0.0.2:9",
     ["ip", "transport"], "udp_input"),
], ids="ping ping6 syn udp arp lldp ip-checksum udp-checksum".split())
def test_frames_of_every_kind(wired, frame, summary, stages, transport):
    packet = trace_frame(wired, bytes(frame).ljust(60, b"\0"))
    assert packet["summary"] == summary
    assert names(packet) == TAKEN + stages
    if transport:
        assert function(packet, "transport") == transport
    if summary.startswith("ICMPv6"):
        assert function(packet, "ip") == "ip6_input"


def test_frame_to_another(promiscuous):
    frame = frames.ether(dst="02:00:00:00:00:99") / frames.ip() / UDP(dport=9)
    packet = trace_frame(promiscuous, bytes(frame).ljust(60, b"\0"))
    assert packet["summary"] == "UDP 10.0.0.1:53 > 10.0.0.2:9"
    assert names(packet) == TAKEN


@pytest.mark.parametrize("mode", ["interrupt", "napi", "poll", "adaptive"])
def test_in_each_mode(wired, mode):
    before = wired.console_json("mode")["mode"]
    try:
        wired.console(f"mode {mode}")
        packet = trace_frame(wired, bytes(frames.echo_request(0x7102)))
    finally:
        wired.console(f"mode {before}")
    wanted = [*TAKEN, "ip", "transport", *ANSWERED]
    assert names(packet) == (wanted if mode != "poll" else wanted[1:])
    assert function(packet, "softirq") == "napi_poll"


def test_text_fits_the_screen(wired):
    wired.type("trace 2\r")
    wired.wait_for("waiting for 2 packets; any key ends")
    frames.ping(wired, 0x7103)
    wired.wait_for("1 of 2 packets have come")
    wired.wire.send(frames.ether(type=0x88CC) / bytes(60))
    wired.wait_prompt(20)
    said = wired.said()
    assert all(len(line) <= 80 for line in said.splitlines()), said
    assert re.search(r"^packet 1, 70 bytes: ICMP 10.0.0.1 > 10.0.0.2 echo request$", said, re.M)
    assert re.search(r"^ +interrupt +0 +0 +irq_rx \(drivers/virtio_net_setup.c\)$", said, re.M)
    assert re.search(r"^ +app +-$", said, re.M)
    assert re.search(r"^ +done +\d+ +\d+ +nic_tx_reap \(drivers/virtio_net.c\)$", said, re.M)
    assert re.search(r"^packet 2, 74 bytes: Ethernet type 0x88cc\n.*\n.*\n.*\n"
                     r" +rx_ring .*\n +\(no answer to it\)$", said, re.M)


@pytest.mark.parametrize("key", ["q", "\x03"], ids=["key", "ctrl-c"])
def test_a_key_ends_it_and_leaves_nothing_armed(wired, key):
    wired.type("trace 3\r")
    wired.wait_for("waiting for 3 packets; any key ends")
    frames.ping(wired, 0x7104)
    wired.wait_for("1 of 3 packets have come")
    wired.type(key)
    wired.wait_for("echo request")
    wired.wait_prompt(20)
    assert "packet 2" not in wired.said()
    before = wired.console_json("trace stats")
    assert not before["on"]
    frames.ping(wired, 0x7105)
    assert wired.console_json("trace stats") == before


def test_it_ends_by_itself(wired):
    started = time.monotonic()
    assert wired.console_json("trace 2 -t 1") == {"packets": []}
    assert 1 <= time.monotonic() - started < 5


def test_more_packets_than_records(wired):
    def send():
        for seq in range(300):
            wired.wire.send(frames.echo_request(0x7106, seq=seq, payload=b"many"))

    packets = trace_while(wired, send, "trace 256")
    wired.wire.drain()
    assert len(packets) == 256
    assert all(packet["complete"] for packet in packets)
    assert all(names(p)[-5:] == ["ip", "transport", *ANSWERED] for p in packets)


def test_stats_and_reset(wired):
    wired.console("trace on")
    assert wired.console_json("trace stats")["on"]
    before = wired.console_json("trace stats")["packets"]
    for seq in range(20):
        frames.ping(wired, 0x7110 + seq)
    # in between some packets are looked at, and tracing goes on afterwards
    trace_frame(wired, bytes(frames.echo_request(0x7107)))
    assert wired.console_json("trace stats")["on"]
    wired.console("trace off")
    stats = wired.console_json("trace stats")
    rows = {row["stage"]: row for row in stats["stages"]}
    assert not stats["on"] and stats["packets"] >= before + 20
    assert list(rows) == [*STAGES[1:], "to_kick"]
    assert rows["rx_ring"]["count"] == stats["packets"]
    assert rows["tx_ring"]["count"] == rows["kick"]["count"] == rows["to_kick"]["count"] >= 20
    for row in rows.values():
        assert row["p50_ns"] <= row["p90_ns"] <= row["p99_ns"] <= row["max_ns"]
        assert (row["count"] == 0) == (row["max_ns"] == 0)
    text = wired.console("trace stats")
    assert all(len(line) <= 80 for line in text.splitlines()), text
    assert re.search(r"^ +stage +count +p50 +p90 +p99 +max$", text, re.M)
    wired.console("reset")
    stats = wired.console_json("trace stats")
    assert stats["packets"] == 0 and all(row["count"] == 0 for row in stats["stages"])


@pytest.mark.parametrize("args", [
    "0", "257", "-1", "x", "1x", "0x10", "1 2", "99999999999999999999", "-t", "-t 0", "-t x 1",
    "-t 3601", "1 -t", "-t -1", "stats 1", "stats stats", "on 1", "off off", "-q", "''", "%s%n",
    "a" * 40, "1 1 1 1 1 1",
])
def test_hostile_arguments(shared, args):
    said = shared.console(f"trace {args}")
    assert "packet" not in said.split("wants")[0]
    assert len(said.splitlines()) == 1, said
    assert "error" in shared.console_json(f"trace {args}")
    assert shared.console_json("trace stats")["on"] is False
