"""Semantic versions. https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-semver-library"""

import re
from typing import Any

from sympozium.cel.declarations import Overload, function, method
from sympozium.cel.errors import EvaluationError
from sympozium.cel.types import BOOL, INT, SEMVER, STRING
from sympozium.cel.values import Opaque

_PART = re.compile(r"[0-9A-Za-z-]+")


class Version(Opaque):
    __slots__ = ("numbers", "pre")
    cel_name = SEMVER.name

    def __init__(self, numbers: tuple[int, int, int], pre: tuple[str, ...]) -> None:
        self.numbers = numbers
        self.pre = pre

    def order(self) -> tuple[Any, ...]:
        """A release comes after its pre-releases; numbers before words."""
        parts = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in self.pre)
        return (*self.numbers, not self.pre, parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and other.order() == self.order()

    def __hash__(self) -> int:
        return hash(self.order())


def parse(text: str, normalize: bool = False) -> Version:  # CEL has no keywords
    """Raises EvaluationError with the text of Go's semver."""
    if not text:
        raise EvaluationError("Version string empty")
    if normalize:
        text = _normal(text)
    parts = text.split(".", 2)
    if len(parts) != 3:
        raise EvaluationError("No Major.Minor.Patch elements found")
    tail, _, build = parts[2].partition("+")
    patch, dash, pre = tail.partition("-")
    numbers = tuple(
        _number(part, name)
        for part, name in zip((*parts[:2], patch), ("major", "minor", "patch"), strict=True)
    )
    words = tuple(pre.split(".")) if dash else ()
    for word in words:
        _check(word, "prerelease")
        if word.isdigit() and len(word) > 1 and word[0] == "0":
            raise EvaluationError(f'Numeric PreRelease version must not contain leading zeroes "{word}"')
    for word in build.split(".") if "+" in parts[2] else ():
        _check(word, "build meta data")
    return Version((numbers[0], numbers[1], numbers[2]), words)


def _check(word: str, name: str) -> None:
    if not word:
        raise EvaluationError(f"{name.capitalize()} is empty")
    if not _PART.fullmatch(word):
        raise EvaluationError(f'Invalid character(s) found in {name} "{word}"')


def _number(text: str, name: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise EvaluationError(f'Invalid character(s) found in {name} number "{text}"')
    if len(text) > 1 and text[0] == "0":
        raise EvaluationError(f'{name.capitalize()} number must not contain leading zeroes "{text}"')
    return int(text)


def _normal(text: str) -> str:
    """`v1.02` -> `1.2.0`."""
    match = re.fullmatch(r"v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?([-+].*)?", text)
    if match is None:
        return text.removeprefix("v")
    return ".".join(str(int(part or 0)) for part in match.groups()[:3]) + (match[4] or "")


def _valid(text: str, normalize: bool = False) -> bool:  # CEL has no keywords
    try:
        parse(text, normalize)
    except EvaluationError:
        return False
    return True


def _compare(first: Version, second: Version) -> int:
    one, two = first.order(), second.order()
    return int(one > two) - int(one < two)


OVERLOADS: list[Overload] = [
    function("semver", (STRING,), SEMVER, parse),
    function("semver", (STRING, BOOL), SEMVER, parse),
    function("isSemver", (STRING,), BOOL, _valid),
    function("isSemver", (STRING, BOOL), BOOL, _valid),
    method("isGreaterThan", (SEMVER, SEMVER), BOOL, lambda a, b: _compare(a, b) > 0),
    method("isLessThan", (SEMVER, SEMVER), BOOL, lambda a, b: _compare(a, b) < 0),
    method("compareTo", (SEMVER, SEMVER), INT, _compare),
    *(
        method(name, (SEMVER,), INT, lambda version, index=index: version.numbers[index])
        for index, name in enumerate(("major", "minor", "patch"))
    ),
]
