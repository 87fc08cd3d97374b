"""Sets of field paths, as managedFields keep them (FieldsV1).

A set is a tree of dictionaries keyed by path elements: `f:name` (a field), `k:{"name":"x"}` (an item of a
map list by its keys), `v:"a"` (an item of a set list). Inside, `.` marks that the place itself is a member;
on the wire a member without members beneath it is `{}` and `.` is written only where there are both.
https://kubernetes.io/docs/reference/using-api/server-side-apply/#structure-of-managed-fields
"""

from collections.abc import Iterator
from typing import Any

import orjson

Fields = dict[str, Any]
SELF = "."
MEMBER: Fields = {}


def decode(wire: Any) -> Fields:
    """A set from FieldsV1. What is malformed is left out, as a stale entry would be."""
    out: Fields = {}
    if isinstance(wire, dict):
        for element, below in wire.items():
            if element == SELF:
                out[SELF] = MEMBER
            elif below:
                out[element] = decode(below)
            else:
                out[element] = {SELF: MEMBER}
    return out


def encode(fields: Fields) -> Fields:
    """FieldsV1 of a set; elements are sorted, so equal sets are equal bytes."""
    out: Fields = {}
    for element in sorted(fields):
        below = fields[element]
        if element == SELF:
            out[SELF] = {}
        elif len(below) == 1 and SELF in below:
            out[element] = {}
        else:
            out[element] = encode(below)
    return out


def insert(fields: Fields, element: str) -> Fields:
    """The subtree of `element`, now a member."""
    below: Fields = fields.setdefault(element, {})
    below[SELF] = MEMBER
    return below


def union(first: Fields, second: Fields) -> Fields:
    if not first or not second:
        return first or second
    out = dict(first)
    for element, below in second.items():
        out[element] = MEMBER if element == SELF else union(out.get(element, {}), below)
    return out


def difference(first: Fields, second: Fields) -> Fields:
    """The members of `first` that are not in `second`."""
    if not second:
        return first
    out: Fields = {}
    for element, below in first.items():
        if element == SELF:
            if SELF not in second:
                out[SELF] = MEMBER
            continue
        left = difference(below, second.get(element, {}))
        if left:
            out[element] = left
    return out


def intersection(first: Fields, second: Fields) -> Fields:
    out: Fields = {}
    for element, below in first.items():
        if element not in second:
            continue
        if element == SELF:
            out[SELF] = MEMBER
            continue
        both = intersection(below, second[element])
        if both:
            out[element] = both
    return out


def paths(fields: Fields, prefix: str = "") -> Iterator[str]:
    """The members, sorted, as messages show them: `.spec.tools[name="x"].action`."""
    for element in sorted(fields):
        if element == SELF:
            if prefix:
                yield prefix
        else:
            yield from paths(fields[element], prefix + shown(element))


def shown(element: str) -> str:
    """One path element as messages show it."""
    kind, _, rest = element.partition(":")
    if kind == "f":
        return f".{rest}"
    if kind == "k":
        keys = orjson.loads(rest)
        inner = ",".join(f"{key}={orjson.dumps(value).decode()}" for key, value in keys.items())
        return f"[{inner}]"
    if kind == "v":
        return f"[={rest}]"
    return f"[{rest}]"
