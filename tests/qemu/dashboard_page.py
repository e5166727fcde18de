"""What the tests of the dashboard ask of its page, whoever serves it."""

import json


def show(browser, url):
    browser.open("about:blank")  # a fragment alone would not load anything
    browser.open(url)
    wait_state(browser, "live")
    browser.wait("return document.querySelector('#n-requests').textContent !== '–'")


def wait_state(browser, state):
    browser.wait(f"return document.querySelector('#link').dataset.state === '{state}'", 30)


def wait_text(browser, selector, text):
    browser.wait(f"return document.querySelector({json.dumps(selector)}).textContent"
                 f".includes({json.dumps(text)})")


def picture(browser, plot):
    """What is drawn on the canvas of a plot (data-plot), to be compared."""
    return browser.run(f"return document.querySelector('[data-plot={plot}] canvas').toDataURL()")


def changed(browser, plot, before):
    """Until the plot is another than it was."""
    browser.wait(f"return document.querySelector('[data-plot={plot}] canvas').toDataURL() !== "
                 f"{json.dumps(before)}")


def watch_moves(browser):
    """From the page's beginning on."""
    browser.run("""
        window.moved = 0;
        new PerformanceObserver((list) => {
            for (const entry of list.getEntries())
                if (!entry.hadRecentInput) window.moved += entry.value;
        }).observe({ type: "layout-shift", buffered: true });""")


def moved(browser):
    """The sum of layout shifts that nobody caused (web-platform tests call 0.1 good)."""
    return browser.run("return window.moved")
