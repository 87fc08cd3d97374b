"""Values that JSON does not have, and what all values share: names of types, equality, order, size.

null, bool, int, float, str, bytes, list and dict are Python's own; an unsigned integer is a `UInt`. Times are
whole nanoseconds, because Kubernetes' are.
"""

from collections.abc import Hashable, Iterable
from typing import Any, ClassVar, Final

from sympozium.cel.errors import EvaluationError, NoOverloadError

MAX_INT: Final = 2**63 - 1
MIN_INT: Final = -(2**63)
MAX_UINT: Final = 2**64 - 1
SECOND: Final = 1_000_000_000


class UInt(int):
    """An unsigned integer of 64 bits."""

    __slots__ = ()


class Timestamp:
    """Nanoseconds since 1970 in UTC."""

    __slots__ = ("ns",)
    cel_name = "google.protobuf.Timestamp"

    def __init__(self, ns: int) -> None:
        if not -62135596800 * SECOND <= ns < 253402300800 * SECOND:
            raise EvaluationError("timestamp overflow")
        self.ns = ns

    def __eq__(self, other: object) -> bool:
        return type(other) is Timestamp and other.ns == self.ns

    def __hash__(self) -> int:
        return hash((Timestamp, self.ns))


class Duration:
    """Nanoseconds."""

    __slots__ = ("ns",)
    cel_name = "google.protobuf.Duration"

    def __init__(self, ns: int) -> None:
        if not MIN_INT <= ns <= MAX_INT:
            raise EvaluationError("duration overflow")
        self.ns = ns

    def __eq__(self, other: object) -> bool:
        return type(other) is Duration and other.ns == self.ns

    def __hash__(self) -> int:
        return hash((Duration, self.ns))


class TypeValue:
    """What `type(x)` gives."""

    __slots__ = ("name",)
    cel_name = "type"

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TypeValue) and other.name == self.name

    def __hash__(self) -> int:
        return hash((TypeValue, self.name))


class Optional:
    """A value that may not be there."""

    __slots__ = ("present", "value")
    cel_name = "optional_type"

    def __init__(self, value: Any = None, *, present: bool = True) -> None:
        self.value = value
        self.present = present

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Optional) or self.present != other.present:
            return False
        return not self.present or equal(self.value, other.value)

    __hash__ = None  # type: ignore[assignment]  # no map has optionals as keys


NONE: Final = Optional(present=False)


class Opaque:
    """Base of values that functions alone can look into; `cel_name` is the name of their type."""

    __slots__ = ()
    cel_name: ClassVar[str] = ""


class BoolKey:
    """A boolean as the key of a map: to Python, True and 1 are one key."""

    __slots__ = ("value",)

    def __init__(self, value: bool) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return type(other) is BoolKey and other.value is self.value

    def __hash__(self) -> int:
        return hash((BoolKey, self.value))


class SetList(list[Any]):
    """A list of which the order means nothing (`x-kubernetes-list-type: set`)."""

    __slots__ = ()


class MapList(list[Any]):
    """A list of objects that are told apart by keys (`x-kubernetes-list-type: map`)."""

    __slots__ = ("keys",)

    def __init__(self, items: Iterable[Any], keys: tuple[str, ...]) -> None:
        super().__init__(items)
        self.keys = keys

    def key(self, item: Any) -> Hashable:
        return tuple(repr(item.get(key)) if isinstance(item, dict) else "" for key in self.keys)


_NAMES: dict[type, str] = {
    type(None): "null_type",
    bool: "bool",
    int: "int",
    UInt: "uint",
    float: "double",
    str: "string",
    bytes: "bytes",
}


def type_name(value: Any) -> str:
    """`int`, `google.protobuf.Duration`, `kubernetes.Quantity`, ..."""
    found = _NAMES.get(type(value))
    if found is not None:
        return found
    if isinstance(value, list):
        return "list"
    if isinstance(value, dict):
        return "map"
    return str(value.cel_name)


_GO_NAMES = {
    "int": "types.Int",
    "uint": "types.Uint",
    "double": "types.Double",
    "bool": "types.Bool",
    "string": "types.String",
    "bytes": "types.Bytes",
    "null_type": "types.Null",
    "google.protobuf.Timestamp": "types.Timestamp",
    "google.protobuf.Duration": "types.Duration",
    "optional_type": "*types.Optional",
}


def go_name(value: Any) -> str:
    """The name of the value's type in Go, which one message shows."""
    name = type_name(value)
    return _GO_NAMES.get(name, name)


def is_number(value: Any) -> bool:
    return type(value) in {int, UInt, float}


def equal(first: Any, second: Any) -> bool:
    """CEL's equality: numbers by value, everything else by type and content."""
    kind = type(first)
    if kind is str or kind is bool or first is None:
        return type(second) is kind and bool(first == second)
    if kind in {int, UInt, float}:
        return type(second) in {int, UInt, float} and bool(first == second)
    if isinstance(first, list):
        return isinstance(second, list) and _equal_lists(first, second)
    if isinstance(first, dict):
        return isinstance(second, dict) and _equal_maps(first, second)
    return type(second) is kind and bool(first == second)


def _equal_lists(first: list[Any], second: list[Any]) -> bool:
    if len(first) != len(second):
        return False
    if isinstance(first, MapList):
        others = {first.key(item): item for item in second}
        return all(first.key(item) in others and equal(item, others[first.key(item)]) for item in first)
    if isinstance(first, SetList):
        return {repr(item) for item in first} == {repr(item) for item in second}
    return all(equal(a, b) for a, b in zip(first, second, strict=True))


def _equal_maps(first: dict[Any, Any], second: dict[Any, Any]) -> bool:
    if len(first) != len(second):
        return False
    missing = object()
    for key, value in first.items():
        other = second.get(key, missing)
        if other is missing or not equal(value, other):
            return False
    return True


def compare(first: Any, second: Any) -> int:
    """-1, 0 or 1. Raises NoOverloadError for what has no order."""
    one, two = type(first), type(second)
    if one in {int, UInt, float} and two in {int, UInt, float}:
        return int(first > second) - int(first < second)
    if one is two and one in {str, bytes, bool}:
        return int(first > second) - int(first < second)
    if one is two and one in {Timestamp, Duration}:
        return int(first.ns > second.ns) - int(first.ns < second.ns)
    raise NoOverloadError


def size(value: Any) -> int:
    """Characters, bytes or elements; 1 for what has no size. What costs are counted by."""
    kind = type(value)
    if kind is str or kind is bytes or isinstance(value, list | dict):
        return len(value)
    if kind is Optional and value.present:
        return size(value.value)
    return int(getattr(value, "cel_size", 1))


def key_of(value: Any) -> Hashable:
    """A value as the key of a Python dictionary. Raises EvaluationError for what can be none."""
    kind = type(value)
    if kind is bool:
        return BoolKey(value)
    if kind in {str, int, UInt}:
        return value  # type: ignore[no-any-return]
    if kind is float:
        return value if not value.is_integer() else int(value)
    raise EvaluationError(f"unsupported key type: {type_name(value)}")


def unkeyed(key: Any) -> Any:
    return key.value if type(key) is BoolKey else key
