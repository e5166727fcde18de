"""Headless Chromium, driven through chromedriver by the WebDriver protocol (W3C WebDriver 2).

    with Browser() as browser:
        browser.open("http://127.0.0.1:8080/")
        browser.click("#go")
        browser.wait("return document.title === 'gone'")

Scripts are bodies of functions: what they are to answer they return. Nothing is left behind: the
profile is in a folder of its own.
"""

import base64
import http.client
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import qemu

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # WebDriver 2, 11.2: the web element identifier
TAB, SHIFT_TAB, LEFT, HOME, END, ENTER = "\ue004", "\ue008\ue004", "\ue012", "\ue011", "\ue010", "\ue007"


class BrowserError(AssertionError):
    """The browser did not do what it was asked to."""


class Browser:
    def __init__(self, width=1280, height=900):
        self.folder = Path(tempfile.mkdtemp(prefix="tophalf-browser-"))
        self.port = qemu.free_port()
        self.session = None
        self._log = open(self.folder / "driver.log", "wb")
        self.process = subprocess.Popen(
            ["chromedriver", f"--port={self.port}"], stdin=subprocess.DEVNULL,
            stdout=self._log, stderr=self._log, preexec_fn=qemu.die_with_parent)
        try:
            self._begin()
            self.size(width, height)
        except BaseException:
            self.close()
            raise

    def _begin(self):
        args = ["--headless=new", f"--user-data-dir={self.folder}/profile", "--no-first-run",
                "--disable-background-networking", "--disable-dev-shm-usage", "--disable-gpu",
                "--hide-scrollbars", "--no-proxy-server"]
        if os.getuid() == 0:
            args.append("--no-sandbox")  # Chromium refuses to have one as root
        wanted = {"goog:chromeOptions": {"args": args}, "goog:loggingPrefs": {"browser": "ALL"}}
        deadline = time.monotonic() + 60
        while True:
            try:
                answer = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}}, 120)
                break
            except ConnectionRefusedError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.1)
        self.session = answer["sessionId"]

    def _ask(self, method, path, body=None, seconds=60):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            connection.request(method, path, None if body is None else json.dumps(body),
                               {"Content-Type": "application/json"})
            value = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        if isinstance(value, dict) and "error" in value:
            raise BrowserError(f"{path}: {value['error']}: {value['message']}")
        return value

    def _do(self, method, path, body=None):
        return self._ask(method, f"/session/{self.session}{path}", body)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            if self.session:
                self._do("DELETE", "")
        finally:
            self.process.terminate()
            self.process.wait(10)
            self._log.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    # ------------------------------------------------------------ the window

    def devtools(self, command, **parameters):
        return self._do("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def size(self, width, height=900, phone=False):
        """Of the page, in CSS pixels; windows can not be as narrow as phones."""
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height,
                      deviceScaleFactor=1, mobile=phone)

    def media(self, **features):
        """media(prefers_color_scheme="dark")"""
        self.devtools("Emulation.setEmulatedMedia", features=[
            {"name": name.replace("_", "-"), "value": value} for name, value in features.items()])

    def screenshot(self, path=None):
        png = base64.b64decode(self._do("GET", "/screenshot"))
        if path:
            Path(path).write_bytes(png)
        return png

    def whole_page(self, path):
        """A screenshot of all that can be scrolled to."""
        size = self.devtools("Page.getLayoutMetrics")["cssContentSize"]
        answer = self.devtools("Page.captureScreenshot", captureBeyondViewport=True, clip={
            "x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1})
        Path(path).write_bytes(base64.b64decode(answer["data"]))

    # ------------------------------------------------------------ the page

    def open(self, url):
        self._do("POST", "/url", {"url": url})

    def run(self, script, *args):
        return self._do("POST", "/execute/sync", {"script": script, "args": list(args)})

    def run_async(self, script):
        """The script is the body of an async function."""
        return self._do("POST", "/execute/async", {"args": [], "script":
                        f"(async () => {{ {script} }})().then(arguments[0], e => arguments[0](`${{e}}`))"})

    def wait(self, script, seconds=20):
        """Until the script returns what counts as true; that."""
        deadline = time.monotonic() + seconds
        while True:
            value = self.run(script)
            if value:
                return value
            if time.monotonic() > deadline:
                raise BrowserError(f"not in {seconds} s: {script}\n-- the page says:\n"
                                   f"{self.run('return document.body.innerText')}")
            time.sleep(0.1)

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0]).innerText", selector)

    def _find(self, selector):
        return self._do("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        self._do("POST", f"/element/{self._find(selector)}/click", {})

    def fill(self, selector, text):
        """Again when the page puts a value of its own there between the emptying and the typing."""
        element = self._find(selector)
        for _ in range(10):
            self._do("POST", f"/element/{element}/clear", {})
            self._do("POST", f"/element/{element}/value", {"text": text})
            if self._do("GET", f"/element/{element}/property/value") == text:
                return
        raise BrowserError(f"{selector} does not keep {text!r}")

    def keys(self, keys):
        """To what has the focus; a modifier that comes first is held."""
        down = [{"type": "keyDown", "value": key} for key in keys]
        up = [{"type": "keyUp", "value": key} for key in reversed(keys)]
        self._do("POST", "/actions", {"actions": [
            {"type": "key", "id": "keyboard", "actions": down + up}]})

    def log(self):
        """What the console of the page has said since it was last asked: [(level, text)]"""
        return [(entry["level"], entry["message"])
                for entry in self._do("POST", "/se/log", {"type": "browser"})]

    def assert_no_errors(self):
        bad = [entry for entry in self.log() if entry[0] not in ("DEBUG", "INFO")]
        assert not bad, bad
