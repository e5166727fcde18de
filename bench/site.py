#!/usr/bin/python3
"""The files that the web benchmarks ask for: bench/site.py DIR. The same bytes each time."""

import random
import sys
from pathlib import Path

PAGE = 612  # as long as nginx's own welcome page
FILES = {"64k.bin": 64 << 10, "1m.bin": 1 << 20}


def page():
    text = "<!DOCTYPE html>\n<html>\n<head><title>612 bytes</title></head>\n<body>\n<p>"
    end = "</p>\n</body>\n</html>\n"
    words = "A page of this length has often been used to compare web servers. " * 10
    return text + words[:PAGE - len(text) - len(end)] + end


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(page())
    dice = random.Random(612)
    for name, size in FILES.items():
        (folder / name).write_bytes(dice.randbytes(size))


if __name__ == "__main__":
    main()
