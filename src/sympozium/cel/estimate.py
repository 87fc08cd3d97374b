"""The least and the most that an expression can cost, from its types and the sizes that they allow.

Kubernetes refuses rules of a CRD by these numbers, so they are cel-go's: where nothing is known of a size, it is
unbounded. `Type.most` bounds what is read from the schema; sizes of what is made are followed here.
"""

import math
from dataclasses import dataclass
from typing import Final

from sympozium.cel import ast, macros
from sympozium.cel.ast import Expr
from sympozium.cel.costs import AUTHORIZE, REGEX, STRING
from sympozium.cel.types import UNBOUNDED, Type

Range = tuple[int, int]
"""(least, most) of a cost or a size; UNBOUNDED is the most there is."""
FREE: Final[Range] = (0, 0)
ONE: Final[Range] = (1, 1)
UNKNOWN: Final[Range] = (0, UNBOUNDED)
_SCALARS: Final = frozenset({"bool", "int", "uint", "double", "timestamp", "duration"})
_NOMINAL: Final = frozenset(
    [
        "serviceAccount",
        "path",
        "group",
        "resource",
        "subresource",
        "namespace",
        "name",
        "allowed",
        "reason",
        "error",
        "errored",
        "masked",
        "prefixLength",
        "family",
        "isUnspecified",
        "isLoopback",
        "isLinkLocalMulticast",
        "isLinkLocalUnicast",
        "isGlobalUnicast",
        "sign",
        "asInteger",
        "isInteger",
        "asApproximateFloat",
        "isGreaterThan",
        "isLessThan",
        "compareTo",
        "add",
        "sub",
        "major",
        "minor",
        "patch",
        "getScheme",
        "getHostname",
        "getHost",
        "getPort",
        "getEscapedPath",
        "getQuery",
        "format.named",
    ]
)
_PARSED: Final = frozenset({"cidr", "isIP", "isCIDR", "quantity", "isQuantity", "semver", "isSemver"})
_COMPARED: Final = frozenset({"_<_", "_<=_", "_>_", "_>=_"})


def _up(value: float) -> int:
    return UNBOUNDED if value >= UNBOUNDED else math.ceil(value)


def add(first: Range, second: Range) -> Range:
    return min(first[0] + second[0], UNBOUNDED), min(first[1] + second[1], UNBOUNDED)


def times(first: Range, second: Range) -> Range:
    return min(first[0] * second[0], UNBOUNDED), min(first[1] * second[1], UNBOUNDED)


def scaled(size: Range, factor: float) -> Range:
    return _up(size[0] * factor), _up(size[1] * factor)


def union(first: Range, second: Range) -> Range:
    return min(first[0], second[0]), max(first[1], second[1])


def total(parts: list[Range]) -> Range:
    made = FREE
    for part in parts:
        made = add(made, part)
    return made


@dataclass(slots=True)
class _Entry:
    """Sizes of the keys and values of something that was made."""

    list_like: bool
    key: Range
    value: Range


@dataclass(slots=True)
class _Local:
    size: Range | None
    entry: _Entry | None
    path: bool
    """Whether it is a place of the schema."""


def estimate(tree: Expr, *, root: int | None = None) -> Range:
    """(least, most) of a checked tree. `root` is the most elements of `self`; names of types are taken to be as
    large, since cel-go looks them up as if they were paths into it.
    """
    return _Estimator(root).cost(tree)


class _Estimator:
    def __init__(self, root: int | None) -> None:
        self._root = root
        self._sizes: dict[int, Range] = {}
        self._entries: dict[int, _Entry] = {}
        self._paths: dict[int, bool] = {}
        self._locals: dict[str, list[_Local]] = {}

    def cost(self, expr: Expr) -> Range:
        match expr:
            case ast.Const():
                return FREE
            case ast.Ident():
                local = self._local(expr.name)
                self._paths[id(expr)] = local.path if local is not None else True
                return ONE
            case ast.Select():
                return self._select(expr)
            case ast.Call():
                return self._call(expr)
            case ast.List():
                return self._list(expr)
            case ast.Map():
                return self._map(expr)
            case ast.Struct():
                return add(total([self.cost(value) for _, value, _, _ in expr.fields]), (40, 40))
            case ast.Comprehension():
                return self._bind(expr) if macros.is_bind(expr) else self._loop(expr)
        return FREE

    def _local(self, name: str) -> _Local | None:
        found = self._locals.get(name)
        return found[-1] if found else None

    def _push(self, name: str, local: _Local) -> None:
        self._locals.setdefault(name, []).append(local)

    def _select(self, expr: ast.Select) -> Range:
        operand = self.cost(expr.operand)
        if expr.test:
            return operand
        self._paths[id(expr)] = self._path(expr.operand)
        kind = expr.operand.type.kind
        return add(operand, ONE) if kind in {"map", "object", "param"} else operand

    def _path(self, expr: Expr) -> bool:
        return self._paths.get(id(expr), False)

    # sizes

    def size(self, expr: Expr) -> Range | None:
        found = self._sizes.get(id(expr))
        if found is not None:
            return found
        match expr:
            case ast.Const():
                value = expr.value
                length = len(value) if isinstance(value, str | bytes) else 1
                return length, length
            case ast.List():
                return len(expr.items), len(expr.items)
            case ast.Map():
                return len(expr.entries), len(expr.entries)
        if isinstance(expr, ast.Ident) and expr.is_type and self._root is not None:
            return 0, self._root
        if self._path(expr) and expr.type.most is not None:
            return 0, expr.type.most
        if expr.type.kind in _SCALARS:
            return ONE
        local = self._local(expr.name) if isinstance(expr, ast.Ident) else None
        return None if local is None else local.size

    def known(self, expr: Expr) -> Range:
        found = self.size(expr)
        return UNKNOWN if found is None else found

    def _entry(self, expr: Expr) -> _Entry | None:
        found = self._entries.get(id(expr))
        if found is None and isinstance(expr, ast.Ident):
            local = self._local(expr.name)
            return None if local is None else local.entry
        return found

    def _element(self, expr: Expr) -> Range:
        """The size of an element of a list, by what its schema says."""
        params = expr.type.params
        if params and self._path(expr) and params[0].most is not None:
            return 0, params[0].most
        return UNKNOWN

    # what is made

    def _list(self, expr: ast.List) -> Range:
        made, item = FREE, (UNBOUNDED if expr.items else 0, 0)
        for part in expr.items:
            made = add(made, self.cost(part))
            item = union(item, self.known(part))
        self._entries[id(expr)] = _Entry(list_like=True, key=ONE, value=item)
        return add(made, (10, 10))

    def _map(self, expr: ast.Map) -> Range:
        made = FREE
        keys = values = (UNBOUNDED if expr.entries else 0, 0)
        for key, value, _ in expr.entries:
            made = add(add(made, self.cost(key)), self.cost(value))
            keys, values = union(keys, self.known(key)), union(values, self.known(value))
        self._entries[id(expr)] = _Entry(list_like=False, key=keys, value=values)
        return add(made, (30, 30))

    def _bind(self, expr: ast.Comprehension) -> Range:
        made = add(self.cost(expr.over), self.cost(expr.init))
        self._push(expr.accu, _Local(self.size(expr.init), self._entry(expr.init), self._path(expr.init)))
        made = add(made, self.cost(expr.result))
        self._locals[expr.accu].pop()
        self._copy(expr, expr.result)
        return made

    def _copy(self, to: Expr, source: Expr) -> None:
        size, entry = self.size(source), self._entry(source)
        if size is not None:
            self._sizes[id(to)] = size
        if entry is not None:
            self._entries[id(to)] = entry

    def _loop(self, expr: ast.Comprehension) -> Range:
        made = add(self.cost(expr.over), self.cost(expr.init))
        self._push(expr.accu, _Local(self.size(expr.init), self._entry(expr.init), path=False))
        entry, path = self._entry(expr.over), self._path(expr.over)
        list_like = entry.list_like if entry is not None else expr.over.type.kind == "list"
        if expr.second:
            self._push(expr.var, _Local(entry.key if entry else None, None, path))
            self._push(expr.second, _Local(entry.value if entry else None, None, path))
        else:
            one = None if entry is None else entry.value if list_like else entry.key
            self._push(expr.var, _Local(one, None, path))
        turn = add(self.cost(expr.cond), self.cost(expr.step))
        self._locals[expr.var].pop()
        if expr.second:
            self._locals[expr.second].pop()
        made = add(made, self.cost(expr.result))
        self._locals[expr.accu].pop()
        count = self.known(expr.over)
        if isinstance(expr.init, ast.List | ast.Map):
            self._sizes[id(expr)] = count
            step_entry = self._entry(expr.step)
            if step_entry is not None:
                self._entries[id(expr)] = step_entry
        else:
            self._sizes[id(expr)] = self.known(expr.init)
        return add(made, times(count, turn))

    # calls

    def _call(self, expr: ast.Call) -> Range:
        if expr.name == "dyn":
            made = add(self.cost(expr.args[0]), ONE)
            self._copy(expr, expr.args[0])
            return made
        costs = [self.cost(arg) for arg in expr.args]
        target = self.cost(expr.target) if expr.target is not None else FREE
        if not expr.overloads:
            return FREE
        found: Range = (UNBOUNDED, 0)
        size: Range | None = None
        for overload in expr.overloads:
            part, result = self._function(expr, overload.params, costs)
            found = union(found, part)
            if result is not None:
                size = result if size is None else union(size, result)
        if expr.name in {"_[_]", "_[?_]"}:
            entry = self._entry(expr.args[0])
            size = entry.value if entry is not None else None
            self._paths[id(expr)] = self._path(expr.args[0])
        if expr.name == "_?._":
            self._paths[id(expr)] = self._path(expr.args[0])
        if size is not None:
            self._sizes[id(expr)] = size
        return add(target, found)

    def _function(
        self, expr: ast.Call, params: tuple[Type, ...], costs: list[Range]
    ) -> tuple[Range, Range | None]:
        """(cost with arguments, size of the result)."""
        name = expr.name
        if name in {"_&&_", "_||_"}:
            return (costs[0][0], add(costs[0], costs[1])[1]), None
        if name == "_?_:_":
            return self._conditional(expr, costs)
        own = (
            self._kubernetes(expr, params) or self._lists(expr) or self._standard(expr, params) or (ONE, None)
        )
        return add(own[0], total(costs)), own[1]

    def _conditional(self, expr: ast.Call, costs: list[Range]) -> tuple[Range, Range | None]:
        chosen, other = self._entry(expr.args[1]), self._entry(expr.args[2])
        if chosen is not None and other is not None:
            key, value = union(chosen.key, other.key), union(chosen.value, other.value)
            self._entries[id(expr)] = _Entry(chosen.list_like, key, value)
        return add(costs[0], union(costs[1], costs[2])), union(
            self.known(expr.args[1]), self.known(expr.args[2])
        )

    def _kubernetes(self, expr: ast.Call, params: tuple[Type, ...]) -> tuple[Range, Range | None] | None:
        name, target, args = expr.name, expr.target, expr.args
        if name == "check":
            return (AUTHORIZE, AUTHORIZE), None
        if name in _NOMINAL or (name == "ip" and params[0].name == "net.CIDR"):
            return ONE, None
        if name in {"fieldSelector", "labelSelector"}:
            length = self.known(args[0])
            return add(add((10, 10), scaled(length, STRING)), scaled(scaled(length, 0.5), 50)), None
        if name in {"isSorted", "sum", "max", "min", "indexOf", "lastIndexOf"} and target is not None:
            return self._traversed(target), None
        if name in {"url", "jsonpatch.escapeKey"}:
            return scaled(self.known(args[0]), STRING), self.known(args[0])
        if name in {"lowerAscii", "upperAscii", "substring", "trim"} and target is not None:
            return scaled(self.known(target), STRING), self.known(target)
        if name == "replace" and target is not None:
            return scaled(self.known(target), 2 * STRING), self._replaced(target, args)
        if name == "split" and target is not None:
            most = self.known(target)[1]
            if len(args) > 1 and isinstance(args[1], ast.Const):
                most = args[1].value if args[1].value >= 0 else UNBOUNDED
            return scaled(self.known(target), 2 * STRING), (0, most)
        if name == "join" and target is not None:
            return self._joined(target, args)
        if name in {"find", "findAll"} and target is not None:
            text = self.known(target)
            cost = times(scaled(add(text, ONE), STRING), scaled(self.known(args[0]), REGEX))
            return cost, (0, text[1])
        if name in _PARSED or (name == "ip" and target is None):
            return scaled(self.known(args[0]), STRING), None
        return self._networks(expr, params)

    def _networks(self, expr: ast.Call, params: tuple[Type, ...]) -> tuple[Range, Range | None] | None:
        name, args = expr.name, expr.args
        if name == "ip.isCanonical":
            return scaled(self.known(args[0]), 2 * STRING), None
        if name in {"containsIP", "containsCIDR"}:
            cost = scaled((8, 32), STRING)
            if name == "containsCIDR":
                cost = add(add(cost, scaled((4, 16), STRING)), ONE)
            if params[1].kind == "string":
                cost = add(cost, scaled(self.known(args[0]), STRING))
            return cost, None
        if name == "validate":
            return scaled(scaled(self.known(args[0]), STRING), 128 * REGEX), None
        if name == "_==_" and args[0].type.name == args[1].type.name:
            kind = args[0].type.name
            if kind == "kubernetes.NamedFormat":
                return scaled((1, 64), STRING), None
            if kind.startswith(("kubernetes.authorization.", "net.")) or kind in {
                "kubernetes.Quantity",
                "kubernetes.Semver",
            }:
                return ONE, None
            if kind == "kubernetes.URL":
                return scaled(ONE, STRING), None
        return None

    def _traversed(self, target: Expr) -> Range:
        count = self.known(target)
        if target.type.kind == "list":
            item: Range = ONE
            if target.type.params[0].kind in {"string", "bytes"}:
                item = add(item, scaled(self._element(target), STRING))
            return times(count, item)
        return scaled(count, STRING)

    def _replaced(self, target: Expr, args: list[Expr]) -> Range:
        text, old, new = self.known(target), self.known(args[0]), self.known(args[1])
        if old[0] == 0:
            most = add(times((0, text[1] + 1), (0, new[1])), (0, text[1]))[1]
        elif new[1] <= old[0]:
            most = text[1]
        else:
            most = min(_up(text[1] / old[0]) * new[1], UNBOUNDED)
        if old[1] == 0:
            least = (text[0] + 1) * new[0] + text[0]
        elif old[1] <= new[0]:
            least = text[0]
        else:
            least = _up(text[0] / old[1]) * new[0]
        return min(least, UNBOUNDED), min(most, UNBOUNDED)

    def _joined(self, target: Expr, args: list[Expr]) -> tuple[Range, Range | None]:
        count = self.known(target)
        size = times(count, self._element(target))
        if args:
            size = add(size, times(self.known(args[0]), (max(count[0] - 1, 0), max(count[1] - 1, 0))))
        return scaled(size, STRING), size

    def _lists(self, expr: ast.Call) -> tuple[Range, Range | None] | None:
        """The lists extension and sets."""
        name, target, args = expr.name, expr.target, expr.args
        if name in {"sets.contains", "sets.intersects", "sets.equivalent"}:
            factor = 2 if name == "sets.equivalent" else 1
            return add(scaled(times(self.known(args[0]), self.known(args[1])), factor), ONE), None
        made: Range
        if name == "lists.range":
            count = args[0].value if isinstance(args[0], ast.Const) else UNBOUNDED
            made = (max(count, 0), max(count, 0))
        elif target is None:
            return None
        elif name == "slice":
            start = args[0].value if isinstance(args[0], ast.Const) else 0
            end = args[1].value if isinstance(args[1], ast.Const) else self.known(target)[1]
            made = (max(end - start, 0), max(end - start, 0))
        elif name == "reverse":
            made = self.known(target)
        elif name == "flatten":
            depth = args[0].value if args and isinstance(args[0], ast.Const) else UNBOUNDED if args else 1
            return add(scaled(self.known(target), float(depth)), (11, 11)), self.known(target)
        elif name in {"distinct", "sort", "@sortByAssociatedKeys"}:
            listed = args[0] if name == "@sortByAssociatedKeys" else target
            size = self.known(listed)
            kinds = listed.type.params
            weight = 2.0 + (
                STRING if name != "distinct" and kinds and kinds[0].kind in {"string", "bytes"} else 0
            )
            return add(scaled(times(size, size), weight), (11, 11)), times(size, size)
        else:
            return None
        return add(made, (11, 11)), made

    def _standard(self, expr: ast.Call, params: tuple[Type, ...]) -> tuple[Range, Range | None] | None:
        name, target, args = expr.name, expr.target, expr.args
        if name == "format" and target is not None:
            return scaled(self.known(target), STRING), None
        if name == "bytes" and params[0].kind == "string":
            size = self.known(args[0])
            return scaled(size, STRING), (size[0], min(size[1] * 4, UNBOUNDED))
        if name == "string" and params[0].kind == "bytes":
            size = self.known(args[0])
            return scaled(size, STRING), (size[0] // 4, size[1])
        if name == "strings.quote":
            size = self.known(args[0])
            return scaled(size, STRING), (min(size[0] + 2, UNBOUNDED), min(size[1] * 2 + 2, UNBOUNDED))
        if name in {"startsWith", "endsWith"}:
            return scaled(self.known(args[0]), STRING), None
        if name == "@in" and params[1].kind == "list":
            return self.known(args[1]), None
        if name == "matches" and target is not None:
            text = scaled(add(self.known(target), ONE), STRING)
            return times(text, scaled(self.known(args[0]), REGEX)), None
        if name == "contains" and target is not None:
            return times(scaled(self.known(target), STRING), scaled(self.known(args[0]), STRING)), None
        if name == "_+_" and params[0].kind in {"string", "bytes", "list"}:
            return self._added(expr, params[0].kind)
        if name in {"_==_", "_!=_"} or (name in _COMPARED and params[0].kind in {"string", "bytes"}):
            most = min(self.known(args[0])[1], self.known(args[1])[1])
            return scaled((1 if most else 0, most), STRING), None
        return None

    def _added(self, expr: ast.Call, kind: str) -> tuple[Range, Range | None]:
        first, second = expr.args
        size = add(self.known(first), self.known(second))
        one, two = self._entry(first), self._entry(second)
        if one is not None and two is not None:
            self._entries[id(expr)] = _Entry(
                one.list_like, union(one.key, two.key), union(one.value, two.value)
            )
        return (ONE if kind == "list" else scaled(size, STRING)), size
