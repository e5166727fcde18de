"""The sink app (make APP=sink): the bench's bottom of the UDP path."""

import pytest
from scapy.layers.inet import UDP

import qemu
from buffers import all_back
from conftest import WIRED_CFG
from fates import assert_nothing_went_wrong, check, grown, wait_quiet
from frames import ether, ip, ping
from test_schema import errors

pytestmark = pytest.mark.xdist_group("bench")  # which builds the same image

COUNT, BYTES, WORK_US = 200, 18, 100


@pytest.fixture(scope="module")
def booted(app_image):
    cfg = WIRED_CFG + f"sink_port = 99\nsink_work_us = {WORK_US}\n"
    with qemu.Guest(image=app_image("sink"), cfg=cfg, net="wire") as guest:
        guest.wait_prompt()
        ping(guest)
        yield guest


@pytest.fixture
def guest(booted):
    with all_back(booted):
        yield booted


def test_each_datagram_is_counted_and_costs_what_is_set(guest):
    before, cpu = wait_quiet(guest), guest.console_json("cpu")
    assert guest.console_json("sink") == {
        "port": 99, "work_us": WORK_US, "datagrams": 0, "bytes": 0}
    frame = bytes(ether() / ip() / UDP(sport=7, dport=99) / bytes(BYTES))
    guest.wire.send_packed(guest.wire.pack([frame] * COUNT))
    guest.wire.send(ether() / ip() / UDP(sport=7, dport=9) / b"another port")
    c = grown(before, wait_quiet(guest))
    check(c)
    assert_nothing_went_wrong(c)
    assert c["udp.recv"] == COUNT + 1 and c["udp.proterr"] == 1
    said = guest.console_json("sink")
    assert said == {"port": 99, "work_us": WORK_US, "datagrams": COUNT, "bytes": COUNT * BYTES}
    assert errors("sink", said) == []
    spent = grown(cpu, guest.console_json("cpu"))
    assert spent["app_ns"] >= COUNT * WORK_US * 1000
    text = f"{COUNT} datagrams, {COUNT * BYTES} bytes on UDP port 99; {WORK_US} us of work for each"
    assert text in guest.console("sink")


def test_the_command_refuses_arguments(guest):
    assert errors("error", guest.console_json("sink now")) == []
    assert "takes no arguments" in guest.console("sink now")
