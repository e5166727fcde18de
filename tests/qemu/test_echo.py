"""The echo app (make APP=echo): the seam carries another app than httpd."""

import random
import socket
import threading
import time

import pytest

import qemu
from buffers import all_back

pytestmark = pytest.mark.xdist_group("http")


CFG = "echo_port = 80\n"


@pytest.fixture(scope="module")
def booted(app_image):
    with qemu.Guest(image=app_image("echo"), cfg=CFG) as guest:
        guest.wait_prompt()
        yield guest


@pytest.fixture
def echo(booted):
    with all_back(booted):
        yield booted


def connect(guest):
    return socket.create_connection(("127.0.0.1", guest.port), timeout=20)


def read_exactly(client, count):
    got = b""
    while len(got) < count:
        piece = client.recv(65536)
        assert piece, f"closed after {len(got)} of {count} bytes"
        got += piece
    return got


def test_version_names_the_app(echo):
    assert "echo" in echo.console("version")


def test_echo(echo):
    with connect(echo) as client:
        for size in (1, 2, 100, 1460, 1461, 30000):
            data = random.Random(size).randbytes(size)
            client.sendall(data)
            assert read_exactly(client, size) == data


def test_bulk_and_half_close(echo):
    """Much more than the windows hold, read while it is written; then FIN for FIN."""
    data = random.Random(2).randbytes(3_000_000)
    with connect(echo) as client:
        def send():
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        assert read_exactly(client, len(data)) == data
        assert client.recv(1) == b""
        sender.join(10)


def test_unread_echo_stops_the_sender(booted):
    """Who sends and does not read is stopped by the windows; others are served meanwhile. The last
    in this guest: QEMU's user networking does not tell it that such a client has gone away."""
    echo = booted
    with connect(echo) as greedy:
        greedy.settimeout(2)
        with pytest.raises(TimeoutError):
            for _ in range(5000):
                greedy.sendall(b"x" * 10000)
        with connect(echo) as other:
            other.sendall(b"hello")
            assert read_exactly(other, 5) == b"hello"


def test_memory_comes_back(boot, app_image):
    """In a guest of its own: what other tests left half open would count as well."""
    echo = boot(image=app_image("echo"), cfg=CFG)
    echo.wait_prompt()

    def used():
        answer = echo.console_json("free")
        return answer["memory"]["used_bytes"], [p["used_bytes"] for p in answer["pools"]]

    with connect(echo) as client:
        client.sendall(b"x")
        read_exactly(client, 1)
    echo.console_json("free")
    before = used()
    for number in range(50):
        with connect(echo) as client:
            client.sendall(bytes(number + 1))
            assert read_exactly(client, number + 1) == bytes(number + 1)
            client.shutdown(socket.SHUT_WR)
            assert client.recv(1) == b""
    deadline = time.monotonic() + 20
    while used() != before:
        assert time.monotonic() < deadline, f"{before} is now {used()}"
        time.sleep(0.3)
