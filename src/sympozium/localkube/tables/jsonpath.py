r"""The JSONPath of printer columns, scale and selectable fields: Kubernetes' dialect, compiled once.

Supported: `.a.b`, `.a\.b`, `['a.b']`, `[0]`, `[-1]`, `[*]`, `[?(@.type=="Ready")]` with == and !=.
`compile_path` refuses the rest, so a CRD with such a column is refused and nothing is silently empty.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

Step = Callable[[Any], Iterable[Any]]

_PART = re.compile(
    r"""\.(?P<field>(?:[^.\[\]\\]|\\.)+)
      | \[(?P<index>-?\d+)\]
      | (?:\.)?(?P<star>\*|\[\*\])
      | \[\s*(?P<quote>['"])(?P<key>.*?)(?P=quote)\s*\]
      | \[\?\(\s*@(?P<left>(?:\.[\w\-/]+|\['[^']*'\])+)\s*(?P<op>==|!=)\s*(?P<right>"[^"]*"|'[^']*'|[\w.\-]+)\s*\)\]
    """,
    re.VERBOSE,
)


class JSONPathError(ValueError):
    """A path that this server cannot evaluate; the text names the part."""


@lru_cache(maxsize=1024)
def compile_path(path: str) -> Callable[[Any], list[Any]]:
    """A function from an object to the values that the path names. Raises JSONPathError."""
    text = path.strip()
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1].strip()
    text = text.removeprefix("$")
    steps: list[Step] = []
    at = 0
    while at < len(text):
        match = _PART.match(text, at)
        if match is None or match.end() == at:
            raise JSONPathError(f"{path}: cannot understand {text[at:]!r}")
        steps.append(_step(match))
        at = match.end()

    def evaluate(obj: Any) -> list[Any]:
        values = [obj]
        for step in steps:
            values = [found for value in values for found in step(value)]
        return values

    return evaluate


def _step(match: re.Match[str]) -> Step:
    if (name := match["field"]) is not None:
        return _field(re.sub(r"\\(.)", r"\1", name)) if name != "*" else _all
    if match["key"] is not None:
        return _field(match["key"])
    if match["index"] is not None:
        return _index(int(match["index"]))
    if match["star"] is not None:
        return _all
    return _filter(match["left"], match["op"], match["right"].strip("\"'"))


def _field(name: str) -> Step:
    return lambda value: [value[name]] if isinstance(value, dict) and name in value else []


def _index(index: int) -> Step:
    return lambda value: (
        [value[index]] if isinstance(value, list) and -len(value) <= index < len(value) else []
    )


def _all(value: Any) -> Iterable[Any]:
    if isinstance(value, list):
        return value
    return list(value.values()) if isinstance(value, dict) else []


def _filter(left: str, operator: str, right: str) -> Step:
    inner = compile_path(left)

    def keep(item: Any) -> bool:
        return any((_text(found) == right) == (operator == "==") for found in inner(item))

    return lambda value: [item for item in value if keep(item)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
