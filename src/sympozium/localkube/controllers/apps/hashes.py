"""Names from contents, in letters that spell no words.

pod-template-hash is an opaque value to everybody but the one who made it. kube-controller-manager hashes a dump
of Go structures, which nobody else can repeat; ours is of the template's JSON. ControllerRevisions are hashed
over JSON there as well, so their names come out the same.
"""

import json
from typing import Any

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_PRIME, _BASIS, _MASK = 16777619, 2166136261, 0xFFFFFFFF


def fnv1(data: bytes, *, a: bool) -> int:
    """FNV-1 of 32 bits, or FNV-1a: http://www.isthe.com/chongo/tech/comp/fnv/"""
    value = _BASIS
    for byte in data:
        value = ((value ^ byte) * _PRIME if a else (value * _PRIME) ^ byte) & _MASK
    return value


def safe(number: int) -> str:
    """The decimal digits as consonants and digits that are not mistaken for letters."""
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in str(number).encode())


def canonical(value: Any) -> bytes:
    """JSON as encoding/json writes it: sorted, compact, `<`, `>` and `&` escaped."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for char, escape in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        text = text.replace(char, escape)
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").encode()


def of_template(template: Any, collisions: int | None) -> str:
    tail = b"" if collisions is None else collisions.to_bytes(8, "little")
    return safe(fnv1(canonical(template) + tail, a=True))


def of_revision(data: Any, collisions: int) -> str:
    return safe(fnv1(canonical(data) + str(collisions).encode(), a=False))
