"""What shows the system at work: watch, hist, reset, and the rates of interrupts."""

import json
import re

import pytest

from qemu import PROMPT

HEADER = r"^Every [0-9.]+s: "


def begin(guest, command, rounds=1):
    """Type a watch; wait until it has begun its n-th round."""
    guest.type(command + "\r")
    guest.wait_for(rf"({HEADER}[^\0]*){{{rounds}}}", 30, regex=True)


def end(guest, key="q"):
    """Press a key; return the rounds that were shown, each without its header."""
    guest._serial.sendall(key.encode())  # not type(): what was said before it counts
    guest.wait_prompt(10)
    rounds = re.split(HEADER + r".*\n", guest.said(), flags=re.M)
    return rounds[1:]


def rates(text):
    """{"name": "rate"} of `stats`' lines."""
    return dict(re.findall(r"^ +(\w+): \d+ +([0-9.]+)/s$", text, re.M))


def test_watch_shows_rates_from_the_second_round_on(shared):
    begin(shared, "watch -n 0.5 stats nic")
    for _ in range(5):
        shared.get()
    shared.wait_for(rf"({HEADER}[^\0]*){{3}}", 30, regex=True)
    rounds = end(shared)
    assert len(rounds) >= 3
    assert "rx_queue_0_packets" in rounds[0] and not rates(rounds[0]), rounds[0]
    for text in rounds[1:-1]:  # the last one may have been cut off
        assert len(rates(text)) == len(re.findall(r"^ +\w+: \d+", text, re.M)) > 10
    packets = [float(rates(text)["rx_queue_0_packets"]) for text in rounds[1:-1]]
    assert packets[0] > 0, packets


def test_watch_gives_gauges_no_rate(shared):
    begin(shared, "watch -n 0.2 stats pktbuf", 3)
    text = end(shared)[1]
    assert re.search(r"^ +free: \d+$", text, re.M), text
    assert list(rates(text)) == ["empty"], text


def test_watch_as_json_lines(shared):
    shared.type("watch -n 0.5 stats nic -j\r")
    shared.wait_for(r"(^\{.*\}\n){3}", 30, regex=True)
    shared._serial.sendall(b" ")
    shared.wait_prompt(10)
    lines = shared.said().splitlines()[1:-1]  # without the typed line and the prompt
    answers = [json.loads(line) for line in lines if line.startswith("{")]  # the log may speak, too
    times = [answer["time_ns"] for answer in answers]
    assert len(times) >= 3
    for first, second in zip(times, times[1:]):
        assert second - first > 0.3e9, times


@pytest.mark.parametrize("key", ["q", " ", "\r", "\r\n", "\n", "\x1b[A", "\x1b[15~", "\x1b", "\x03",
                                 "\t", "\x7f"], ids=repr)
def test_any_key_ends_watch_and_is_consumed(shared, key):
    begin(shared, "watch -n 0.3 version", 2)
    end(shared, key)
    assert shared.said().endswith("\n" + PROMPT)
    assert "Tophalf" in shared.console("version")  # nothing of the key stands before it


def test_watch_survives_the_second_half_of_a_line_end(shared):
    shared.type("watch -n 0.2 version\r\n")
    shared.wait_for(rf"({HEADER}[^\0]*){{3}}", 30, regex=True)
    end(shared)


def test_a_key_ends_a_command_that_waits_under_watch(shared):
    begin(shared, "watch ping 10.0.2.2")
    shared.wait_for("bytes from", 20)
    rounds = end(shared)
    assert len(rounds) == 1 and "packets transmitted" in rounds[0], rounds


@pytest.mark.parametrize("command,wanted", [
    ("watch", "watch: wants a command"),
    ("watch -n 0.01 uptime", "watch: -n wants seconds, 0.1 to 3600"),
    ("watch -n 1", "watch: wants a command"),
    ("watch -z uptime", "watch: there is no such option"),
    ("watch watch uptime", "watch: watch can not watch itself"),
    ("watch reboot", "watch: reboot would end the system"),
    ("watch poweroff", "watch: poweroff would end the system"),
    ("watch uptme", 'uptme: unknown command; did you mean "uptime"?'),
    ("watch stats nope", "stats: no group nope"),
])
def test_what_watch_refuses(shared, command, wanted):
    said = shared.console(command)
    assert re.search("^" + re.escape(wanted), said, re.M), said
    assert "error" in shared.console_json(command)


def test_tab_completes_what_can_be_watched(shared):
    shared.type("watch softi\t")
    shared.wait_for("watch softirq", 10)
    shared.type("\x15\r")
    shared.wait_prompt(10)


def test_the_system_works_while_it_is_watched(shared):
    begin(shared, "watch -n 0.1 stats")
    for _ in range(5):
        assert shared.get()[0] == 200
    end(shared)


def check_histogram(h):
    buckets = h["buckets"]
    assert sum(b["count"] for b in buckets) == h["count"]
    assert all(b["count"] > 0 and b["low"] <= b["high"] for b in buckets)
    assert h["p50"] <= h["p90"] <= h["p99"] <= h["max"]
    if h["count"]:
        assert h["mean"] == h["sum"] // h["count"] <= h["max"]
        assert buckets[-1]["low"] <= h["max"] <= buckets[-1]["high"]


def test_histograms(shared):
    for _ in range(3):
        shared.get()
    histograms = {h["name"]: h for h in shared.console_json("hist")["histograms"]}
    for h in histograms.values():
        check_histogram(h)
    assert histograms["poll_packets"]["count"] > 0
    said = shared.console("hist poll_packets")
    assert said.startswith("poll_packets: packets per poll (packets)\n  count "), said
    assert re.search(r"^ +[0-9-]+ +[1-9][0-9]* +[0-9.]+%  #+$", said, re.M), said
    assert all(len(line) < 80 for line in shared.console("hist").splitlines())
    assert "no histogram nope" in shared.console("hist nope")
    shared.type("hist poll_p\t\r")
    shared.wait_prompt(10)
    assert "hist poll_packets" in shared.said()


def test_interrupts_have_rates_since_last_asked(shared):
    before = {i["name"]: i for i in shared.console_json("interrupts")["interrupts"]}
    shared.get()
    answer = shared.console_json("interrupts")
    for row in answer["interrupts"]:
        came = row["count"] - before[row["name"]]["count"]
        told = row["per_second_milli"] * answer["interval_ns"] / 1e12
        assert abs(came - told) < 0.001 * answer["interval_ns"] / 1e9 + 1e-6, (row, answer)
    serial = next(i for i in answer["interrupts"] if i["name"] == "serial")
    assert serial["per_second_milli"] > 0
    assert shared.console("interrupts").splitlines()[0].split() == ["CPU0", "rate/s"]


def test_reset(boot):
    guest = boot()
    guest.wait_prompt()
    guest.console("mode napi")  # others may poll all the time: nothing would stay near zero
    for _ in range(20):
        guest.get()
    names = guest.console_json("reset")["reset"]
    assert {"cpu", "interrupts", "softirq", "serial", "poll_packets"} <= set(names)
    assert len(names) == len(set(names))
    nic = guest.console_json("stats nic")["nic"]
    assert nic["rx_queue_0_packets"] < 20 and nic["tx_queue_0_packets"] < 20, nic
    for softirq in guest.console_json("softirq")["softirqs"]:
        assert softirq["raised"] - softirq["runs"] in (0, 1), softirq
        assert softirq["name"] != "net" or softirq["runs"] < 20, softirq
    assert guest.get()[0] == 200  # and it goes on

    # by name, and only what is named
    said = guest.console("reset poll_packets")
    assert said.strip() == "zeroed: poll_packets"
    assert guest.console_json("stats nic")["nic"]["rx_queue_0_packets"] > 0
    assert guest.console_json("reset interrupts") == {"reset": ["interrupts"]}
    assert "nothing called nope" in guest.console("reset cpu nope")
    assert "error" in guest.console_json("reset nope")
