"""Objects in files, with the line of each of their fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from sympozium import yamlio
from sympozium.actions.errors import ActionError
from sympozium.api.base import Model

KIND = "SympoziumPolicy"
M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class Sourced:
    """A document, the file that it was read from, and the line of each field by path."""

    file: str
    obj: dict[str, Any]
    lines: Mapping[str, int]

    def line(self, path: str) -> int:
        """Of a field, or of the nearest thing around it that is written there."""
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines[path]

    def where(self, path: str) -> str:
        """`file:line`."""
        return f"{self.file}:{self.line(path)}"


def read(paths: list[Path]) -> list[Sourced]:
    """The documents of files, and of the YAML and JSON files of directories (not below). Raises ActionError."""
    return [document for path in paths for file in _files(path) for document in _documents(file)]


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(f for f in path.iterdir() if f.suffix in (".yaml", ".yml", ".json"))
    return [path]


def _documents(file: Path) -> list[Sourced]:
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as exc:
        raise ActionError(f"{file}: cannot be read: {exc}") from exc
    return documents(text, str(file))


def documents(text: str, name: str) -> list[Sourced]:
    """The documents of a text that is called `name`. Raises ActionError."""
    try:
        found = yamlio.load_with_lines(text, name)
    except yamlio.YamlError as exc:
        raise ActionError(str(exc)) from exc
    split: list[Sourced] = []
    for document, places in found:
        if not isinstance(document, dict):
            raise ActionError(
                f"{name}:{places['']}: an object is expected, this is a {type(document).__name__}"
            )
        split += _items(Sourced(name, document, places))
    return split


def _items(found: Sourced) -> list[Sourced]:
    """The items of a List, each with its own lines; anything else as it is."""
    items = found.obj.get("items")
    if found.obj.get("kind") != "List" or not isinstance(items, list):
        return [found]
    split = []
    lines = _lines_of_items(found.lines)
    for index, item in enumerate(items):
        prefix = f"items[{index}]"
        if not isinstance(item, dict):
            raise ActionError(f"{found.where(prefix)}: {prefix}: an object is expected")
        # Of a list that is too long, or deep, for lines to be noted, an item stands where the list does.
        own = lines.get(str(index)) or {"": found.line(prefix)}
        split += _items(Sourced(found.file, item, own))
    return split


def _lines_of_items(lines: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """The lines of each item of a List, by its index: in one pass, since a list may have many."""
    found: dict[str, dict[str, int]] = {}
    for path, line in lines.items():
        if path.startswith("items["):
            index, _, rest = path.removeprefix("items[").partition("]")
            found.setdefault(index, {})[rest.lstrip(".")] = line
    return found


def problems(exc: ValidationError) -> list[tuple[str, str]]:
    """(path, words) of each mistake that a model found."""
    return [(_path(error["loc"]), _words(error["type"], error["msg"])) for error in exc.errors()]


def _words(kind: str, words: str) -> str:
    """pydantic's, where they are for people."""
    if kind == "extra_forbidden":
        return "there is no such field (docs/reference.md, or kubectl explain)"
    return words.removeprefix("Value error, ")


def parse(model: type[M], document: Sourced) -> M:
    """Raises ActionError with file, line and field of each mistake, a line each."""
    try:
        return model.model_validate(document.obj)
    except ValidationError as exc:
        mistakes = [f"{document.where(path)}: {path}: {words}" for path, words in problems(exc)]
        raise ActionError("\n".join(mistakes)) from exc


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path.lstrip(".")
