"""Strings: the language's own methods, the strings extension (version 2), regular expressions, JSON pointers.

https://pkg.go.dev/github.com/google/cel-go/ext#Strings. Results have a bound, since a text of text may be
multiplied without costing anything.
"""

import re
from typing import Any, Final

from sympozium.cel.declarations import Overload, function, method
from sympozium.cel.errors import CostError, EvaluationError
from sympozium.cel.types import BOOL, INT, STRING, list_of
from sympozium.goregex import compiled

LONGEST: Final = 16_000_000
"""Characters of a result."""
_STRINGS = list_of(STRING)


def bounded(length: int) -> None:
    if length > LONGEST:
        raise CostError("operation cancelled: actual cost limit exceeded")


def pattern(text: str) -> Any:
    try:
        return compiled(text)
    except ValueError as error:
        raise EvaluationError(str(error)) from None


def _char_at(text: str, index: int) -> str:
    if not 0 <= index <= len(text):
        raise EvaluationError(f"index out of range: {index}")
    return text[index : index + 1]


def _index_of(text: str, part: str, start: int = 0) -> int:
    if start < 0:
        raise EvaluationError(f"index out of range: {start}")
    if not part:
        return min(start, len(text)) if start <= len(text) else -1
    return text.find(part, start)


def _last_index_of(text: str, part: str, end: int | None = None) -> int:
    if end is not None and end < 0:
        raise EvaluationError(f"index out of range: {end}")
    if end is None:
        return text.rfind(part)
    if not part:
        return min(end, len(text))
    return text.rfind(part, 0, end + len(part))


def _substring(text: str, start: int, end: int | None = None) -> str:
    if end is None:
        if not 0 <= start <= len(text):
            raise EvaluationError(f"index out of range: {start}")
        return text[start:]
    if start > end:
        raise EvaluationError(f"invalid substring range. start: {start}, end: {end}")
    for index in (start, end):
        if not 0 <= index <= len(text):
            raise EvaluationError(f"index out of range: {index}")
    return text[start:end]


def _replace(text: str, old: str, new: str, count: int = -1) -> str:
    found = text.count(old)
    times = found if count < 0 else min(found, count)
    bounded(len(text) + times * max(len(new) - len(old), 0))
    return text.replace(old, new, times)


def _split(text: str, separator: str, limit: int = -1) -> list[str]:
    if limit == 0:
        return []
    if not separator:
        parts = list(text)
        if 0 < limit < len(parts):
            return [*parts[: limit - 1], "".join(parts[limit - 1 :])]
        return parts
    return text.split(separator, limit - 1 if limit > 0 else -1)


def _join(items: list[Any], separator: str = "") -> str:
    if not all(isinstance(item, str) for item in items):
        raise EvaluationError("no such overload")
    bounded(sum(len(item) for item in items) + len(separator) * len(items))
    return separator.join(items)


_ESCAPES: Final = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}
_ESCAPED = re.compile(r'[\a\b\f\n\r\t\v\\"]')
_SPACE: Final = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"


def quote(text: str) -> str:
    return '"' + _ESCAPED.sub(lambda match: _ESCAPES[match[0]], text) + '"'


def _find(text: str, expression: str) -> str:
    match = pattern(expression).search(text)
    return str(match[0]) if match else ""


def _find_all(text: str, expression: str, limit: int = -1) -> list[str]:
    found: list[str] = []
    for match in pattern(expression).finditer(text):
        if 0 <= limit <= len(found):
            break
        found.append(match[0])
    return found


_UPPER = {low: low - 32 for low in range(ord("a"), ord("z") + 1)}
_LOWER = {up: up + 32 for up in range(ord("A"), ord("Z") + 1)}


def _matches(text: str, expression: str) -> bool:
    return pattern(expression).search(text) is not None


OVERLOADS: list[Overload] = [
    method("contains", (STRING, STRING), BOOL, lambda text, part: part in text),
    method("startsWith", (STRING, STRING), BOOL, str.startswith),
    method("endsWith", (STRING, STRING), BOOL, str.endswith),
    method("matches", (STRING, STRING), BOOL, _matches),
    function("matches", (STRING, STRING), BOOL, _matches),
    method("find", (STRING, STRING), STRING, _find),
    method("findAll", (STRING, STRING), _STRINGS, _find_all),
    method("findAll", (STRING, STRING, INT), _STRINGS, _find_all),
    method("charAt", (STRING, INT), STRING, _char_at),
    method("indexOf", (STRING, STRING), INT, _index_of),
    method("indexOf", (STRING, STRING, INT), INT, _index_of),
    method("lastIndexOf", (STRING, STRING), INT, _last_index_of),
    method("lastIndexOf", (STRING, STRING, INT), INT, _last_index_of),
    method("lowerAscii", (STRING,), STRING, lambda text: text.translate(_LOWER)),
    method("upperAscii", (STRING,), STRING, lambda text: text.translate(_UPPER)),
    method("replace", (STRING, STRING, STRING), STRING, _replace),
    method("replace", (STRING, STRING, STRING, INT), STRING, _replace),
    method("split", (STRING, STRING), _STRINGS, _split),
    method("split", (STRING, STRING, INT), _STRINGS, _split),
    method("substring", (STRING, INT), STRING, _substring),
    method("substring", (STRING, INT, INT), STRING, _substring),
    method("trim", (STRING,), STRING, lambda text: text.strip(_SPACE)),
    method("join", (_STRINGS,), STRING, _join),
    method("join", (_STRINGS, STRING), STRING, _join),
    function("strings.quote", (STRING,), STRING, quote),
]

JSON_PATCH: list[Overload] = [
    function(
        "jsonpatch.escapeKey", (STRING,), STRING, lambda text: text.replace("~", "~0").replace("/", "~1")
    ),
]
"""What mutating policies have beside the rest."""
