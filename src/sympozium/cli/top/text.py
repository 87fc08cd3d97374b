"""Styled text in columns: a terminal's cells, not characters."""

import re
import unicodedata
from collections.abc import Iterable, Iterator

Span = tuple[str, str]
"""Text, and its style: words of `bold dim reverse red green yellow cyan`, or none."""
Line = list[Span]

_SGR = re.compile(r"\x1b\[([0-9;]*)m")
_STYLES = {"1": "bold", "2": "dim", "31": "red", "32": "green", "33": "yellow", "36": "cyan"}


def cells(text: str) -> int:
    """Columns that a text takes."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, width: int) -> str:
    """The beginning that fits, with a mark where something is missing."""
    if cells(text) <= width:
        return text
    return _head(text, max(width - 1, 0)) + ("…" if width > 0 else "")


def fit(text: str, width: int) -> str:
    """Exactly `width` columns."""
    short = cut(text, width)
    return short + " " * (width - cells(short))


def _head(text: str, width: int) -> str:
    used = 0
    for index, character in enumerate(text):
        used += _cells(character)
        if used > width:
            return text[:index]
    return text


def spans(text: str) -> Line:
    """The colours that `cli.output.paint` wrote, as styles. Nothing else can be among them: what is not ours was made plain."""
    found: Line = []
    style, place = "", 0
    for match in _SGR.finditer(text):
        if match.start() > place:
            found.append((text[place : match.start()], style))
        style, place = _STYLES.get(match[1], ""), match.end()
    if place < len(text):
        found.append((text[place:], style))
    return found


def wrap(line: Line, width: int) -> list[Line]:
    """A line as the lines of a narrower screen; at least one."""
    rows: list[Line] = [[]]
    left = width
    for text, style in line:
        rest = text.expandtabs(4)
        while rest:
            head = _head(rest, left)
            if not head and left == width:
                head = rest[0]  # wider than the whole screen
            if head:
                rows[-1].append((head, style))
                left -= cells(head)
                rest = rest[len(head) :]
            if rest:
                rows.append([])
                left = width
    return rows


def clip(line: Line, width: int) -> Line:
    """What of a line fits."""
    shown: Line = []
    for text, style in line:
        head = cut(text, width)
        if head:
            shown.append((head, style))
        width -= cells(head)
        if width <= 0:
            break
    return shown


class Lines:
    """Text that grows, as wrapped lines; the oldest go when there are too many, and that is said."""

    LIMIT = 5000

    def __init__(self) -> None:
        self._lines: list[Line] = []
        self._wrapped: list[list[Line]] = []
        self._rest = ""
        self._width = 0
        self.dropped = 0

    def feed(self, text: str) -> None:
        *whole, self._rest = (self._rest + text).split("\n")
        self._add(map(spans, whole))

    def _add(self, lines: Iterable[Line]) -> None:
        for line in lines:
            self._lines.append(line)
            if self._width:
                self._wrapped.append(wrap(line, self._width))
        surplus = len(self._lines) - self.LIMIT
        if surplus > 0:
            self.dropped += surplus
            del self._lines[:surplus], self._wrapped[:surplus]

    def rows(self, width: int) -> list[Line]:
        if width != self._width:
            self._width = width
            self._wrapped = [wrap(line, width) for line in self._lines]
        return list(self._all())

    def _all(self) -> Iterator[Line]:
        if self.dropped:
            yield [(f"({self.dropped} earlier lines are not kept here)", "dim")]
        for wrapped in self._wrapped:
            yield from wrapped
        if self._rest:
            yield from wrap(spans(self._rest), self._width)
