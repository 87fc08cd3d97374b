"""The newest messages of a run, as frames, within a bound of bytes; and where all shown ones are. No I/O."""

from array import array
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass
from typing import Final

KEPT: Final = 128 * 1024
"""Bytes of frames that are kept of a run. One frame is kept however large it is."""


@dataclass(frozen=True, slots=True)
class Entry:
    place: int
    frame: bytes


class Log:
    """Entries come in the order of their places."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._entries: deque[Entry] = deque()
        self._size = 0
        self._places: array[int] = array("Q")  # 8 bytes each: of a long run too, all can be remembered
        self.floor = 0
        """Everything that comes after this place is kept."""

    @property
    def head(self) -> int:
        """The place of the newest entry; 0 without one."""
        return self._places[-1] if self._places else 0

    def __len__(self) -> int:
        """How many there were, also those that are not kept any more."""
        return len(self._places)

    def add(self, entry: Entry) -> None:
        assert entry.place > self.head, f"{entry.place} comes after {self.head}"
        self._places.append(entry.place)
        self._entries.append(entry)
        self._size += len(entry.frame)
        while self._size > self._kept and len(self._entries) > 1:
            gone = self._entries.popleft()
            self._size -= len(gone.frame)
            self.floor = gone.place

    def shows(self, place: int) -> bool:
        """Whether the message at this place is one of the run's, and no repetition."""
        index = bisect_right(self._places, place)
        return index > 0 and self._places[index - 1] == place

    def after(self, place: int, size: int) -> list[Entry] | None:
        """What comes after a place, at least one entry and about `size` bytes; None when it is not kept any more."""
        if place < self.floor:
            return None
        found: list[Entry] = []
        for entry in reversed(self._entries):
            if entry.place <= place:
                break
            found.append(entry)
        found.reverse()
        return _within(found, size)


def _within(entries: list[Entry], size: int) -> list[Entry]:
    for index, entry in enumerate(entries):
        size -= len(entry.frame)
        if size <= 0:
            return entries[: index + 1]
    return entries
