"""The text of an expression and what is wrong with it, as cel-go draws it."""

from sympozium.cel.errors import CompileError

LIMIT = 100_000
"""Characters of an expression."""


class Source:
    def __init__(self, text: str) -> None:
        self.text = text
        self._errors: list[tuple[int, int, str]] = []

    def __bool__(self) -> bool:
        """Whether something is wrong."""
        return bool(self._errors)

    def error(self, at: int, text: str) -> None:
        """`at` is the place in characters, -1 for the expression as a whole."""
        found = (*self._place(at), text)
        if found not in self._errors:
            self._errors.append(found)

    def _place(self, at: int) -> tuple[int, int]:
        if at < 0:
            return -1, 0
        before = self.text[:at]
        return before.count("\n") + 1, at - (before.rfind("\n") + 1)

    def check(self) -> None:
        """Raises CompileError when something is wrong, in the order of the text."""
        if not self._errors:
            return
        lines = self.text.split("\n")
        drawn = []
        for line, column, text in sorted(self._errors, key=lambda found: found[:2]):
            if line < 0:
                drawn.append(f"ERROR: <input>:-1:0: {text}")
                continue
            shown = lines[line - 1].replace("\t", " ")
            drawn.append(f"ERROR: <input>:{line}:{column + 1}: {text}\n | {shown}\n | {'.' * column}^")
        raise CompileError("\n".join(drawn))
