"""The serial console: commands, the line editor, and JSON for scripts."""

import re
import time

import pytest

ISSUED = ("help version uptime dmesg free interrupts softirq ip ss stats ping reboot "
          "poweroff").split()
QUESTIONS = "help version uptime dmesg free interrupts softirq ip ss stats pagetables".split()


def listed_commands(guest):
    """The first word of each line of `help`."""
    lines = [line for line in guest.console("help").splitlines() if line.strip()]
    return [line.split()[0] for line in lines]


def test_help_lists_every_command_in_one_line(shared):
    lines = [line for line in shared.console("help").splitlines() if line.strip()]
    for command in ISSUED:
        rows = [line for line in lines if line.split()[0] == command]
        assert len(rows) == 1, f"{command}: {rows}"
        assert len(rows[0].split()) > 2, f"{command} is listed without a word about it"
        assert len(rows[0]) <= 100


def test_unknown_command_suggests_the_nearest(shared):
    said = shared.console("uptme")
    assert "uptme" in said and "uptime" in said
    said = shared.console("intterupts")
    assert "interrupts" in said


def test_unknown_command_far_from_all(shared):
    said = shared.console("xyzzyxyzzyxyzzy")
    assert "xyzzyxyzzyxyzzy" in said
    assert "uptime" not in said


def test_empty_line_gives_a_new_prompt(shared):
    shared.type("\r")
    shared.wait_prompt(10)


def test_tab_completes_a_command(shared):
    shared.type("upt\t")
    shared.wait_for("uptime", 10)
    shared.type("\r")
    shared.wait_prompt(10)
    assert re.search(r"^tophalf> uptime *\n.*\bup\b.*\n", shared.said(), re.M)


def test_tab_shows_the_choices(shared):
    shared.type("s\t\t")
    for name in ("softirq", "ss", "stats"):
        shared.wait_for(rf"\b{name}\b", 10, regex=True)
    shared.type("\x15\r")  # Ctrl-U: nothing is run
    shared.wait_prompt(10)
    assert "unknown" not in shared.said()


def test_history(shared):
    first = shared.console("version")
    shared.console("uptime")
    shared.type("\x1b[A\x1b[A\r")  # up, up
    shared.wait_prompt(10)
    assert first in shared.said()
    shared.type("\x1b[A\x1b[A\x1b[B\r")  # up, up, down: `version` again, the newest line
    shared.wait_prompt(10)
    assert first in shared.said()


def test_editing_in_the_line(shared):
    right = shared.console("version")
    shared.type("vrsion\x01\x1b[Ce\r")  # home, right, insert
    shared.wait_prompt(10)
    assert right in shared.said()
    shared.type("versioX\x7fn\r")  # backspace
    shared.wait_prompt(10)
    assert right in shared.said()
    shared.type("junk\x15version\r")  # Ctrl-U
    shared.wait_prompt(10)
    assert right in shared.said()


def test_ctrl_c_leaves_the_line(shared):
    shared.type("reboot\x03")
    shared.wait_prompt(10)
    assert "version" in shared.console("help")


def test_a_line_beyond_every_length(shared):
    shared.type("a" * 5000 + "\r")
    shared.wait_prompt()
    assert "version" in shared.console("help")


def test_bytes_of_every_value(shared):
    shared.type(bytes(b for b in range(256) if b not in (0x0A, 0x0D)) + b"\x03\x15\r")
    shared.wait_prompt()
    assert "version" in shared.console("help")


@pytest.mark.parametrize("command", QUESTIONS)
def test_json_parses(shared, command):
    answer = shared.console_json(command)
    assert isinstance(answer, dict) and answer and "error" not in answer


def test_every_listed_command_answers_in_json(shared):
    """Whatever help lists: one line, one object (an {"error":...} is one too)."""
    for command in listed_commands(shared):
        if command not in ("reboot", "poweroff"):
            assert isinstance(shared.console_json(command), dict)


def test_json_of_an_unknown_command(shared):
    assert "error" in shared.console_json("uptme")


def test_uptime_grows(shared):
    first = shared.console_json("uptime")
    begun = time.monotonic()
    time.sleep(2)
    grown = (shared.console_json("uptime")["uptime_ns"] - first["uptime_ns"]) / 1e9
    passed = time.monotonic() - begun
    assert passed - 0.5 < grown < passed + 0.5, "its clock goes wrong"
    assert abs(first["unix_time_s"] - time.time()) < 30


def test_layouts(shared):
    """The layouts that a Linux user knows."""
    interrupts = shared.console("interrupts").splitlines()
    assert "CPU0" in interrupts[0]
    assert all(re.match(r" *\w+: +\d+", line) for line in interrupts[1:] if line.strip())
    address = shared.console("ip")
    assert re.search(r"^ *inet 10\.0\.2\.15/24", address, re.M), address
    assert re.search(r"^ *link/ether 52:54:00:12:34:56", address, re.M), address
    assert re.search(r"^ *inet6 fe80::", address, re.M), address
    sockets = shared.console("ss").splitlines()
    assert "State" in sockets[0] and "Local Address" in sockets[0]
    free = shared.console("free").splitlines()
    assert "total" in free[0] and "used" in free[0] and "free" in free[0]
    assert any(line.startswith("Mem:") for line in free)


def test_ping_the_gateway(shared):
    said = shared.console("ping -c 2 10.0.2.2", 30)
    assert "2 packets transmitted, 2 received, 0% packet loss" in said, said
    answer = shared.console_json("ping -c 1 10.0.2.2", 30)
    assert answer["transmitted"] == answer["received"] == 1, answer


def test_ping_nobody_and_nonsense(shared):
    said = shared.console("ping -c 1 10.0.2.77", 30)
    assert "0 received" in said, said
    assert "ping:" in shared.console("ping not-an-address")
    assert "error" in shared.console_json("ping not-an-address")


def test_ctrl_c_ends_a_ping(shared):
    shared.type("ping 10.0.2.2\r")
    shared.wait_for("bytes from", 20)
    shared.type("\x03")
    shared.wait_prompt(10)


def test_the_console_answers_under_load(shared):
    """Requests and questions at the same time: neither stands still."""
    for _ in range(10):
        assert shared.get()[0] == 200
        assert shared.console_json("uptime")
