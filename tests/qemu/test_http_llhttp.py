"""httpd held to llhttp's public test vectors (requests, strict), fetched by scripts/fetch-llhttp.sh.

A vector is bytes, and what llhttp says of them: how many messages are complete, and whether it then
refuses the rest. httpd has to answer as many, and refuse where llhttp does. Where it is otherwise, a
row of DIFFERENCES and of docs/http.md ("Beside llhttp") says why; a row that explains nothing is an error.
"""

import json
import re
import socket
import subprocess
from dataclasses import dataclass

import pytest

import qemu

pytestmark = pytest.mark.xdist_group("http")

UPGRADES = {"21", "22"}  # codes of llhttp's that are no errors: what follows is not HTTP/1

# (what, where the RFCs say so, the vectors)
DIFFERENCES = [
    ("bytes behind `Connection: close`", "RFC 9112 §9.6", {
        "connection: No restart when keep-alive is off (1.0)",
        "connection: CRLF between requests, explicit `close`"}),
    ("bytes behind an upgrade", "RFC 9110 §7.8", {
        "connection: Multiple tokens with folding and LWS",
        "connection: Upgrade GET request",
        "connection: Upgrade POST request"}),
    ("unknown methods", "RFC 9110 §15.6.2", {"invalid: Invalid method"}),
    ("`*` for other methods than OPTIONS", "RFC 9112 §3.2.4", {"method: M-SEARCH request"}),
    ("`ICE/1.0`, `RTSP/1.0`", "RFC 9112 §2.3", {
        "method: SOURCE request with ICE",
        "method: OPTIONS request with RTSP",
        "method: ANNOUNCE request with RTSP"}),
    ("no version", "RFC 9112 §3", {"sample: No HTTP version"}),
    ("quotes and fragments in targets", "RFC 3986 §2, RFC 9112 §3.2", {
        "uri: Quotes in URI",
        "uri: Fragment in URI",
        "transfer-encoding: POST with `chunked` as last transfer-encoding",
        "transfer-encoding: POST with `chunked` as last transfer-encoding (multiple headers)"}),
    ("userinfo", "RFC 9110 §4.2.4", {"uri: `host:port` and basic auth"}),
]


@dataclass(frozen=True)
class Vector:
    name: str
    data: bytes
    complete: int  # messages
    refused: str  # llhttp's reason, or ""


def unescape(text):
    """The vectors' own notation."""
    text = re.sub(r"\\(\r\n|\r|\n)", "", text.removesuffix("\n"))
    text = re.sub(r"\r\n|\r|\n", "\r\n", text)
    for escape, char in (("r", "\r"), ("n", "\n"), ("t", "\t"), ("f", "\f")):
        text = text.replace("\\" + escape, char)
    text = re.sub(r"\\x([0-9a-fA-F]+)", lambda m: chr(int(m[1], 16)), text)
    text = re.sub(r"\\([0-7]{1,3})", lambda m: chr(int(m[1], 8)), text)
    return text.encode("latin-1", "replace")


def with_hosts(data):
    """Most vectors leave Host out, without which a request is refused for that alone."""
    def insert(match):
        head = data[match.start():].split(b"\r\n\r\n")[0]
        return match[0] if re.search(rb"(?im)^host\s*:", head) else match[0] + b"Host: a\r\n"

    return re.sub(rb"(?m)^[A-Z-]+ [^ \r\n]+ HTTP/1\.1\r\n", insert, data)


PART = re.compile(r"^#+ +([^\n]+)$|^<!-- meta=(\{.*?\}) -->$|^```(http|log)\n(.*?)^```$", re.M | re.S)


def read(folder):
    """Of each file: under a heading what kind of vector it is, the bytes, and llhttp's log of them."""
    for path in sorted(folder.glob("test/request/*.md")):
        title, meta, request = "", {}, ""
        for heading, said, kind, text in PART.findall(path.read_text()):
            if heading:
                title = heading
            elif said:
                meta = json.loads(said)
            elif kind == "http":
                request = text
            elif meta.get("type") == "request" and not {"pause", "skipBody"} & set(meta):
                error = re.search(r'error code=(\d+) reason="(.*?)"', text)
                refused = error[2] if error and error[1] not in UPGRADES else ""
                yield Vector(f"{path.stem}: {title}", with_hosts(unescape(request)), text.count("message complete"),
                             refused)


@pytest.fixture(scope="module")
def vectors():
    folder = qemu.BUILD / "llhttp"
    done = subprocess.run([qemu.TOP / "scripts/fetch-llhttp.sh", folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return list(read(folder))


def answers(port, data):
    """The heads of all final answers that come when these bytes are sent, and nothing more."""
    got = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        while piece := sock.recv(65536):
            got += piece
    heads = []
    while got:
        head, _, got = got.partition(b"\r\n\r\n")
        assert re.match(rb"HTTP/1\.1 \d\d\d ", head), head
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        got = got[int(length[1]) if length else 0:]
        if not head.startswith(b"HTTP/1.1 1"):
            heads.append(head)
    return heads


def verdict(heads):
    """(complete, refused), as llhttp would put it. 405 and 501 for a method are answers to a whole
    message; what was not read to its end is refused by the last answer, which closes."""
    last = heads[-1] if heads else b""
    refused = re.match(rb"HTTP/1\.1 (400|413|414|417|421|431|501|505) ", last) and b"Connection: close" in last
    return len(heads) - bool(refused), bool(refused)


@pytest.fixture(scope="module")
def differing(vectors, shared_guest):
    """{name: what differs} of all vectors."""
    found = {}
    for vector in vectors:
        heads = answers(shared_guest.port, vector.data)
        if verdict(heads) != (vector.complete, bool(vector.refused)):
            found[vector.name] = (f"{vector.data!r}\n    llhttp: {vector.complete} complete, refused: {vector.refused}"
                                  f"\n    here: {[head[9:12] for head in heads]}")
    return found


def test_there_are_enough(vectors):
    assert len(vectors) == 116
    assert sum(bool(vector.refused) for vector in vectors) == 54


def test_as_llhttp(differing):
    explained = {name for _, _, names in DIFFERENCES for name in names}
    strange = [f"{name}: {what}" for name, what in differing.items() if name not in explained]
    assert not strange, "\n".join(strange)


@pytest.mark.parametrize("what, rfc, names", DIFFERENCES, ids=[row[0] for row in DIFFERENCES])
def test_difference_is_one(differing, what, rfc, names):
    gone = names - set(differing)
    assert not gone
    table = (qemu.TOP / "docs/http.md").read_text().partition("## Beside llhttp")[2].partition("\n## ")[0]
    row = [line for line in table.splitlines() if line.startswith(f"| {what} |")]
    assert len(row) == 1 and rfc in row[0], table
