#!/usr/bin/env python3
"""Make the table of lb.bpf.c for a service: which backend has which of its slots.

As in Maglev (Eisenbud et al., NSDI 2016, section 3.4): each backend has its own order of preference
over the slots, and in turn each takes the next one on its list that is still free. So they get equal
shares, and when one comes or goes few slots change hands but its own.

    apps/xdp/maglev.py --service 0 1 2 3                the console's commands
    apps/xdp/maglev.py --service 0 --json 1 2 3         the same as JSON
    apps/xdp/maglev.py --service 0 --was 1,2,3 1 2      only the slots that change
"""

import argparse
import hashlib
import json

SLOTS = 251  # prime, as lb.bpf.c has it
SERVICES = 8
BACKENDS = 64


def hashed(backend, salt):
    digest = hashlib.sha256(f"{salt} {backend}".encode()).digest()
    return int.from_bytes(digest[:8], "little")


def preferences(backend):
    offset = hashed(backend, "offset") % SLOTS
    skip = hashed(backend, "skip") % (SLOTS - 1) + 1
    return ((offset + i * skip) % SLOTS for i in range(SLOTS))


def table(backends):
    slots = [None] * SLOTS
    lists = [(backend, preferences(backend)) for backend in sorted(set(backends))]
    left = SLOTS
    while left > 0:
        for backend, wanted in lists:
            slot = next(s for s in wanted if slots[s] is None)
            slots[slot] = backend
            left -= 1
            if left == 0:
                break
    return slots


def number(limit):
    def parse(text):
        value = int(text)
        if not 0 <= value < limit:
            raise argparse.ArgumentTypeError(f"{value}: 0 to {limit - 1}")
        return value

    return parse


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--service", type=number(SERVICES), default=0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--was", help="the backends of the table that is there, by commas")
    parser.add_argument("backends", type=number(BACKENDS), nargs="+")
    args = parser.parse_args()

    old = table([int(b) for b in args.was.split(",")]) if args.was else [None] * SLOTS
    changes = [
        (args.service * SLOTS + slot, backend)
        for slot, backend in enumerate(table(args.backends))
        if backend != old[slot]
    ]
    if args.json:
        print(json.dumps([{"key": k, "value": v} for k, v in changes]))
        return
    for key, value in changes:
        print(f"map update table key {key} value {value}")


if __name__ == "__main__":
    main()
