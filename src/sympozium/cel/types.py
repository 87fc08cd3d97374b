"""Types, how messages write them, and which value fits where.

https://github.com/google/cel-spec/blob/master/doc/langdef.md#gradual-type-checking
`dyn` fits everything. A type parameter (of `list(A)`) is bound by the first thing that it meets, and widened to
`dyn` when it meets something dynamic.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

UNBOUNDED: Final = 2**64 - 1
"""A size of which nothing is known, as in Go's cost estimates."""


@dataclass(frozen=True, slots=True, eq=False)
class Type:
    """`kind` is dyn, null, bool, int, uint, double, string, bytes, timestamp, duration, list, map, type, opaque,
    object, param or error. `most` is the largest number of elements or characters that a schema allows here
    (None: not known); `fields` are those of an object, None when any name is a field.
    """

    kind: str
    name: str
    params: tuple["Type", ...] = ()
    fields: Mapping[str, "Type"] | None = field(default_factory=dict)
    most: int | None = None

    def __str__(self) -> str:
        """As messages write it: `map(string, int)`."""
        if not self.params:
            return self.name
        return f"{self.name}({', '.join(str(param) for param in self.params)})"

    @property
    def dynamic(self) -> bool:
        return self.kind in {"dyn", "error"}


DYN: Final = Type("dyn", "dyn")
ERROR: Final = Type("error", "!error!")
NULL: Final = Type("null", "null")
BOOL: Final = Type("bool", "bool")
INT: Final = Type("int", "int")
UINT: Final = Type("uint", "uint")
DOUBLE: Final = Type("double", "double")
STRING: Final = Type("string", "string")
BYTES: Final = Type("bytes", "bytes")
TIMESTAMP: Final = Type("timestamp", "timestamp")
DURATION: Final = Type("duration", "duration")
A: Final = Type("param", "A")
B: Final = Type("param", "B")
QUANTITY: Final = Type("object", "kubernetes.Quantity")
URL: Final = Type("object", "kubernetes.URL")
SEMVER: Final = Type("object", "kubernetes.Semver")
FORMAT: Final = Type("object", "kubernetes.NamedFormat")
IP: Final = Type("opaque", "net.IP")
CIDR: Final = Type("opaque", "net.CIDR")
_AUTHZ = "kubernetes.authorization"
PATH_CHECK: Final = Type("object", f"{_AUTHZ}.PathCheck")
GROUP_CHECK: Final = Type("object", f"{_AUTHZ}.GroupCheck")
RESOURCE_CHECK: Final = Type("object", f"{_AUTHZ}.ResourceCheck")
AUTHORIZER: Final = Type("object", f"{_AUTHZ}.Authorizer", fields={"requestResource": RESOURCE_CHECK})
DECISION: Final = Type("object", f"{_AUTHZ}.Decision")


def list_of(element: Type, most: int | None = None) -> Type:
    return Type("list", "list", (element,), most=most)


def map_of(key: Type, value: Type, most: int | None = None) -> Type:
    return Type("map", "map", (key, value), most=most)


def optional_of(inner: Type) -> Type:
    return Type("opaque", "optional_type", (inner,))


def type_of(inner: Type) -> Type:
    return Type("type", "type", (inner,))


def object_of(name: str, fields: Mapping[str, Type] | None) -> Type:
    return Type("object", name, fields=fields)


def is_optional(kind: Type) -> bool:
    return kind.name == "optional_type" and bool(kind.params)


NAMED: Final[dict[str, Type]] = {
    "bool": BOOL,
    "int": INT,
    "uint": UINT,
    "double": DOUBLE,
    "string": STRING,
    "bytes": BYTES,
    "null_type": NULL,
    "list": list_of(DYN),
    "map": map_of(DYN, DYN),
    "type": type_of(DYN),
    "optional_type": optional_of(DYN),
    "google.protobuf.Timestamp": TIMESTAMP,
    "google.protobuf.Duration": DURATION,
    "net.IP": IP,
    "net.CIDR": CIDR,
}
"""Identifiers that stand for types."""

Bindings = dict[str, Type]


def substitute(kind: Type, bound: Bindings, *, free_to_dyn: bool = False) -> Type:
    """The type with its parameters replaced; those that nothing bound become dyn at the end."""
    if kind.kind == "param":
        found = bound.get(kind.name)
        if found is not None:
            return substitute(found, bound, free_to_dyn=free_to_dyn)
        return DYN if free_to_dyn else kind
    if not kind.params:
        return kind
    params = tuple(substitute(param, bound, free_to_dyn=free_to_dyn) for param in kind.params)
    if params == kind.params:
        return kind
    return Type(kind.kind, kind.name, params, kind.fields, kind.most)


def same(first: Type, second: Type) -> bool:
    """Whether both are one type."""
    if first is second:
        return True
    if first.kind != second.kind or first.name != second.name or len(first.params) != len(second.params):
        return False
    return all(same(a, b) for a, b in zip(first.params, second.params, strict=True))


def all_assignable(given: Sequence[Type], wanted: Sequence[Type], bound: Bindings) -> Bindings | None:
    """The bindings under which each given type fits the wanted one; None when they do not."""
    tried = dict(bound)
    for one, other in zip(given, wanted, strict=True):
        if not _assignable(one, other, tried):
            return None
    return tried


def assignable(given: Type, wanted: Type, bound: Bindings) -> bool:
    """Whether it fits; `bound` has the parameters that this bound, and is as before when it does not."""
    tried = all_assignable((given,), (wanted,), bound)
    if tried is None:
        return False
    bound.update(tried)
    return True


def _assignable(given: Type, wanted: Type, bound: Bindings) -> bool:
    if given is wanted and wanted.kind != "param":
        return True
    if wanted.kind == "param":
        fits, taken = _bind(given, wanted, bound)
        if fits or taken:
            return fits
    if given.kind == "param":
        return _bind(wanted, given, bound)[0]
    if given.dynamic or wanted.dynamic:
        return True
    if given.kind == "null":
        return wanted.kind in {"null", "object", "timestamp", "duration"}
    if wanted.kind == "null":
        return given.kind in {"object", "timestamp", "duration"}
    if given.kind == wanted.kind == "type":
        return True
    if given.kind != wanted.kind or given.name != wanted.name or len(given.params) != len(wanted.params):
        return False
    return all(_assignable(a, b, bound) for a, b in zip(given.params, wanted.params, strict=True))


def _bind(given: Type, param: Type, bound: Bindings) -> tuple[bool, bool]:
    """(whether it fits, whether the parameter already stood for something)."""
    if given.kind == "param" and given.name == param.name:
        return True, True
    before = bound.get(param.name)
    if before is not None:
        if not _assignable(given, before, bound):
            return False, True
        wider = given if _wider(given, before) else before
        if not _mentions(wider, param.name, bound):
            bound[param.name] = wider
        return True, True
    if _mentions(given, param.name, bound):
        return False, False
    bound[param.name] = given
    return True, False


def _wider(first: Type, second: Type) -> bool:
    """Whether the first is the more general: dynamic, or has something dynamic inside."""
    if first.dynamic:
        return True
    if second.dynamic:
        return False
    if second.kind == "param" and first.kind != "param":
        return True
    if len(first.params) != len(second.params) or not first.params:
        return False
    return all(same(a, b) or _wider(a, b) for a, b in zip(first.params, second.params, strict=True))


def _mentions(kind: Type, name: str, bound: Bindings) -> bool:
    if kind.kind == "param":
        if kind.name == name:
            return True
        found = bound.get(kind.name)
        return found is not None and _mentions(found, name, bound)
    return any(_mentions(param, name, bound) for param in kind.params)


def joined(types: Iterable[Type]) -> str:
    return ", ".join(str(kind) for kind in types)
