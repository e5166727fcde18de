"""The dashboard as the booted guest serves it, in headless Chromium, under load."""

import contextlib
import re
import threading

import pytest

import qemu
from browser import ENTER
from dashboard_page import changed, moved, picture, show, wait_state, wait_text, watch_moves

pytestmark = pytest.mark.xdist_group("dashboard")


@pytest.fixture(scope="module")
def guest():
    with qemu.Guest() as guest:
        guest.wait_prompt()
        guest.wait_http()
        yield guest


def link_of(guest):
    """The link that the console printed, as this machine has to write it."""
    token = re.search(r"/_/#token=(\S+)", guest.text()).group(1)
    return f"http://127.0.0.1:{guest.port}/_/#token={token}"


@contextlib.contextmanager
def load(guest, pause_s=0.005):
    """Requests, one after the other, until the end of the block."""
    ended = threading.Event()
    statuses = set()

    def ask():
        while not ended.wait(pause_s):
            statuses.add(guest.get("/")[0])

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        ended.set()
        asking.join()
    assert statuses == {200}


def test_the_guest_under_load(browser, guest):
    show(browser, link_of(guest))
    watch_moves(browser)
    quiet = picture(browser, "requests")
    with load(guest):
        browser.wait("return Number(document.querySelector('#n-requests').textContent.replace(',', '')) > 10")
        changed(browser, "requests", quiet)
        for number in ("rx", "interrupts", "busy"):
            assert float(browser.text(f"#n-{number}").replace(",", "")) > 0, number
        browser.click('[data-name="trace"]')
        wait_text(browser, "#trace-state", "8 packets")
        browser.run("document.querySelector('#hists').scrollIntoView()")
        browser.wait("return document.querySelectorAll('.hist tr').length > 12")
    wait_text(browser, "#about", guest.console_json("version")["version"])
    assert moved(browser) < 0.02
    browser.assert_no_errors()


def test_a_mode_switch_takes_effect(browser, guest):
    show(browser, link_of(guest))
    try:
        for mode in ("poll", "interrupt", "napi"):
            browser.click(f'[data-value="{mode}"]')
            wait_text(browser, "#result", f"mode is {mode} now")
            assert guest.console_json("mode")["mode"] == mode
            browser.wait(f"return document.querySelector('[data-value={mode}]').ariaPressed === 'true'")
        for name, value in (("budget", 32), ("defer-us", 100), ("usecs", 1000)):
            browser.fill(f"#{name}", str(value))
            browser.keys(ENTER)
            wait_text(browser, "#result", f"{name} is {value} now")
        browser.click('[data-name="copies"] [data-value="1"]')
        wait_text(browser, "#result", "copies is 1 now")
        settings = guest.console_json("mode")
        assert (settings["budget"], settings["defer_us"], settings["usecs"]) == (32, 100, 1000)
        assert guest.console_json("copies")["copies"] == 1
        show(browser, link_of(guest))  # a page that did not set it knows it, too
        browser.wait("""return document.querySelector('[data-name=copies] [aria-pressed="true"]')"""
                     "?.dataset.value === '1'")
        browser.assert_no_errors()
    finally:
        for command in ("mode adaptive", "budget 64", "defer-us 50", "usecs 2000", "copies 0"):
            guest.console(command)


def test_a_reboot_is_survived(browser, boot):
    guest = boot(reboots=True)
    guest.wait_prompt()
    guest.wait_http()
    show(browser, link_of(guest))
    guest.type("reboot\r")
    wait_state(browser, "lost")
    guest.wait_prompt()
    wait_state(browser, "live")
    browser.wait("return /up [0-9]+ s$/.test(document.querySelector('#about').textContent)")
    browser.click('[data-value="napi"]')
    wait_text(browser, "#result", "not the one of this boot")
    assert guest.console_json("mode")["mode"] == "adaptive"


def test_grafana_asks_for_what_there_is(guest):
    """Every name in the Grafana dashboard is one of /_/metrics."""
    text = guest.get("/_/metrics")[2].decode()
    there = set(re.findall(r"^(tophalf_\w+)", text, re.M))
    wanted = set(re.findall(r"tophalf_\w+", (qemu.TOP / "docs/grafana/tophalf.json").read_text()))
    assert wanted and wanted <= there, wanted - there
