"""The terminal: lines out, keys in. The only module that knows curses."""

import curses
import locale
import os
import sys
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from sympozium.cli.top.text import Line

_KEYS: Final = {
    curses.KEY_UP: "up", curses.KEY_DOWN: "down", curses.KEY_PPAGE: "pgup", curses.KEY_NPAGE: "pgdn",
    curses.KEY_HOME: "home", curses.KEY_END: "end", curses.KEY_ENTER: "enter", curses.KEY_LEFT: "esc",
    curses.KEY_BACKSPACE: "esc", curses.KEY_RESIZE: "resize",
}  # fmt: skip
_CHARACTERS: Final = {
    "\n": "enter",
    "\r": "enter",
    "\x1b": "esc",
    "\x7f": "esc",
    "\x0c": "redraw",
    "\x03": "q",
}
_COLOURS: Final = ("red", "green", "yellow", "cyan")
_NUMBERS: Final = (curses.COLOR_RED, curses.COLOR_GREEN, curses.COLOR_YELLOW, curses.COLOR_CYAN)


class NoScreenError(Exception):
    """The terminal cannot be drawn on."""


class Screen:
    """Use as a context manager: the terminal is as it was afterwards, however the block ends."""

    def __init__(self) -> None:
        self._styles: dict[str, int] = {}

    def __enter__(self) -> Self:
        locale.setlocale(locale.LC_ALL, "")
        try:
            curses.setupterm()
            self._window = curses.initscr()
        except curses.error as exc:
            raise NoScreenError(f"TERM={os.environ.get('TERM', '')}: {exc}") from exc
        curses.noecho()
        # Raw: Ctrl-C, Ctrl-Z and Ctrl-S come as keys, so that nothing ends us with the screen half drawn.
        curses.raw()
        curses.set_escdelay(25)
        self._window.keypad(True)
        self._window.nodelay(True)
        with suppress(curses.error):  # of some terminals the cursor is always seen
            curses.curs_set(0)
        self._begin_colours()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._window.keypad(False)
        curses.noraw()
        curses.echo()
        curses.endwin()

    def _begin_colours(self) -> None:
        words = {"bold": curses.A_BOLD, "dim": curses.A_DIM, "reverse": curses.A_REVERSE}
        self._styles = dict(words)
        if os.environ.get("NO_COLOR") or not curses.has_colors():
            return
        curses.start_color()
        curses.use_default_colors()
        for number, (name, colour) in enumerate(zip(_COLOURS, _NUMBERS, strict=True), 1):
            curses.init_pair(number, colour, -1)
            self._styles[name] = curses.color_pair(number)

    def size(self) -> tuple[int, int]:
        """Rows and columns, as they are now."""
        now = os.get_terminal_size(sys.stdout.fileno())
        if (now.lines, now.columns) != self._window.getmaxyx():
            curses.resizeterm(now.lines, now.columns)
        return now.lines, now.columns

    def show(self, lines: list[Line], *, anew: bool = False) -> None:
        """Draw a whole screen; only what changed is sent. `anew` sends all."""
        if anew:
            self._window.clear()
        rows, _ = self._window.getmaxyx()
        for number, line in enumerate(lines[:rows]):
            self._window.move(number, 0)
            self._window.clrtoeol()
            for text, style in line:
                try:
                    self._window.addstr(_sendable(text), self._attribute(style))
                except curses.error:
                    break  # the corner below right cannot be passed: what was to be drawn is drawn
        self._window.refresh()

    def _attribute(self, style: str) -> int:
        attribute = 0
        for word in style.split():
            attribute |= self._styles.get(word, 0)
        return attribute

    def typed(self) -> list[str]:
        """What was typed since: names as `up` and `enter`, or the character."""
        found: list[str] = []
        while True:
            try:
                key = self._window.get_wch()
            except curses.error:
                return found
            if isinstance(key, int):
                found.append(_KEYS.get(key, ""))
            else:
                found.append(_CHARACTERS.get(key, key))


def _sendable(text: str) -> str:
    """Without what C strings end with and what no encoding has."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()
