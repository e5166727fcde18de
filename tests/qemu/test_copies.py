"""`copies`: the copies that sockets make, on and off under way, and counted."""

import socket

import pytest

import qemu
from buffers import all_back, assert_back, settled
from test_http import BIG, make_image

pytestmark = pytest.mark.xdist_group("http")


@pytest.fixture(scope="module")
def images(tmp_path_factory, app_image):
    site = make_image(tmp_path_factory.mktemp("copies"), {"big.bin": BIG})
    return {"httpd": site, "echo": app_image("echo")}


def counted(guest):
    return guest.console_json("stats copies")["copies"]


@pytest.fixture(scope="module")
def booted(images):
    with qemu.Guest(image=images["httpd"]) as guest:
        guest.wait_prompt()
        guest.wait_http()
        yield guest


@pytest.fixture
def web(booted):
    with all_back(booted):
        yield booted


@pytest.mark.parametrize("level", [0, 1, 2, 0])
def test_each_byte_is_copied_so_often(web, level):
    assert web.console_json(f"copies {level}") == {"copies": level}
    before = counted(web)
    assert web.get("/big.bin", seconds=60)[2] == BIG
    after = counted(web)
    grown = {name: after[name] - before[name] for name in after}
    assert grown["rx_failed"] == 0
    heads = grown["tx_bytes"] - level * len(BIG)
    assert (50 * level <= heads <= 1000 * level) and (level > 0 or heads == 0)
    assert (grown["rx_bytes"] > 0) == (level > 0) and grown["rx_bytes"] % max(level, 1) == 0


def test_changed_during_a_transfer(web):
    """Whatever level a part was sent at, the file is the same."""
    with socket.create_connection(("127.0.0.1", web.port), 30) as client:
        client.sendall(b"GET /big.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        got = bytearray()
        levels = [1, 2, 0, 2, 1, 0]
        while piece := client.recv(65536):
            if levels and len(got) > (6 - len(levels)) * 700_000:
                web.console_json(f"copies {levels.pop(0)}")
            got += piece
    assert bytes(got).partition(b"\r\n\r\n")[2] == BIG


@pytest.mark.parametrize("level", [0, 1, 2])
def test_echo(images, level):
    """Both directions at once; nothing of it is left behind."""
    with qemu.Guest(image=images["echo"], cfg=f"copies = {level}\necho_port = 80\n") as guest:
        guest.wait_prompt()
        before = settled(guest)
        data = BIG[:200_000]
        with socket.create_connection(("127.0.0.1", guest.port), 30) as client:
            client.sendall(data)
            got = bytearray()
            while len(got) < len(data):
                got += client.recv(65536)
        assert got == data
        copies = counted(guest)
        assert copies == {"rx_bytes": level * len(data), "tx_bytes": level * len(data),
                          "rx_failed": 0}
        assert_back(guest, before)
