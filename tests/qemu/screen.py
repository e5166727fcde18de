"""What a terminal would show of the bytes from a serial port: a list of lines.

Enough of ECMA-48 for a line editor that redraws its line and for the firmware's screens: carriage
return, backspace, cursor left and right, erase to the end of the line, and cursor positioning,
which begins a new line here. Lines are never wrapped and never scroll away.
"""

import codecs
import re

TOKEN = re.compile(
    r"\x1b\[(?P<args>[0-9;?=]*)(?P<final>[A-Za-z@`~])|\x1b[()][0-9A-Z]|\x1b[=>78cM]"
    r"|(?P<text>[^\x00-\x1f\x7f]+)|(?P<control>[\x00-\x1a\x1c-\x1f\x7f])")


class Screen:
    def __init__(self):
        self.lines = []  # finished, without blanks at their ends
        self._line = []  # the one that the cursor is in
        self._cursor = 0
        self._pending = ""  # an escape sequence whose end has not come yet
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, raw):
        text = self._pending + self._decoder.decode(raw)
        at = 0
        while at < len(text):
            token = TOKEN.match(text, at)
            if token is None:
                if text[at] == "\x1b" and len(text) - at < 16:
                    break
                at += 1  # no sequence that we know: drop the ESC, show the rest
                continue
            at = token.end()
            if token["text"]:
                self._put(token["text"])
            elif token["control"]:
                self._control(token["control"])
            elif token["final"]:
                self._sequence(token["final"], token["args"])
        self._pending = text[at:]

    def current(self):
        """The line of the cursor, with the blanks that are before the cursor."""
        return "".join(self._line).rstrip().ljust(self._cursor)

    def since(self, mark):
        """The lines from number `mark` on, as one text; the last one is unfinished."""
        return "\n".join(self.lines[mark:] + [self.current()])

    def _put(self, text):
        self._line += " " * (self._cursor - len(self._line))
        self._line[self._cursor:self._cursor + len(text)] = text
        self._cursor += len(text)

    def _finish(self):
        self.lines.append("".join(self._line).rstrip())
        self._line, self._cursor = [], 0

    def _control(self, char):
        if char == "\n":
            self._finish()
        elif char == "\r":
            self._cursor = 0
        elif char == "\b":
            self._cursor = max(0, self._cursor - 1)
        elif char == "\t":
            self._put(" " * (8 - self._cursor % 8))

    def _sequence(self, final, args):
        count = int(args) if args.isdigit() else 1
        if final == "D":
            self._cursor = max(0, self._cursor - count)
        elif final == "C":
            self._cursor += count
        elif final == "K" and args in ("", "0"):
            del self._line[self._cursor:]
        elif final in "Hf" and self._line:
            self._finish()
