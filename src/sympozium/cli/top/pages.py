"""What is on the screen, as lines of styled text, and where a person is on it. Pure: no terminal, no cluster."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sympozium.cli.top.board import Board, Key, Row
from sympozium.cli.top.text import Line, Lines, cells, clip, cut, fit
from sympozium.legible import legible

SMALLEST = (6, 30)
"""Rows and columns below which nothing useful fits."""
_COLOURS = {
    "Running": "green", "Serving": "green", "AwaitingApproval": "yellow", "Queued": "cyan", "Pending": "cyan",
    "Succeeded": "dim", "Failed": "red", "Cancelled": "dim",
}  # fmt: skip
_ORDER = ("Running", "Serving", "AwaitingApproval", "Queued", "Pending", "Succeeded", "Failed", "Cancelled")
BOARD_KEYS = "q quit  enter transcript  a/d approve/deny  s stop/resume  ↑↓ jk move"
PAGER_KEYS = "↑↓ scroll  end follow  esc back"
_UP = {"up": -1, "k": -1, "down": 1, "j": 1}


@dataclass(slots=True)
class Place:
    """Where a person is in a list: the selected row goes with its run, not with its line."""

    key: Key | None = None
    top: int = 0

    def index(self, rows: Sequence[Row]) -> int:
        for index, row in enumerate(rows):
            if row.key == self.key:
                return index
        return 0

    def move(self, key: str, rows: Sequence[Row], height: int) -> None:
        """A key of movement; others do nothing."""
        if not rows:
            return
        index = self.index(rows)
        steps = {**_UP, "pgup": -height, "pgdn": height, "home": -len(rows), "end": len(rows)}
        self.key = rows[min(max(index + steps.get(key, 0), 0), len(rows) - 1)].key

    def selected(self, rows: Sequence[Row]) -> Row | None:
        return rows[self.index(rows)] if rows else None


@dataclass(slots=True)
class Pager:
    """Text to scroll in. It stays at the end, as more comes, until a person scrolls up."""

    title: str
    lines: Lines = field(default_factory=Lines)
    keys: str = PAGER_KEYS
    follow: bool = True
    top: int = 0
    seen_end: bool = False
    """The last line was on the screen at some time."""

    def move(self, key: str, size: tuple[int, int]) -> None:
        """A key of movement; others do nothing."""
        rows, columns = size
        height = rows - 2
        last = max(len(self.lines.rows(columns)) - height, 0)
        place = last if self.follow else min(self.top, last)
        steps = {**_UP, "pgup": -height, "pgdn": height, " ": height, "home": -last, "end": last}
        if key in steps:
            self.top = min(max(place + steps[key], 0), last)
            self.follow = self.top == last and key not in ("up", "k", "pgup", "home")

    def draw(self, size: tuple[int, int], notice: str) -> list[Line]:
        rows, columns = size
        height = rows - 2
        wrapped = self.lines.rows(columns)
        last = max(len(wrapped) - height, 0)
        self.top = last if self.follow else min(self.top, last)
        self.seen_end |= self.top == last
        shown = wrapped[self.top : self.top + height]
        more = "" if self.top >= last else f"  ({last - self.top} lines below)"
        return [
            [(fit(self.title, columns), "bold reverse")],
            *shown,
            *([] for _ in range(height - len(shown))),
            foot(notice, self.keys + more, columns),
        ]


def draw_board(
    board: Board,
    place: Place,
    size: tuple[int, int],
    *,
    now: datetime,
    title: str,
    notice: str,
    everywhere: bool,
) -> list[Line]:
    """The whole screen: a head of three lines, the table, one line of keys or of what was just said."""
    rows, columns = size
    height = table_height(size)
    index = place.index(board.rows)
    place.top = min(max(place.top, index - height + 1), index, max(len(board.rows) - height, 0))
    place.top = max(place.top, 0)
    shown = board.rows[place.top : place.top + height]
    lines = [
        [(fit(title, columns), "bold")],
        clip(_counts(board), columns),
        [(_cells(_HEAD, columns, everywhere=everywhere), "bold reverse")],
        *(
            _row(row, columns, now, chosen=place.top + number == index, everywhere=everywhere)
            for number, row in enumerate(shown)
        ),
    ]
    if not board.rows:
        lines.append([("  no runs yet: sympozium run INSTANCE TASK", "dim")])
    lines += [[] for _ in range(rows - 1 - len(lines))]
    return [*lines[: rows - 1], foot(notice, BOARD_KEYS, columns)]


def table_height(size: tuple[int, int]) -> int:
    """Rows of the table."""
    return max(size[0] - 4, 1)


def foot(notice: str, keys: str, columns: int) -> Line:
    return [(cut(notice, columns), "yellow")] if notice else [(cut(keys, columns), "dim")]


def too_small(size: tuple[int, int]) -> list[Line]:
    return [[(cut("too small", size[1]), "")], *([] for _ in range(size[0] - 1))]


def table(board: Board, now: datetime, *, everywhere: bool) -> list[list[str]]:
    """For what is no terminal: everything, in plain cells."""
    head = ["NAMESPACE", *_HEAD[1:]] if everywhere else list(_HEAD[1:])
    return [head, *(_texts(row, now)[0 if everywhere else 1 :] for row in board.rows)]


def counts(board: Board) -> str:
    """The second line of the screen."""
    return "".join(text for text, _ in _counts(board))


def _counts(board: Board) -> Line:
    parts: Line = []
    if board.stopped:
        parts.append(("STOPPED: nothing starts (sympozium resume --all)  ", "bold red"))
    if board.waiting:
        parts.append((f"{board.waiting} waiting for a person  ", "bold yellow"))
    for phase in _ORDER:
        if number := board.phases.get(phase):
            parts.append((f"{number} {phase}  ", _COLOURS[phase]))
    if board.failed:
        parts.append((f"{board.failed} failed in 24 h  ", "red"))
    parts.append((f"today (UTC): {board.started} runs, {short(board.tokens)} tokens", ""))
    return parts


_HEAD = ("NAMESPACE", "RUN", "INSTANCE", "PHASE", "TIME", "STEPS", "TOKENS", "WHAT")
_WIDTHS = (14, 34, 24, 18, 7, 6, 8)
_NARROW = 100


def _texts(row: Row, now: datetime) -> list[str]:
    phase = row.phase + ("*" if row.suspended and not row.ended else "")
    return [
        row.key[0], row.key[1], row.instance, phase, lasting(row.seconds(now)), str(row.steps), short(row.tokens),
        legible(" ".join(row.words.split())),
    ]  # fmt: skip


def _cells(texts: Sequence[str], columns: int, *, everywhere: bool) -> str:
    """One row of the table. On a narrow screen the instance goes: the name of a run begins with it."""
    widths = list(_WIDTHS)
    if not everywhere:
        widths[0] = 0
    if columns < _NARROW:
        widths[1], widths[2] = 26, 0
    parts = [fit(text, width - 1) + " " for text, width in zip(texts, widths, strict=False) if width]
    start = "".join(parts)
    return fit(start + texts[-1], columns) if cells(start) < columns else fit(start, columns)


def _row(row: Row, columns: int, now: datetime, *, chosen: bool, everywhere: bool) -> Line:
    text = _cells(_texts(row, now), columns, everywhere=everywhere)
    colour = "yellow" if row.approval else _COLOURS.get(row.phase, "")
    return [(text, f"{colour} reverse" if chosen else colour)]


def short(number: int) -> str:
    """`950`, `12.3k`, `4.5M`."""
    if number < 1000:
        return str(number)
    for end, size in (("M", 1_000_000), ("k", 1000)):
        if number >= size:
            return f"{number / size:.1f}{end}" if number < 100 * size else f"{number // size}{end}"
    raise AssertionError


def lasting(seconds: int) -> str:
    """`42s`, `3m07s`, `2h05m`, `3d04h`."""
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02d}s"
    if seconds < 86400:
        return f"{seconds // 3600}h{seconds % 3600 // 60:02d}m"
    return f"{seconds // 86400}d{seconds % 86400 // 3600:02d}h"
