"""When two JSON values are the same: what decides whether a write changed anything."""

from typing import Any

_NUMBERS = (int, float)


def same(first: Any, second: Any) -> bool:
    """Equal as JSON: true is not 1, 1.0 is 1, the order of keys does not count."""
    if first.__class__ is not second.__class__:
        return first.__class__ in _NUMBERS and second.__class__ in _NUMBERS and bool(first == second)
    if first.__class__ is dict:
        return len(first) == len(second) and all(
            key in second and same(value, second[key]) for key, value in first.items()
        )
    if first.__class__ is list:
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second)
