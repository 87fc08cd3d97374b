"""What the demo prints: numbered steps, the commands that it stands for, and what they answered."""

import os
import sys
from dataclasses import dataclass


@dataclass(slots=True)
class Narrator:
    """Writes to standard output; colours only for a terminal that wants them (NO_COLOR)."""

    number: int = 0

    @property
    def _colour(self) -> bool:
        return sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def _paint(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self._colour else text

    def line(self, text: str = "") -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def step(self, title: str) -> None:
        self.number += 1
        self.line()
        self.line(self._paint("1;36", f"{self.number}. {title}"))

    def command(self, text: str) -> None:
        self.line(self._paint("2", f"   $ {text}"))

    def quote(self, text: str) -> None:
        for line in text.rstrip().splitlines():
            self.line(f"   {line}")

    def good(self, text: str) -> None:
        self.line(self._paint("32", f"   {text}"))

    def bad(self, text: str) -> None:
        self.line(self._paint("31", f"   {text}"))
