"""Below /_/: who may come in and who may change, and what is there for scripts and for Prometheus.
The page is in test_dashboard_guest.py, captures in test_capture.py.
"""

import http.client
import json
import re
import subprocess

import pytest

import qemu
from test_schema import errors, parse
from tools import promtool

pytestmark = pytest.mark.xdist_group("admin")

TOKEN = "correct-horse-battery"
PAGES = ["", "index.html", "app.js", "stats.json", "trace.json", "metrics", "events", "capture.pcapng"]
CONTROL = "/_/control?budget=64"


@pytest.fixture(scope="module")
def guest():
    with qemu.Guest(cfg=f"admin_token = {TOKEN}\n") as guest:
        guest.wait_prompt()
        guest.wait_http()
        yield guest


def lower(headers):
    return {name.lower(): value for name, value in headers.items()}


def post(guest, path=CONTROL, **headers):
    """The status of a change; the names of fields have _ for -."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return guest.get(path, method="POST", headers=fields)


# ------------------------------------------------------------ who may come in


@pytest.mark.parametrize("admin", ["none", "192.0.2.1", "10.0.2.3, 10.0.2.0/31, 10.0.2.16/28", "::/0",
                                   "10.0.2.2/33, 10.0.2.2/x, 10.0.2.2.2, elsewhere"])
def test_to_others_it_is_not_there(boot, admin):
    """Every page is the site's 404, byte for byte, whatever the method, the token or the host."""
    guest = boot(cfg=f"admin = {admin}\nadmin_token = {TOKEN}\n")
    guest.wait_prompt()
    guest.wait_http()

    def answer(path, **options):
        status, headers, body = guest.get(path, **options)
        return status, {**headers, "Date": ""}, body

    nowhere = answer("/nosuch")
    assert nowhere[0] == 404
    for page in PAGES:
        assert answer("/_/" + page) == nowhere, page
        assert answer("/_/" + page, headers={"Host": "evil.example"}) == nowhere
    told = {"Authorization": f"Bearer {TOKEN}"}
    assert post(guest, **told)[0] == answer("/nosuch", method="POST")[0]
    assert guest.console_json("mode")["budget"] == 64
    for wrong in ("10.0.2.2/33", "10.0.2.2/x", "10.0.2.2.2", "elsewhere"):
        assert (f'admin=: "{wrong}" is no address' in guest.text()) == (wrong in admin)


@pytest.mark.parametrize("admin", ["10.0.2.2", "10.0.2.0/24", "0.0.0.0/0", "192.0.2.1,10.0.2.2/31"])
def test_to_those_named_it_is(boot, admin):
    guest = boot(cfg=f"admin = {admin}\n")
    guest.wait_prompt()
    guest.wait_http()
    assert guest.get("/_/stats.json")[0] == 200


# ------------------------------------------------------------ who may change


def test_a_change_needs_the_token(guest):
    assert guest.console_json("mode")["budget"] == 64
    for wrong in (None, "", "Bearer", "Bearer ", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"Basic {TOKEN}",
                  f"Bearer  {TOKEN}", f"Bearer {TOKEN.upper()}", TOKEN):
        status, headers, _ = post(guest, "/_/control?budget=32",
                                  **({} if wrong is None else {"Authorization": wrong}))
        assert status == 401 and lower(headers)["www-authenticate"].startswith("Bearer"), wrong
    assert guest.console_json("mode")["budget"] == 64
    for right in (f"Bearer {TOKEN}", f"bearer {TOKEN}"):
        status, _, body = post(guest, Authorization=right)
        assert (status, json.loads(body)) == (200, {"budget": 64})


def test_a_get_changes_nothing(guest):
    status, headers, _ = guest.get("/_/control?budget=32", headers={"Authorization": f"Bearer {TOKEN}"})
    assert status == 405 and lower(headers)["allow"] == "POST"
    assert guest.console_json("mode")["budget"] == 64


@pytest.mark.parametrize("query", ["", "?", "?budget", "?budget=", "?budget=x", "?budget=0", "?mode=fast",
                                   "?nosuch=1", "?budget=" + "9" * 40, "?reset=2", "?poweroff=1",
                                   "?trace=0"])
def test_bad_changes_are_refused_with_a_sentence(guest, query):
    status, _, body = post(guest, "/_/control" + query, Authorization=f"Bearer {TOKEN}")
    assert status == 400 and len(json.loads(body)["error"]) > 15
    assert guest.console_json("mode")["budget"] == 64


@pytest.mark.parametrize("query, command, schema", [
    ("mode=napi", "mode adaptive", "mode"), ("defer-us=60", "defer-us 50", "defer-us"),
    ("usecs=1000", "usecs 2000", "usecs"), ("copies=1", "copies 0", "copies"),
    ("reset=1", "uptime", "reset"), ("trace=3", "trace off", "trace")])
def test_changes(guest, query, command, schema):
    status, headers, body = post(guest, f"/_/control?{query}", Authorization=f"Bearer {TOKEN}")
    assert status == 200 and headers["Content-Type"] == "application/json"
    assert not errors(schema, parse(body))
    guest.console(command)


def test_tokens_of_the_configuration_and_of_the_boot(boot):
    """Too short a one is refused; one that is drawn is another each time."""
    drawn = []
    for cfg in ("admin_token = short\n", "", f"admin_token = {'x' * 65}\n"):
        guest = boot(cfg=cfg)
        guest.wait_prompt()
        drawn.append(re.search(r"/_/#token=(\S+)", guest.text()).group(1))
        assert ("admin_token= must have 16 to 64" in guest.text()) == (cfg != "")
        guest.close()
    assert len(set(drawn)) == 3 and all(re.fullmatch("[0-9a-f]{32}", token) for token in drawn)


# ------------------------------------------------------------ other sites


@pytest.mark.parametrize("fields, status", [
    ({}, 200),
    ({"Sec-Fetch-Site": "same-origin"}, 200),
    ({"Sec-Fetch-Site": "none"}, 200),
    ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Sec-Fetch-Site": "same-site"}, 403),
    ({"Host": "tophalf", "Origin": "http://tophalf"}, 200),
    ({"Host": "tophalf:8080", "Origin": "http://tophalf:8080"}, 200),
    ({"Host": "tophalf", "Origin": "https://tophalf"}, 200),
    ({"Host": "tophalf", "Origin": "http://evil.example"}, 403),
    ({"Host": "tophalf", "Origin": "http://tophalf.evil.example"}, 403),
    ({"Host": "tophalf", "Origin": "http://tophalf:81"}, 403),
    ({"Host": "tophalf", "Origin": "null"}, 403),
    ({"Host": "localhost:1"}, 200),
    ({"Host": "192.0.2.77"}, 200),
    ({"Host": "[2001:db8::1]:8080"}, 200),
    ({"Host": "evil.example"}, 403),
    ({"Host": "tophalf.evil.example"}, 403),
    ({"Host": "10.0.2.15.evil.example"}, 403),
])
def test_other_sites_pages_are_refused(guest, fields, status):
    for page in ("", "stats.json", "metrics"):
        assert guest.get("/_/" + page, headers=fields)[0] == status
    assert post(guest, Authorization=f"Bearer {TOKEN}", **fields)[0] == status


# ------------------------------------------------------------ what is there


def test_the_pages(guest):
    for page, kind in (("stats.json", "application/json"), ("trace.json", "application/json"),
                       ("metrics", "text/plain; version=0.0.4; charset=utf-8"), ("", "text/html; charset=utf-8")):
        status, headers, body = guest.get("/_/" + page)
        assert status == 200 and headers["Content-Type"] == kind and body
        headers = lower(headers)
        assert headers["x-content-type-options"] == "nosniff"
        assert page == "" or headers["cache-control"] == "no-store"
        status, again, nothing = guest.get("/_/" + page, method="HEAD")
        assert status == 200 and again["Content-Type"] == kind and nothing == b""
        for method in ("POST", "PUT", "DELETE"):
            status, headers, _ = guest.get("/_/" + page, method=method)
            assert status == 405 and lower(headers)["allow"] == "GET, HEAD"
    assert guest.get("/_/nosuch")[0] == 404
    assert guest.get("/_")[0] == 404


def test_our_own_pages_load_nothing_from_elsewhere(guest):
    for page in ("", "app.js", "style.css"):
        policy = lower(guest.get("/_/" + page)[1])["content-security-policy"]
        assert "default-src 'self'" in policy and "unsafe" not in policy


def test_stats_and_trace_by_their_schemas(guest):
    document = parse(guest.get("/_/stats.json")[2])
    assert not errors("page-stats", document)
    assert document["http"]["requests"] > 0
    assert post(guest, "/_/control?trace=2", Authorization=f"Bearer {TOKEN}")[0] == 200
    guest.get()
    document = parse(guest.get("/_/trace.json")[2])
    assert not errors("trace", document)
    guest.console("trace off")


def test_events_by_their_schema(guest):
    connection = http.client.HTTPConnection("127.0.0.1", guest.port, timeout=30)
    connection.request("GET", "/_/events")
    answer = connection.getresponse()
    assert answer.status == 200 and answer.headers["Content-Type"] == "text/event-stream"
    seen = []
    while len(seen) < 3:
        line = answer.readline()
        assert line
        if line.startswith(b"data: "):
            seen.append(parse(line[6:]))
            guest.get()
    connection.close()
    for event in seen:
        assert not errors("page-event", event)
    assert seen[0]["requests"] < seen[1]["requests"] < seen[2]["requests"]
    assert 700 < seen[2]["t_ms"] - seen[1]["t_ms"] < 5000


# ------------------------------------------------------------ metrics


def metrics(guest):
    """{name{labels}: value}."""
    rows = [line.rsplit(" ", 1) for line in guest.get("/_/metrics")[2].decode().splitlines()
            if not line.startswith("#")]
    assert len(dict(rows)) == len(rows), "the same series twice"
    return {name: float(value) for name, value in rows}


def test_promtool_has_nothing_to_say(guest):
    done = subprocess.run([promtool(), "check", "metrics"], input=guest.get("/_/metrics")[2],
                          capture_output=True)
    assert done.returncode == 0 and done.stdout + done.stderr == b"", done


def test_metrics_count(guest):
    before = metrics(guest)
    for _ in range(10):
        guest.get()
    guest.get("/nosuch")
    after = metrics(guest)
    counters = re.findall(r"^# TYPE (\S+) counter$", guest.get("/_/metrics")[2].decode(), re.M)
    for name, value in after.items():
        if name.split("{")[0] in counters:
            assert value >= before[name], name

    def grew(name):
        return after[name] - before[name]

    assert grew("tophalf_http_requests_total") == 12  # the second scrape's own is one of them
    assert grew('tophalf_http_responses_total{class="4xx"}') == 1
    assert grew("tophalf_http_connections_accepted_total") == 12
    assert grew("tophalf_network_receive_packets_total") > 12
    cpu = sum(grew(name) for name in after if name.startswith("tophalf_cpu_seconds_total"))
    assert abs(cpu - grew("tophalf_uptime_seconds")) < 0.1


def test_histograms_of_metrics(guest):
    """Buckets add up to the next, and the last is the count."""
    now = metrics(guest)
    names = {name.split("_bucket{")[0] for name in now if "_bucket{" in name}
    assert len(names) >= 5
    for name in names:
        buckets = [(float(le), value) for series, value in now.items()
                   for le in re.findall(rf'^{name}_bucket{{le="(.*)"}}$', series)]
        assert buckets == sorted(buckets) and [v for _, v in buckets] == sorted(v for _, v in buckets)
        assert buckets[-1] == (float("inf"), now[f"{name}_count"])
        assert name.endswith("_seconds") or re.search(r"_(packets|frames|bytes)$", name), "a unit"


def test_the_scrape_example_is_one(tmp_path):
    done = subprocess.run([promtool(), "check", "config", qemu.TOP / "docs/grafana/prometheus.yml"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
