"""The text of the message that the model is writing, as its pieces come. No I/O.

Pieces are never stored: who joins late is given what is known. `whole` is false where pieces were missed, or the text has
grown beyond what is kept and its beginning was let go.
"""

from dataclasses import dataclass
from typing import Final

KEPT: Final = 64 * 1024
"""Characters of a text that are kept."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How much of which text a viewer has."""

    version: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """What a viewer lacks. `fresh`: it takes the place of whatever the viewer has of this step."""

    step: int
    text: str
    fresh: bool
    whole: bool


class Text:
    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._pieces: list[str] = []
        self._start = 0
        self._end = 0
        self._version = 0
        self._of: tuple[str, int] | None = None
        self._begins = False
        self.whole = False

    def begin(self) -> None:
        """Its sender has stored a message just now, and nothing of what comes next was missed."""
        self.clear()
        self._begins = True

    def gap(self) -> None:
        """Pieces may have been missed: what was kept is not shown as if more followed it."""
        self.clear()
        self._begins = False

    def clear(self) -> None:
        """The text is in the stream by now, or is not written on."""
        self._pieces.clear()
        self._of = None

    def add(self, epoch: str, step: int, text: str) -> None:
        if not text:
            return
        if self._of != (epoch, step):
            self.clear()
            self._of = (epoch, step)
            self._version += 1
            self._start = self._end = 0
            self.whole, self._begins = self._begins, False
        self._pieces.append(text)
        self._end += len(text)
        if self._end - self._start > 2 * self._kept:
            kept = "".join(self._pieces)[-self._kept :]
            self._pieces, self._start, self.whole = [kept], self._end - len(kept), False

    def since(self, mark: Mark) -> tuple[Piece | None, Mark]:
        """What has come since the mark, and the mark from there."""
        if self._of is None:
            return None, mark
        now = Mark(self._version, self._end)
        if now == mark:
            return None, mark
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        text, step = self._pieces[0], self._of[1]
        if mark.version == self._version and mark.end >= self._start:
            return Piece(step, text[mark.end - self._start :], fresh=False, whole=self.whole), now
        return Piece(step, text, fresh=True, whole=self.whole), now
