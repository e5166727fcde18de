"""A stand-in for the guest's /_/ pages, where a test of the dashboard wants what no guest does on
demand: a link that breaks or falls silent, a boot, exact rates.

    with Mock() as mock:
        browser.open(mock.url)
        mock.rates["requests"] = 120

Counters grow by mock.rates, per second of the events' own time; events come every mock.period
seconds. It also runs by itself, for whoever works on the page: python3 tests/qemu/dashboard_mock.py
"""

import http.server
import json
import math
import threading
import time
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

PAGES = Path(__file__).resolve().parents[2] / "apps/httpd/dashboard"
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css",
         ".svg": "image/svg+xml"}
TOKEN = "0123456789abcdef0123456789abcdef"
LIMITS = {"budget": (1, 256), "defer-us": (1, 10000), "usecs": (100, 50000), "copies": (0, 2)}
COUNTERS = ("requests responses_4xx responses_5xx bytes rx_packets rx_bytes rx_drops tx_packets "
            "tx_bytes interrupts polls mode_switches").split()
CPU = {"irq": 0.01, "softirq": 0.06, "app": 0.02, "main": 0.01}
STAGES = [("interrupt", "irq_rx", "drivers/virtio_net_setup.c", 0),
          ("softirq", "napi_poll", "net/napi.c", 2900),
          ("rx_ring", "nic_rx_burst", "drivers/virtio_net.c", 11200),
          ("ip", "tcp_predict", "net/tcp_predict.c", 2600),
          ("transport", "tcp_predict", "net/tcp_predict.c", 2500),
          ("app", "conn_recv", "apps/httpd/conn.c", 10900),
          ("response", "conn_write_head", "apps/httpd/conn_out.c", 9000),
          ("tx_ring", "nic_tx", "drivers/virtio_net.c", 5600),
          ("kick", "nic_flush", "drivers/virtio_net.c", 8100),
          ("done", "nic_tx_reap", "drivers/virtio_net.c", 2156301)]


def histogram(name, title, unit, counts):
    """Counts by powers of two: row n is 2^(n-1) to 2^n - 1."""
    total = sum(counts.values())

    def at(share):
        seen = 0
        for row in sorted(counts):
            seen += counts[row]
            if seen >= share * total:
                return 2 ** row - 1
        return 0

    return {"name": name, "title": title, "unit": unit, "count": total, "sum": total, "mean": 1,
            "p50": at(.5), "p90": at(.9), "p99": at(.99), "max": at(1),
            "buckets": [{"low": 2 ** row // 2, "high": 2 ** row - 1, "count": counts[row]}
                        for row in sorted(counts)]}


def bell(middle, width, total):
    rows = {row: int(total * math.exp(-((row - middle) / width) ** 2))
            for row in range(max(0, middle - 5), middle + 6)}
    return {row: count for row, count in rows.items() if count}


class Mock:
    def __init__(self, port=0, period=0.2):
        self.period = period
        self.rates = {}
        self.settings = {"mode": "adaptive", "budget": 64, "defer-us": 50, "usecs": 2000,
                         "copies": 0}
        self.state = "interrupt"
        self.cpu = dict(CPU)
        self.latency = None
        self.connections = 1
        self.silent = False  # listeners hear nothing
        self.down = False  # every connection is closed
        self.ended = False
        self.second = threading.Condition()
        self.traced = []
        self.asked = []  # (method, target) of all requests
        self.boot()
        handler = type("Handler", (Handler,), {"mock": self})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/_/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        threading.Thread(target=self._run, daemon=True).start()

    def boot(self, t_ms=60_000):
        self.t_ms = t_ms
        self.counters = dict.fromkeys(COUNTERS, 0)
        self.spent = dict.fromkeys([*CPU, "idle"], 0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.down = self.ended = True
        self.server.shutdown()
        self.server.server_close()

    def _run(self):
        while not self.ended:
            time.sleep(self.period)
            with self.second:
                self._step()
                self.second.notify_all()

    def _step(self):
        """A second of the machine's time goes by."""
        self.t_ms += 1000
        for name, rate in self.rates.items():
            self.counters[name] += round(rate)
        for name, share in self.cpu.items():
            self.spent[name] += int(1e9 * share)
        self.spent["idle"] += int(1e9 * (1 - sum(self.cpu.values())))

    def event(self):
        s = self.settings
        state = self.state if s["mode"] == "adaptive" else \
            "poll" if s["mode"] == "poll" else "interrupt"
        return {"t_ms": self.t_ms, "mode": s["mode"], "state": state, "budget": s["budget"],
                "defer_us": s["defer-us"], "usecs": s["usecs"], "connections": self.connections,
                **self.counters, "cpu": self.spent, "latency_ns": self.latency}

    def stats(self):
        return {"version": {"name": "tophalf", "version": "fc12bbf", "app": "httpd"},
                "copies": {"copies": self.settings["copies"]},
                "hist": {"histograms": [
                    histogram("irq_packets", "packets per interrupt", "packets", bell(2, 1.2, 4000)),
                    histogram("poll_packets", "packets per poll", "packets", bell(3, 1.5, 5000)),
                    histogram("irq_to_poll", "interrupt to poll", "ns", bell(12, 1.2, 9000)),
                    histogram("poll_time", "poll duration", "ns", bell(16, 1.6, 9000)),
                    histogram("ring_time", "ring residency", "ns", bell(15, 2, 9000)),
                    histogram("kick_time", "kick", "ns", {})]}}

    def trace(self, count):
        self.traced = []
        for i in range(count):
            stages, ns = [], 0
            for stage, function, file, took in STAGES:
                if i % 3 == 1 and stage in ("app", "response", "tx_ring", "kick", "done"):
                    continue
                ns += took * (100 + 17 * (i % 4)) // 100
                stages.append({"stage": stage, "function": function, "file": file, "ns": ns})
            self.traced.append({
                "summary": f"TCP 10.0.2.2:{35746 + i} > 10.0.2.15:80 [{'.' if i % 3 == 1 else 'P.'}]",
                "bytes": 54 if i % 3 == 1 else 183, "complete": True, "lost": False,
                "kick_needed": i % 4 != 2, "stages": stages})
        return {"started": count}

    def control(self, name, value):
        """(status, answer)"""
        if name == "reset":
            self.counters = dict.fromkeys(COUNTERS, 0)
            return 200, {"reset": ["cpu", "napi"]}
        if name == "trace":
            return 200, self.trace(int(value))
        if name == "mode" and value in ("interrupt", "napi", "poll", "adaptive"):
            self.settings["mode"] = value
            self.counters["mode_switches"] += 1
            return 200, {"mode": value}
        low, high = LIMITS.get(name, (1, 0))
        if value.isdigit() and low <= int(value) <= high:
            self.settings[name] = int(value)
            return 200, {name: int(value)}
        return 400, {"command": name, "error": f"{value}: not a number from {low} to {high}"}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    mock = None

    def log_message(self, *_):
        pass

    def answer(self, body, kind="application/json", status=200):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", kind)
        self.send_header("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def refused(self):
        self.mock.asked.append((self.command, self.path))
        self.close_connection = self.close_connection or self.mock.down
        return self.mock.down

    def do_GET(self):
        if self.refused():
            return
        name = urlsplit(self.path).path.removeprefix("/_/")
        file = PAGES / (name or "index.html")
        if name == "events":
            self.events()
        elif name == "stats.json":
            self.answer(self.mock.stats())
        elif name == "trace.json":
            self.answer({"packets": self.mock.traced})
        elif self.path.startswith("/_/") and file.is_file():
            self.answer(file.read_bytes(), TYPES[file.suffix])
        else:
            self.answer(b"404 Not Found\n", "text/plain", 404)

    def do_POST(self):
        if self.refused():
            return
        url = urlsplit(self.path)
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self.answer({"error": "no token, or a wrong one"}, status=401)
        else:
            status, body = self.mock.control(*parse_qsl(url.query)[0])
            self.answer(body, status=status)

    def events(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            while not self.mock.down:
                if not self.mock.silent:
                    self.wfile.write(f"data: {json.dumps(self.mock.event())}\n\n".encode())
                with self.mock.second:
                    self.mock.second.wait()
        except OSError:
            pass
        self.close_connection = True


def play(mock):
    """Load that rises and falls, and a machine that takes it as its mode does."""
    second = time.monotonic() % 150
    load = 3000 * (1 + math.sin(second / 24)) ** 2 * (1 + 0.06 * math.sin(second * 3.1)) + 40
    mode = mock.settings["mode"]
    mock.state = "poll" if load > 8000 else "defer" if load > 3500 else "interrupt"
    state = mock.state if mode == "adaptive" else "poll" if mode == "poll" else "interrupt"
    irqs = {"interrupt": load * (1 if mode == "interrupt" else 0.6), "defer": load / 90, "poll": 0}
    polls = {"interrupt": load * 0.7, "defer": load / 8, "poll": 60_000 - 2 * load}
    wait = {"interrupt": 21_000, "defer": 64_000, "poll": 5_200}[state]
    mock.rates.update(requests=load / 2, responses_4xx=load / 90, bytes=load * 4100, rx_packets=load,
                      tx_packets=load * .8, rx_bytes=load * 110, tx_bytes=load * 2300,
                      interrupts=irqs[state], polls=polls[state],
                      rx_drops=max(0, load - 6000) / 9 if mode == "interrupt" else 0)
    app, irq = load / 60_000, irqs[state] / 90_000
    mock.cpu.update(irq=irq, app=app, main=.02, softirq=.97 - app if state == "poll" else load / 24_000)
    mock.connections = 3 + int(load / 100)
    mock.latency = {"p50": wait, "p90": int(wait * 2.6), "p99": int(wait * 9)} if load > 50 else None


if __name__ == "__main__":
    with Mock(8090, 1) as player:
        print(f"{player.url}#token={TOKEN}", flush=True)
        while True:
            play(player)
            time.sleep(0.5)
