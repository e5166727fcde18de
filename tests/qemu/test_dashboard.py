"""The dashboard, /_/, in headless Chromium, against a stand-in for the guest (dashboard_mock.py):
what the page does with what it is told. test_dashboard_guest.py has the guest itself.
"""

import json
import re
import time

import pytest

from browser import END, ENTER, HOME, LEFT, SHIFT_TAB, TAB
from dashboard_mock import PAGES, TOKEN, Mock
from dashboard_page import changed, moved, picture, show, wait_state, wait_text, watch_moves

pytestmark = pytest.mark.xdist_group("dashboard")

SIZE_MAX = 60 << 10
FOCUSABLE = "a[href], button, input, summary, canvas[tabindex]"


@pytest.fixture
def mock():
    with Mock() as mock:
        yield mock


@pytest.fixture
def page(browser, mock):
    """The page of the stand-in, with the token, and alive."""
    show(browser, mock.url + f"#token={TOKEN}")
    return browser


# ------------------------------------------------------------ the files


def test_small_and_from_here_only():
    files = sorted(PAGES.iterdir())
    assert sum(file.stat().st_size for file in files) < SIZE_MAX
    for file in files:
        text = file.read_text().replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert "//" not in re.sub(r"^\s*//.*$|\s// .*$", "", text, flags=re.M), file.name
    html = (PAGES / "index.html").read_text()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*src=)", html)  # the CSP


def luminance(colour):
    """WCAG 2.2, relative luminance."""
    digits = colour if len(colour) == 6 else "".join(c + c for c in colour)
    parts = [int(digits[i:i + 2], 16) / 255 for i in (0, 2, 4)]
    parts = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(a, b):
    a, b = sorted((luminance(a), luminance(b)))
    return (b + 0.05) / (a + 0.05)


def test_contrast_of_both_schemes():
    style = (PAGES / "style.css").read_text()
    schemes = [dict(re.findall(r"--([a-z]+): #([0-9a-f]{3,6});", part))
               for part in re.findall(r":root \{(.*?)\}", style, re.S)]
    assert len(schemes) == 2 and schemes[0].keys() == schemes[1].keys()
    for colours in schemes:
        for back in ("card", "paper", "mark"):
            for text in ("ink", "soft"):
                assert contrast(colours[text], colours[back]) >= 4.5, (text, back)
        for series in ("in", "out", "violet", "blue", "bad", "edge"):
            assert contrast(colours[series], colours["card"]) >= 3, series
        for text in ("in", "out", "bad"):
            assert contrast(colours[text], colours["card"]) >= 4.5, text


# ------------------------------------------------------------ numbers


def test_rates_are_differences(browser, mock):
    mock.rates = {"requests": 120, "responses_4xx": 7, "bytes": 2_500_000, "rx_packets": 12_345,
                  "tx_packets": 900, "interrupts": 1234, "polls": 2000, "rx_drops": 3}
    mock.latency = {"p50": 21_000, "p90": 64_000, "p99": 1_234_567}
    mock.connections = 42
    show(browser, mock.url)
    numbers = {name: browser.text(f"#n-{name}") for name in
               ("requests", "bytes", "rx", "tx", "interrupts", "share", "busy", "p99", "p99-unit", "drops")}
    assert numbers == {"requests": "120", "bytes": "2.5 MB/s", "rx": "12,345", "tx": "900/s out",
                       "interrupts": "1,234", "share": "0.1 a packet", "busy": "10", "p99": "1.23",
                       "p99-unit": "ms", "drops": "3"}
    keys = browser.text('[data-plot="requests"] .key') + browser.text('[data-plot="connections"] .key')
    assert re.findall(r"\d+", keys.replace("4xx", "").replace("5xx", "")) == ["120", "7", "0", "42"]
    browser.assert_no_errors()


def sample(browser, before, now):
    return browser.run_async(f"""
        const {{ sampleOf }} = await import("./timeline.js");
        return sampleOf({json.dumps(before)}, {json.dumps(now)});""")


def test_a_counter_that_was_reset_counts_from_zero(page, mock):
    before, now = mock.event(), mock.event()
    before |= {"t_ms": 5000, "requests": 1000, "latency_ns": None}
    now |= {"t_ms": 7000, "requests": 50}
    answer = sample(page, before, now)
    assert answer["requests"] == 25 and answer["p50"] is None and not answer["gap"]
    assert sample(page, before, now | {"t_ms": 15_000})["gap"]


def test_ticks(page):
    ticks = page.run_async("""
        const { linearTicks, logTicks } = await import("./plot.js");
        return [linearTicks(10), linearTicks(4), linearTicks(1234567), linearTicks(100),
                logTicks(1000, 100000), logTicks(5, 6), logTicks(3e3, 2e9)];""")
    assert ticks == [[0, 2, 4, 6, 8, 10], [0, 1, 2, 3, 4], [0, 5e5, 1e6, 1.5e6],
                     [0, 20, 40, 60, 80, 100], [1e3, 1e4, 1e5], [1, 10, 100],
                     [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10]]


def test_numbers_are_readable(page):
    said = page.run_async("""
        const f = await import("./format.js");
        return [f.rate(0), f.rate(3.14), f.rate(480.4), f.rate(99999), f.rate(1234567), f.rate(null),
                f.time(999), f.time(1500), f.time(45678), f.time(2.5e9), f.percent(0.04),
                f.percent(99.7), f.bytes(1234), f.uptime(59), f.uptime(7265), f.uptime(200000)];""")
    assert said == ["0", "3.1", "480", "99,999", "1.23M", "–", "999 ns", "1.5 µs", "45.7 µs", "2.5 s",
                    "0.0", "100", "1.23 kB", "59 s", "2 h 1 min", "2 d 7 h"]


# ------------------------------------------------------------ the link


def test_a_broken_link_is_shown_and_mended(page, mock):
    mock.down = True
    wait_text(page, "#link", "connection lost, trying again in")
    mock.down = False
    wait_state(page, "live")


def test_a_silent_link_is_taken_for_broken(page, mock):
    mock.silent = True
    wait_state(page, "lost")
    mock.silent = False
    wait_state(page, "live")
    page.assert_no_errors()


def test_another_boot_begins_anew(page, mock):
    mock.rates["requests"] = 77
    wait_text(page, "#n-requests", "77")
    mock.boot(t_ms=3000)
    wait_text(page, "#about", "up 4 s")
    wait_text(page, "#n-requests", "77")
    page.assert_no_errors()


def test_pause_holds_what_is_seen_and_loses_nothing(page, mock):
    mock.rates["requests"] = 10
    wait_text(page, "#n-requests", "10")
    page.click("#pause")
    assert page.text("#pause") == "Resume" and "paused" in page.text("#link")
    held = picture(page, "requests")
    mock.rates["requests"] = 500
    time.sleep(10 * mock.period)
    assert page.text("#n-requests") == "10" and picture(page, "requests") == held
    page.click("#pause")
    wait_text(page, "#n-requests", "500")
    page.run("document.querySelector('[data-plot=requests] details').open = true")
    page.wait("return document.querySelectorAll('[data-plot=requests] tr').length > 5")
    rows = page.text("[data-plot=requests] table").splitlines()
    assert sum("500" in row for row in rows) >= 8, rows  # those of the pause are there, too


# ------------------------------------------------------------ the controls


def test_without_a_token_nothing_is_asked(browser, mock):
    show(browser, mock.url)
    browser.click('[data-value="poll"]')
    wait_text(browser, "#result", "Changes need the token")
    assert browser.run("return document.activeElement.id") == "token-text"
    assert not any(method == "POST" for method, _ in mock.asked)
    browser.fill("#token-text", "not the one")
    browser.click("#token button")
    browser.click('[data-value="poll"]')
    wait_text(browser, "#result", "not the one of this boot")
    browser.fill("#token-text", TOKEN)
    browser.keys(ENTER)
    browser.click('[data-value="poll"]')
    wait_text(browser, "#result", "mode is poll now")
    assert mock.settings["mode"] == "poll"
    browser.wait("return document.querySelector('[data-value=poll]').ariaPressed === 'true'")


def test_the_token_of_the_link_does_not_stay_in_it(page):
    assert "token" not in page.run("return location.href")
    assert page.run("return [sessionStorage.length, localStorage.length, document.cookie]") == [1, 0, ""]
    page.click("#token button")
    assert page.run("return sessionStorage.length") == 0


@pytest.mark.parametrize("name, value", [("budget", 16), ("defer-us", 200), ("usecs", 500)])
def test_numbers_are_set(page, mock, name, value):
    page.wait(f"return document.querySelector('#{name}').value !== ''")
    page.fill(f"#{name}", str(value))
    page.keys(ENTER)
    wait_text(page, "#result", f"{name} is {value} now")
    assert mock.settings[name] == value
    page.wait(f"return document.querySelector('#{name}').value === '{value}'")


def test_what_the_machine_refuses_is_told(page, mock):
    page.run("document.querySelector('[data-name=budget]').noValidate = true")
    page.fill("#budget", "257")
    page.keys(ENTER)
    wait_text(page, "#result", "257: not a number from 1 to 256")
    assert mock.settings["budget"] == 64


def test_what_is_out_of_range_is_not_sent(page, mock):
    page.fill("#budget", "0")
    page.keys(ENTER)
    assert not any(method == "POST" for method, _ in mock.asked)


def test_copies_and_reset(page, mock):
    page.click('[data-name="copies"] [data-value="2"]')
    wait_text(page, "#result", "copies is 2 now")
    assert mock.settings["copies"] == 2
    page.click('[data-name="reset"]')
    wait_text(page, "#result", "from zero")


def test_a_mode_of_somebody_else_is_seen(page, mock):
    mock.control("mode", "napi")
    page.wait("return document.querySelector('[data-value=napi]').ariaPressed === 'true'")
    wait_text(page, '[data-plot="band"] .key', "napi")


# ------------------------------------------------------------ histograms, traces


def test_histograms(page):
    page.run("document.querySelector('#hists').scrollIntoView()")
    wait_text(page, ".hist:nth-child(5) h3", "Ring residency")
    names = page.run("return [...document.querySelectorAll('.hist h3')].map((h) => h.textContent)")
    assert names == ["Packets per interrupt", "Packets per poll", "Interrupt to poll",
                     "Poll duration", "Ring residency", "Kick"]
    label = page.run("return document.querySelector('.hist:nth-child(5) canvas').ariaLabel")
    assert re.fullmatch(r"ring residency: p50 .* p90 .* p99 .* max .* count [\d,]+", label), label
    assert "p50 –" in page.text(".hist:nth-child(6) dl").replace("\n", " ")  # an empty one
    page.assert_no_errors()


def test_trace(page):
    page.click('[data-name="trace"]')
    wait_text(page, "#trace-state", "8 packets")
    assert page.run("return document.querySelectorAll('#packets button').length") == 8
    assert page.run("return document.querySelectorAll('#stages tbody tr').length") == 10
    page.run("document.querySelectorAll('#stages th button')[5].focus()")
    wait_text(page, "#stage-note", "conn_recv() in apps/httpd/conn.c")
    page.click("#packets li:nth-child(2) button")
    wait_text(page, "#stages caption", "Packet 2: TCP 10.0.2.2:35747")
    wait_text(page, "#stage-note", "No answer to it")
    page.assert_no_errors()


# ------------------------------------------------------------ for everybody


def test_everything_is_reached_by_tab_and_seen_to_be(page):
    page.click('[data-name="trace"]')
    wait_text(page, "#trace-state", "8 packets")
    page.run("document.querySelector('.skip').focus()")
    page.keys(SHIFT_TAB)
    wanted = page.run(f"return document.querySelectorAll({json.dumps(FOCUSABLE)}).length")
    reached = 0
    for _ in range(wanted + 5):
        page.keys(TAB)
        state = page.run("""
            const at = document.activeElement, style = getComputedStyle(at);
            if (at === document.body || at.dataset.seen) return "end";
            at.dataset.seen = "yes";
            const name = at.ariaLabel || at.textContent.trim() || at.labels?.[0]?.textContent;
            return [at.matches(arguments[0]), style.outlineStyle, !!name];""", FOCUSABLE)
        if state == "end":
            break
        assert state == [True, "solid", True] or state == [True, "auto", True], state
        reached += 1
    assert reached == wanted


def test_the_cursor_by_keys(page, mock):
    mock.rates["requests"] = 30
    wait_text(page, "#n-requests", "30")
    time.sleep(5 * mock.period)
    canvas = "document.querySelector('[data-plot=requests] canvas')"
    page.run(f"{canvas}.focus()")
    page.keys(LEFT)
    page.keys(LEFT)
    assert page.run(f"return {canvas}.getAttribute('aria-valuenow')") == "-2"
    told = page.run(f"return {canvas}.getAttribute('aria-valuetext')")
    assert told.startswith("2 s ago: all/s 30, 4xx/s 0"), told
    page.keys(HOME)
    assert page.run(f"return {canvas}.getAttribute('aria-valuenow')") == "-60"
    page.keys(END)
    assert page.run(f"return {canvas}.getAttribute('aria-valuetext')").startswith("now: ")


def test_plots_move_and_have_two_schemes(page, mock):
    before = picture(page, "requests")
    mock.rates["requests"] = 200
    wait_text(page, "#n-requests", "200")
    changed(page, "requests", before)
    page.click("#pause")
    light, drawn = page.screenshot(), picture(page, "requests")
    page.media(prefers_color_scheme="dark")
    changed(page, "requests", drawn)
    assert page.screenshot() != light
    assert page.run("return getComputedStyle(document.body).backgroundColor") == "rgb(17, 20, 24)"


@pytest.mark.parametrize("width", [320, 360, 768, 1280, 1920])
def test_no_scrolling_sideways(page, width):
    page.size(width, 800, phone=width < 500)
    page.click('[data-name="trace"]')
    wait_text(page, "#trace-state", "8 packets")
    page.run("for (const details of document.querySelectorAll('details')) details.open = true")
    time.sleep(0.5)
    assert page.run("return [innerWidth, document.documentElement.scrollWidth]") == [width, width]
    page.run("scrollTo(9, 0)")
    assert page.run("return scrollX") == 0


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_moves_by_itself(browser, mock, width):
    mock.rates = {"requests": 120, "rx_packets": 30_000}
    mock.latency = {"p50": 21_000, "p90": 64_000, "p99": 1_234_567}
    browser.size(width, 3000)
    show(browser, mock.url)
    watch_moves(browser)
    time.sleep(10 * mock.period)
    assert moved(browser) < 0.01
