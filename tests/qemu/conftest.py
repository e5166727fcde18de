"""Fixtures of the QEMU tests, and what a failing one shows.

Boots cost seconds: a test that only asks questions takes the booted guests that one worker
shares (`shared`, on user networking; `wired`, on raw frames). Tests marked with the same
xdist_group run in the same worker, so with -n 2 at most two guests are busy at a time.
"""

import contextlib
import fcntl
import functools
import os
import subprocess

import pytest

import qemu
from browser import Browser
from buffers import all_back

WIRED_CFG = "ip = 10.0.0.2/24\ngateway = 10.0.0.1\n"


def pytest_configure(config):
    config.addinivalue_line("markers", "xdist_group(name): run in the worker of that name")
    if not qemu.IMAGE.exists():
        raise pytest.UsageError(f"{qemu.IMAGE} is not built: run make first")


def pytest_collection_modifyitems(items):
    for item in items:
        for shared in ("shared", "wired"):
            if shared in item.fixturenames:
                item.add_marker(pytest.mark.xdist_group(shared))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        guests = list(qemu.used_guests)
        guests += [item.funcargs[n] for n in ("shared", "wired") if n in item.funcargs]
        for number, guest in enumerate(dict.fromkeys(guests)):
            report.sections.append((f"console of guest {number}", guest.tail(80)))
            report.sections.append((f"QEMU line of guest {number}", guest.command))
    if report.when == "teardown":
        qemu.used_guests.clear()


@pytest.fixture
def boot():
    """boot(**options of Guest) -> Guest; each is ended with the test."""
    guests = []

    def start(**options):
        guests.append(qemu.Guest(**options))
        return guests[-1]

    yield start
    for guest in guests:
        guest.close()


@pytest.fixture(scope="session")
def shared_guest():
    with qemu.Guest() as guest:
        guest.wait_prompt()
        yield guest


@contextlib.contextmanager
def boot_wired(cfg=""):
    with qemu.Guest(cfg=WIRED_CFG + cfg, net="wire") as guest:
        guest.wait_prompt()
        guest.wait_for("(link-local)")  # before that its IPv6 address is tentative (RFC 4862)
        yield guest


@pytest.fixture(scope="session")
def wired_guest():
    with boot_wired() as guest:
        yield guest


@pytest.fixture(scope="session")
def promiscuous_guest():
    with boot_wired("offloads = -ctrl_rx\n") as guest:
        yield guest


def still_there(guest):
    if guest.process.poll() is not None:
        guest.fail("an earlier test ended this shared guest")
    return guest


@pytest.fixture
def shared(shared_guest):
    """A booted guest on user networking, for tests that change nothing in it."""
    return still_there(shared_guest)


@pytest.fixture
def wired(wired_guest):
    """A booted guest with a static address and a raw wire, quiet at the start of the test. What it
    holds at the end is what it held before any test."""
    wired_guest.wire.drain()
    with all_back(wired_guest):
        yield wired_guest


@pytest.fixture
def promiscuous(promiscuous_guest):
    """The same, but the card hands it what is for others, too."""
    promiscuous_guest.wire.drain()
    with all_back(promiscuous_guest):
        yield promiscuous_guest


def compiled(name, folder):
    """The program of tests/qemu/NAME.c."""
    source = qemu.TOP / "tests/qemu" / f"{name}.c"
    subprocess.run(["gcc", "-O2", "-Wall", "-Werror", "-o", folder / name, source], check=True)
    return folder / name


@pytest.fixture(scope="session")
def load_client(tmp_path_factory):
    return compiled("load", tmp_path_factory.mktemp("load"))


@pytest.fixture(scope="session")
def lossy_program(tmp_path_factory):
    return compiled("lossy", tmp_path_factory.mktemp("lossy"))


def make_app(app, folder, image):
    """Of the image that is tested all but the app is taken as it is, with its times."""
    for name in ("lwip", "lwip.stamp", "flags.stamp", "k"):
        subprocess.run(["rm", "-rf", folder / name], check=True)
        subprocess.run(["cp", "-a", qemu.BUILD / name, folder], check=True)
    env = {**os.environ, "LWIP_DIR": str(qemu.BUILD / "lwip")}  # already unpacked there
    env.pop("MAKEFLAGS", None)
    run = subprocess.run(["make", "-j2", f"APP={app}", f"BUILD={folder}", str(image)], cwd=qemu.TOP, env=env,
                         capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.fixture(scope="session")
def app_image():
    """app_image(name): the image with that app, built in a folder of its own."""

    @functools.cache
    def build(app):
        folder = qemu.BUILD / app
        image = folder / "tophalf.img"
        folder.mkdir(exist_ok=True)
        with open(folder / "lock", "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # another worker may want it, too
            if not image.exists() or image.stat().st_mtime < qemu.IMAGE.stat().st_mtime:
                make_app(app, folder, image)
        return image

    return build


@pytest.fixture(scope="session")
def xdp_object():
    """xdp_object(name, clang="clang"): the object of apps/xdp/NAME.bpf.c, as `make xdp` makes it."""

    @functools.cache
    def build(name, clang="clang"):
        folder = qemu.BUILD / clang
        target = folder / "xdp" / f"{name}.o"
        env = {**os.environ}
        env.pop("MAKEFLAGS", None)
        folder.mkdir(exist_ok=True)
        with open(folder / "lock", "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            run = subprocess.run(["make", f"XDP_CLANG={clang}", f"BUILD={folder}", str(target)],
                                 cwd=qemu.TOP, env=env, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        return target.read_bytes()

    return build


@pytest.fixture(scope="session")
def chromium():
    with Browser() as browser:
        yield browser


@pytest.fixture
def browser(chromium):
    """Headless Chromium with an empty page, as wide as a laptop's screen, light."""
    chromium.size(1280)
    chromium.media(prefers_color_scheme="light")
    chromium.open("about:blank")
    chromium.log()
    return chromium
