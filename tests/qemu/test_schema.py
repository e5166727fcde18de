"""Every console command's answer to -j, held against its schema: docs/schema/<command>.json.

A command has a schema of its own, named as it is; error.json is what any of them answers when it
can not do what it was asked to, usage.json what it answers to -h. A new command fails here until it
has a schema and stands in ANSWERS.
"""

import copy
import json
import re
import socket
import threading

import pytest
from jsonschema import Draft202012Validator, RefResolver

import qemu

pytestmark = pytest.mark.xdist_group("schema")

SCHEMAS = {path.stem: json.loads(path.read_text())
           for path in sorted((qemu.TOP / "docs/schema").glob("*.json"))}
SHARED = {"error", "usage"}  # of any command
PAGES = {"page-event", "page-stats"}  # of the web server: test_admin.py
ELSEWHERE = {"sink", "l2fwd", "kv"} | PAGES  # of another app: test_sink.py, ...
LAST_WORDS = ("reboot", "poweroff")
CRASHES = {"null", "ud", "stack", "div", "wx", "ro", "sse", "panic"}  # `fault` kinds without an answer

# What each command is asked, and answers by its own schema.
ANSWERS = {
    "budget": ["budget", "budget 1", "budget 256", "budget 64"],
    "capture": ["capture"],
    "copies": ["copies", "copies 1", "copies 2", "copies 0"],
    "cpu": ["cpu"],
    "defer-us": ["defer-us", "defer-us 1", "defer-us 10000", "defer-us 50"],
    "dmesg": ["dmesg", "dmesg 0", "dmesg 1", "dmesg 1000000"],
    "fault": ["fault lost-irq", "fault nic-broken"],
    "free": ["free"],
    "help": ["help", "help uptime", "help defer-us"],
    "hist": ["hist", "hist poll_packets", "hist ring_time"],
    "http": ["http"],
    "interrupts": ["interrupts", "interrupts"],
    "ip": ["ip"],
    "log": ["log", "log 0", "log 1"],
    "map": ["map", "map show", "map list"],  # and all else in test_xdp.py, where there are programs
    "mode": ["mode", "mode interrupt", "mode napi", "mode poll", "mode adaptive"],
    "offload": ["offload"],
    "pagetables": ["pagetables"],
    "pci": ["pci"],
    "ping": ["ping -c 1 10.0.2.2", "ping -c 2 -i 0.01 -s 0 10.0.2.2", "ping -c 1 10.0.2.77"],
    "poweroff": [],  # below, in a guest of their own
    "reboot": [],
    "reset": ["reset cpu", "reset napi poll_packets", "reset"],
    "softirq": ["softirq"],
    "softnet": ["softnet"],
    "ss": ["ss", "ss -a", "ss -l", "ss -al", "ss -tn"],
    "stats": ["stats"] + [f"stats {group}" for group in SCHEMAS["stats"]["properties"]
                          if group != "time_ns"],
    "trace": ["trace -t 1 1", "trace on", "trace stats", "trace off", "trace stats",
              "trace start 1", "trace show"],
    "uptime": ["uptime"],
    "usecs": ["usecs", "usecs 100", "usecs 50000", "usecs 2000"],
    "version": ["version"],
    "watch": [],  # below: it answers more than once
    "xdp": ["xdp", "xdp list", "xdp files", "xdp show", "xdp unload", "xdp jit", "xdp jit off",
            "xdp jit on"],
}

REFUSED = [
    "budget 0", "budget 257", "budget -1", "budget 99999999999999999999", "budget 1 2", "budget x",
    "capture x", "copies 3", "copies -1", "copies x", "copies 1 2", "cpu x", "defer-us 0", "defer-us 10001",
    "defer-us 1.5", "dmesg -1", "dmesg x", "dmesg 1 2",
    "fault", "fault x", "fault lost-irq x", "free x", "help nosuch", "help uptime cpu",
    "log x", "hist nosuch", "hist poll_packets poll_time", "http x", "interrupts x", "ip x",
    "map x", "map dump", "map dump nosuch", "map show id 1", "map show id x", "map lookup nosuch key 1",
    "mode NAPI", "mode pol", "mode poll napi", 'mode ""', "offload x", "pagetables x", "pci x",
    "ping", "ping nohost", "ping -c 0 10.0.2.2", "ping -x 10.0.2.2", "ping 10.0.2.15",
    "poweroff now", "reboot now", "reset nosuch", "reset napi nosuch", "softirq x", "softnet x",
    "ss x", "ss -x", "stats nosuch", "stats nic udp", "trace 0", "trace 257", "trace x", "trace start",
    "trace start 0", "trace -t", "trace -t 0", "trace 1 1", "uptime x", "usecs 99", "usecs 50001", "usecs 1e3", "version x",
    "xdp x", "xdp load", "xdp load nosuch", "xdp load nosuch prog", "xdp show id 1", "xdp show 1 2 3",
    "xdp dump", "xdp dump xlated", "xdp dump jited id 1", "xdp jit x", "xdp unload x",
    "watch", "watch watch uptime", "watch reboot", "watch poweroff", "watch -n uptime",
    "watch -n 0 uptime", "watch -n 3601 uptime", "watch -x uptime", "nosuch",
]


def validator(name):
    schema = SCHEMAS[name]
    store = {f"{other}.json": SCHEMAS[other] for other in SCHEMAS}
    return Draft202012Validator(schema, resolver=RefResolver(f"{name}.json", schema, store))


def errors(name, document):
    """What is wrong with it, by that schema: "$.nic.rx_packets: -1 is less than ..."."""
    return [f"{error.json_path}: {error.message}" for error in validator(name).iter_errors(document)]


def parse(line):
    """A line of JSON; the same key twice in an object, which json.loads() takes, is an error."""

    def unique(pairs):
        assert len(dict(pairs)) == len(pairs), f"the same key twice: {[key for key, _ in pairs]}"
        return dict(pairs)

    return json.loads(line, object_pairs_hook=unique)


def json_lines(said):
    return [parse(line) for line in said.splitlines() if line.startswith("{")]


def ask(guest, command):
    """Its one line of JSON. Beside it only the log may speak."""
    said = guest.console(f"{command} -j")
    others = [line for line in said.splitlines()
              if line and not line.startswith("{") and not re.match(r"\[ *\d+\.\d{6}\] ", line)]
    assert not others, f"{command} -j also printed {others}"
    documents = json_lines(said)
    assert len(documents) == 1, said
    return documents[0]


def ask_by_schema(guest, command, schema):
    document = ask(guest, command)
    assert not errors(schema, document), (command, document)
    return document


@pytest.fixture(scope="module")
def guest():
    with qemu.Guest(cfg="fault = on\nhttp_log = ring\n") as guest:
        guest.wait_prompt()
        guest.wait_http()
        yield guest


# ------------------------------------------------------------ the schemas


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schemas_are_schemas(name):
    schema = SCHEMAS[name]
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    assert schema["$id"] == f"{name}.json" and schema["title"]


def objects_in(schema):
    """Every part of a schema that describes an object."""
    if isinstance(schema, dict):
        if "properties" in schema and isinstance(schema["properties"], dict):
            yield schema
        for part in schema.values():
            yield from objects_in(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from objects_in(part)


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schemas_are_strict(name):
    """No key that is not described; every key is required, but for the groups of `stats`."""
    for part in objects_in(SCHEMAS[name]):
        assert part["type"] == "object" and part["additionalProperties"] is False
        if not (name == "stats" and "time_ns" in part["properties"]):
            assert sorted(part["required"]) == sorted(part["properties"])


def test_every_command_has_a_schema_and_every_schema_a_command(guest):
    commands = {row["name"] for row in ask(guest, "help")["commands"]}
    assert commands == set(SCHEMAS) - SHARED - ELSEWHERE
    assert commands == set(ANSWERS), "ANSWERS does not ask every command"
    repeated = {row["$ref"].removesuffix(".json") for row in SCHEMAS["watch"]["anyOf"]}
    assert repeated == commands - {"watch", *LAST_WORDS}


def test_every_fault_is_known(guest):
    """A new one is either a crash or in the schema."""
    guest.type("fault \t\t")
    guest.wait_for(r"(?s)fault *\n.*\n.*fault ", 10, regex=True)
    listed = set(re.findall(r"[a-z-]+", guest.said())) - {"tophalf", "fault"}
    guest.type("\x15\r")
    guest.wait_prompt(10)
    assert listed == CRASHES | set(SCHEMAS["fault"]["properties"]["fault"]["enum"])


# ------------------------------------------------------------ the commands


@pytest.mark.parametrize("command", [line for lines in ANSWERS.values() for line in lines])
def test_answer(guest, command):
    ask_by_schema(guest, command, command.split()[0])


@pytest.mark.parametrize("command", REFUSED)
def test_refusal(guest, command):
    document = ask_by_schema(guest, command, "error")
    assert document["command"] == command.split()[0]


@pytest.mark.parametrize("name", ANSWERS)
def test_usage(guest, name):
    document = ask_by_schema(guest, f"{name} -h", "usage")
    assert document["name"] == name and document["usage"].split()[0] == name


@pytest.mark.parametrize("command", ["uptime", "stats nic", "interrupts", "mode", "hist"])
def test_watch_answers_as_the_command_does(guest, command):
    guest.type(f"watch -n 0.1 {command} -j\r")
    guest.wait_for(r"(?s)\n\{.*\n\{.*\n\{.*\}\n", 10, regex=True)
    guest.type("q")
    guest.wait_for(rf"{qemu.PROMPT}\Z", 10, regex=True)
    said = guest.text()
    documents = json_lines(said[said.rindex(f"watch -n 0.1 {command}"):])
    assert len(documents) >= 3
    for document in documents:
        assert not errors("watch", document) and not errors(command.split()[0], document)


def test_watch_ends_with_a_command_that_fails(guest):
    for command, name in (("watch -n 0.1 stats nosuch", "stats"), ("watch nosuch", "nosuch")):
        assert ask_by_schema(guest, command, "error")["command"] == name


def test_ss_of_a_connection(guest):
    with socket.create_connection(("127.0.0.1", guest.port), timeout=10) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(1)
        for command in ("ss", "ss -a"):
            rows = ask_by_schema(guest, command, "ss")["sockets"]
            assert "ESTAB" in [row["state"] for row in rows]


def test_trace_of_packets(guest):
    """Requests, until the command has seen all that it waits for."""
    ended = threading.Event()

    def keep_asking():
        while not ended.wait(0.2):
            guest.get()

    asking = threading.Thread(target=keep_asking)
    asking.start()
    try:
        assert ask_by_schema(guest, "trace -t 20 12", "trace")["packets"]
    finally:
        ended.set()
        asking.join()


def test_histograms_that_have_something(guest):
    guest.console("mode napi")
    guest.get()
    guest.console("mode adaptive")
    rows = ask_by_schema(guest, "hist", "hist")["histograms"]
    assert all(row["count"] == sum(b["count"] for b in row["buckets"]) for row in rows)
    assert any(row["buckets"] for row in rows)


def test_without_a_network_card_and_last_words(boot):
    """The same schemas where there is no NIC; then the two commands after which there is nothing."""
    guest = boot(cfg="fault = on\n", net=None, reboots=True)
    guest.wait_prompt()
    for command in ("budget 1", "cpu", "free", "hist", "interrupts", "mode poll", "pci", "reset",
                    "softirq", "softnet", "ss -a", "stats", "trace -t 1 1", "trace stats",
                    "fault lost-irq", "fault nic-broken", "mode", "usecs"):
        ask_by_schema(guest, command, command.split()[0])
    for command in ("ip", "ping 10.0.2.2"):
        ask_by_schema(guest, command, "error")
    for command in LAST_WORDS:
        guest.type(f"{command} -j\r")
        said = guest.wait_for(r"^\{.*\}$", 20, regex=True)
        assert [errors(command, document) for document in json_lines(said)] == [[]]
        if command == "reboot":
            guest.wait_for(r"^\{.*\}\n(?s:.*)Type help", regex=True)
            guest.wait_prompt()
    assert guest.wait_end() == 0


# ------------------------------------------------------------ that it can fail


def places(node, path=()):
    """The way to every object in a document (in an array: to those of its first element)."""
    if isinstance(node, dict):
        yield path
        for key, value in node.items():
            yield from places(value, (*path, key))
    elif isinstance(node, list) and node:
        yield from places(node[0], (*path, 0))


def changes(place):
    """What can be done to an object to make it a wrong one: (what, how)."""
    yield "a new key", lambda d: d.update(new=1)
    for key, value in place.items():
        yield f"no {key}", lambda d, key=key: d.pop(key)
        wrong = [1.5, [[]], {"a": 1}] + ([-1] if type(value) is int else [])
        for other in wrong:
            yield f"{key}: {other}", lambda d, key=key, other=other: d.update({key: other})


def mutations(document):
    """The document with one thing wrong in it, in every way: (what, document)."""

    def at(tree, path):
        for step in path:
            tree = tree[step]
        return tree

    for path in places(document):
        for what, change in changes(at(document, path)):
            wrong = copy.deepcopy(document)
            change(at(wrong, path))
            yield f"{path}: {what}", wrong


@pytest.mark.parametrize("name", [name for name, lines in ANSWERS.items() if lines])
def test_a_wrong_answer_is_seen(guest, name):
    """Each key of a real answer away, of another type, negative, or one too many."""
    small_or_full = {"stats": "stats nic", "ss": "ss -al", "trace": "trace stats"}
    document = ask(guest, small_or_full.get(name, ANSWERS[name][0]))
    assert not errors(name, document)
    count = 0
    for what, wrong in mutations(document):
        assert errors(name, wrong), f"{name}.json takes {what}"
        count += 1
    assert count >= 3
    assert errors("error", document) and errors(name, {"command": name, "error": "no"})
