"""Many globs at once: which of them match a name.

The semantics are `fnmatch.fnmatchcase`'s, exactly. A list of a thousand globs is not held against a name one by one:
exact names are looked up, and a glob is tried only when the text before its first special character, or behind its
last, fits the name. What is left are globs such as `*x*`, of which the longest plain text must be in the name.
"""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final

_SPECIAL: Final = re.compile(r"[*?\[\]]")

Entries = list[tuple[int, str, str | None]]
"""(place in the list, text that must be in the name, the glob to try); None where being found is proof enough."""


class Globs:
    """Globs by place. Immutable."""

    __slots__ = ("_always", "_exact", "_heads", "_tails")

    def __init__(self, globs: Sequence[str]) -> None:
        self._exact: dict[str, list[int]] = {}
        self._heads: dict[int, dict[str, Entries]] = {}
        self._tails: dict[int, dict[str, Entries]] = {}
        self._always: Entries = []
        for place, glob in enumerate(globs):
            self._add(place, glob)

    def _add(self, place: int, glob: str) -> None:
        special = [found.start() for found in _SPECIAL.finditer(glob)]
        if not special:
            self._exact.setdefault(glob, []).append(place)
            return
        head, tail = glob[: special[0]], glob[special[-1] + 1 :]
        needle = "" if "[" in glob else max(re.split("[*?]", glob), key=len)
        if head:
            entry = (place, needle, None if glob == head + "*" else glob)
            self._heads.setdefault(len(head), {}).setdefault(head, []).append(entry)
        elif tail:
            entry = (place, needle, None if glob == "*" + tail else glob)
            self._tails.setdefault(len(tail), {}).setdefault(tail, []).append(entry)
        else:
            self._always.append((place, needle, None if glob in {"*", f"*{needle}*"} else glob))

    def matching(self, name: str) -> list[int]:
        """The places of the globs that match, in ascending order."""
        found = list(self._exact.get(name, ()))
        length = len(name)
        entries = self._always
        for size, heads in self._heads.items():
            if size <= length and (more := heads.get(name[:size])):
                entries = entries + more
        for size, tails in self._tails.items():
            if size <= length and (more := tails.get(name[-size:])):
                entries = entries + more
        found += [
            place
            for place, needle, glob in entries
            if needle in name and (glob is None or fnmatchcase(name, glob))
        ]
        found.sort()
        return found


def is_glob(text: str) -> bool:
    """Whether a text can match anything but itself."""
    return any(character in text for character in "*?[")
