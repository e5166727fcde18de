"""One line that says where a benchmark is and how long it will take."""

import sys
import time


class Line:
    def __init__(self, points):
        self.points = points
        self.done = 0
        self.begun = time.monotonic()

    def step(self):
        self.done += 1

    def show(self, text):
        left = ""
        if self.done:
            seconds = (time.monotonic() - self.begun) / self.done * (self.points - self.done)
            left = f", {seconds / 60:.0f} min left" if seconds > 90 else f", {seconds:.0f} s left"
        line = f"[{self.done + 1}/{self.points}{left}] {text}"
        if sys.stderr.isatty():
            print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)

    def end(self):
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)
