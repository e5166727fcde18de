"""/_/xdp and /_/maps: programs and their maps by HTTP, and what a packet sees of it."""

import json
import socket
import subprocess
import threading
import time

import pytest

import qemu
from frames import echo_request, is_echo_reply, ping
from test_schema import errors

pytestmark = pytest.mark.xdist_group("xdp")

TOKEN = "correct-horse-battery"
AUTH = {"Authorization": f"Bearer {TOKEN}"}
GUEST_IP, STRANGER = "10.0.2.15", "10.0.2.77"


@pytest.fixture(scope="module")
def objects():
    subprocess.run(["make", "--no-print-directory", f"BUILD={qemu.BUILD}", "xdp"], cwd=qemu.TOP, check=True,
                   capture_output=True)
    return {path.name: path.read_bytes() for path in (qemu.BUILD / "xdp").glob("*.o")}


@pytest.fixture(scope="module")
def guest():
    """The web by user networking, and a stranger on the same wire."""
    with qemu.Guest(cfg=f"admin_token = {TOKEN}\n", net="both") as guest:
        guest.wait_prompt()
        guest.wait_http()
        guest.wire.ip = STRANGER
        yield guest


def ask(guest, path, method="GET", body=None, headers=AUTH, seconds=60):
    status, fields, answer = guest.get("/_/" + path, seconds, method, dict(headers), body)
    if not fields.get("Content-Type", "").startswith("application/json"):
        return status, answer.decode(errors="replace")
    return status, json.loads(answer)


@pytest.fixture
def firewall(guest, objects):
    status, said = ask(guest, "xdp?name=firewall.o", "POST", objects["firewall.o"])
    assert status == 200, said
    yield guest
    assert ask(guest, "xdp", "DELETE")[0] == 200


def reaches(guest, ident):
    guest.wire.drain()
    guest.wire.send(echo_request(ident, dst=GUEST_IP, src=STRANGER))
    try:
        guest.wire.expect(is_echo_reply(ident), 2)
        return True
    except qemu.GuestError:
        return False


def test_load_show_unload(guest, objects):
    status, said = ask(guest, "xdp?name=firewall.o", "POST", objects["firewall.o"])
    assert status == 200 and errors("xdp", said) == []
    assert said["programs"][0]["name"] == "firewall"
    now = guest.console_json("xdp list")["programs"]
    assert [p["id"] for p in ask(guest, "xdp")[1]["programs"]] == [p["id"] for p in now]
    status, maps = ask(guest, "maps")
    assert status == 200 and errors("map", maps) == [] and "rules4" in {m["name"] for m in maps["maps"]}
    status, said = ask(guest, "xdp?name=kv.o&prog=kv", "POST", objects["kv.o"])  # in its place
    assert status == 200 and [p["name"] for p in said["programs"]] == ["kv"]
    assert ask(guest, "xdp", "DELETE")[0] == 200
    assert ask(guest, "xdp")[1]["programs"] == []


def test_what_is_refused_changes_nothing(firewall, objects):
    before = ask(firewall, "xdp")
    cases = {
        b"junk": "ELF", objects["firewall.o"][:5000]: "firewall.o", b"": "",
    }
    for body, says in cases.items():
        status, said = ask(firewall, "xdp?name=firewall.o", "POST", body)
        assert status == 422 and says in said["error"] and "\n" not in said["error"], said
    status, said = ask(firewall, "xdp?name=kv.o&prog=nosuch", "POST", objects["kv.o"])
    assert status == 422 and "nosuch" in said["error"]
    assert ask(firewall, "xdp", "POST", objects["kv.o"])[0] == 400  # without a name
    assert ask(firewall, "xdp?name=big.o", "POST", bytes((1 << 20) + 1))[0] == 413
    after = ask(firewall, "xdp")
    assert [p["id"] for p in after[1]["programs"]] == [p["id"] for p in before[1]["programs"]]


def test_a_rejection_shows_the_way_to_it(guest, tmp_path):
    source = tmp_path / "bad.bpf.c"
    source.write_text('''#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
SEC("xdp") int bad(struct xdp_md *ctx)
{
    return *(unsigned char *)(long)ctx->data;
}
char _license[] SEC("license") = "GPL";
''')
    triple = subprocess.run(["gcc", "-print-multiarch"], check=True, capture_output=True, text=True).stdout.strip()
    subprocess.run(["clang", "-O2", "-g", "-target", "bpf", "-mcpu=v3", f"-I/usr/include/{triple}", "-c", source,
                    "-o", tmp_path / "bad.o"], check=True)
    status, said = ask(guest, "xdp?name=bad.o", "POST", (tmp_path / "bad.o").read_bytes())
    assert status == 422 and "invalid access to packet" in said["error"] + said["log"]
    assert "(71) r0 = *(u8 *)(r1 +0)" in said["log"]


def test_strange_maps(guest, tmp_path):
    """One that is called as a word of the console is; one that is too much for a page, which is refused
    and leaves the memory to others."""
    source = tmp_path / "maps.bpf.c"
    source.write_text('''#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 2);
    __type(key, __u32);
    __type(value, __u64);
} id SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 200000);
    __type(key, __u32);
    __type(value, __u64);
} big SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 500000);
    __uint(key_size, 4);
    __uint(value_size, 4);
} sparse SEC(".maps");
SEC("xdp") int maps(struct xdp_md *ctx)
{
    __u32 key = 0;
    __u64 *count = bpf_map_lookup_elem(&id, &key);
    bpf_tail_call(ctx, &sparse, 3);
    return count && bpf_map_lookup_elem(&big, &key) ? XDP_PASS : XDP_DROP;
}
char _license[] SEC("license") = "GPL";
''')
    triple = subprocess.run(["gcc", "-print-multiarch"], check=True, capture_output=True, text=True).stdout.strip()
    subprocess.run(["clang", "-O2", "-g", "-target", "bpf", "-mcpu=v3", f"-I/usr/include/{triple}", "-c", source,
                    "-o", tmp_path / "maps.o"], check=True)
    status, said = ask(guest, "xdp?name=maps.o", "POST", (tmp_path / "maps.o").read_bytes())
    assert status == 200, said
    number = said["programs"][0]["id"]
    assert [e["key_text"] for e in ask(guest, "maps/id")[1]["entries"]] == ["0", "1"]
    before = guest.console_json("free")["pools"][0]["used_bytes"]
    assert ask(guest, "maps/big", seconds=120)[0] == 503
    assert ask(guest, "maps/sparse")[1]["entries"] == []
    assert ask(guest, "maps/sparse", "POST", json.dumps({"key": 499999, "value": number}))[0] == 200
    assert [e["key_text"] for e in ask(guest, "maps/sparse")[1]["entries"]] == ["499999"]
    assert guest.console_json("free")["pools"][0]["used_bytes"] < before + (1 << 20)
    assert ask(guest, "xdp", "DELETE")[0] == 200
    assert ask(guest, "maps")[1]["maps"] == []  # the program that is in its own array goes too


def test_a_map_edit_is_seen_by_the_next_packet(firewall):
    assert reaches(firewall, 1)
    for round_ in range(5):
        status, said = ask(firewall, "maps/rules4", "POST", json.dumps({"key": f"{STRANGER}/32", "value": 1}))
        assert (status, said["written"]) == (200, 1), said
        assert not reaches(firewall, 100 + round_)
        assert ask(firewall, f"maps/rules4?key={STRANGER}/32", "DELETE")[0] == 200
        assert reaches(firewall, 200 + round_)


def test_entries_in_json(firewall):
    entries = [{"key": "192.0.2.0/24", "value": 1}, {"key": [32, 0, 0, 0, 192, 0, 2, 9], "value": [2, 0, 0, 0]},
               {"key": "198.51.100.0/24", "value": "u32 1", "flags": "noexist"}]
    assert ask(firewall, "maps/rules4", "POST", json.dumps(entries))[1]["written"] == 3
    status, said = ask(firewall, "maps/rules4")
    assert status == 200 and errors("map", said) == []
    assert {(e["key_text"], e["values"][0]["number"]) for e in said["entries"]} == {
        ("192.0.2.0/24", 1), ("192.0.2.9/32", 2), ("198.51.100.0/24", 1)}
    for key in ("192.0.2.0/24", "192.0.2.9/32", "198.51.100.0%2f24"):
        assert ask(firewall, f"maps/rules4?key={key}", "DELETE")[0] == 200
    assert ask(firewall, "maps/rules4")[1]["entries"] == []


@pytest.mark.parametrize("method, path, body, status, says", [
    ("POST", "maps/rules4", "", 400, "no JSON"), ("POST", "maps/rules4", "{", 400, "no JSON"),
    ("POST", "maps/rules4", '{"key":"10.0.0.0/33","value":1}', 400, "10.0.0.0/33"),
    ("POST", "maps/rules4", '{"key":"10.0.0.0/8","value":"u32 1 2"}', 400, "value"),
    ("POST", "maps/rules4", '{"key":"10.0.0.0/8"}', 400, "key and value"),
    ("POST", "maps/rules4", '[{"key":"10.9.0.0/16","value":1},{"key":"x","value":1}]', 400, "x"),
    ("POST", "maps/rules4", '{"key":"10.8.0.0/16","value":1,"flags":"exist"}', 400, ""),
    ("POST", "maps/nosuch", '{"key":1,"value":1}', 404, "no such map"),
    ("GET", "maps/nosuch", None, 404, "no such map"),
    ("DELETE", "maps/rules4?key=10.200.0.0/16", None, 404, ""),
    ("DELETE", "maps/rules4", None, 400, "key="), ("DELETE", "maps/rules4?key=x", None, 400, ""),
    pytest.param("POST", "maps/rules4", "[" + "1," * 40000 + "1]", 413, "", id="too much"),
])
def test_what_a_map_refuses(firewall, method, path, body, status, says):
    got, said = ask(firewall, path, method, body)
    assert got == status, said
    assert says in (said["error"] if isinstance(said, dict) else said)
    firewall.console("map delete rules4 key 10.9.0.0/16")


def test_methods_and_who_may(firewall, objects):
    for path, method in (("xdp?name=a.o", "POST"), ("xdp", "DELETE"), ("maps/rules4", "POST"),
                         ("maps/rules4?key=1", "DELETE")):
        assert ask(firewall, path, method, b"x", headers={})[0] == 401
        evil = {**AUTH, "Origin": "http://evil.example"}
        assert ask(firewall, path, method, b"x", headers=evil)[0] == 403
    status, fields, _ = firewall.get("/_/maps", 20, "POST", AUTH)
    assert (status, fields["Allow"]) == (405, "GET, HEAD")
    status, fields, _ = firewall.get("/_/xdp", 20, "OPTIONS", AUTH)
    assert (status, fields["Allow"]) == (405, "GET, HEAD, POST, DELETE")
    status, fields, _ = firewall.get("/_/maps/rules4", 20, "PUT", AUTH)
    assert (status, fields["Allow"]) == (405, "GET, HEAD, POST, DELETE")
    chunked = {**AUTH, "Transfer-Encoding": "chunked"}
    assert ask(firewall, "xdp?name=a.o", "POST", iter([b"4\r\njunk\r\n0\r\n\r\n"]), headers=chunked)[0] == 411


def test_a_body_that_never_comes_whole(firewall):
    """The connection goes; what was kept for it comes back."""
    before = firewall.console_json("free")["pools"][0]["used_bytes"]
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", firewall.port), timeout=20) as sock:
            sock.sendall(f"POST /_/xdp?name=a.o HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n"
                         "Content-Length: 100000\r\n\r\n".encode() + bytes(50000))
    end = time.monotonic() + 20
    while firewall.console_json("free")["pools"][0]["used_bytes"] > before:
        assert time.monotonic() < end
        time.sleep(0.2)


def test_events_stream(guest, objects):
    assert ask(guest, "xdp?name=sampler.o", "POST", objects["sampler.o"])[0] == 200
    assert ask(guest, "maps/settings", "POST", '{"key":0,"value":"u32 3 u32 64"}')[0] == 200
    maps = ask(guest, "maps")[1]["maps"]
    ring = next(m["name"] for m in maps if m["type"] == "ringbuf")
    got = {}

    def listen():
        got["status"], got["fields"], got["body"] = guest.get(f"/_/maps/{ring}/events?seconds=3", 30)

    listener = threading.Thread(target=listen)
    listener.start()
    for n in range(300):
        ping(guest, 0x100 + n, dst=GUEST_IP)
    listener.join(40)
    assert got["status"] == 200 and got["fields"]["Content-Type"] == "application/x-ndjson"
    events = [json.loads(line) for line in got["body"].decode().splitlines()]
    assert events and all(e["lost"] == 0 and len(e["data"]) == 2 * min(e["bytes"], 512) for e in events)
    assert ask(guest, "maps/settings/events")[0] in (404, 409)
    assert ask(guest, f"maps/{ring}/events?seconds=0")[0] == 400
    assert ask(guest, "xdp", "DELETE")[0] == 200
