"""Evaluation: each node becomes a function of the activation, which counts what it costs.

Costs are those of cel-go as kube-apiserver sets it up: a name and each field behind it 1, a list 10, a map 30, an
object 40, a call what `costs` says, constants nothing. A loop looks at the limit in each round and a call after
each use, so that an evaluation ends soon after its budget, whatever it does. Memory has a budget of its own,
because lists that are added up cost nothing in cel-go, where they are not copied.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from sympozium.localkube.cel import ast, macros
from sympozium.localkube.cel.ast import Expr
from sympozium.localkube.cel.costs import call_cost
from sympozium.localkube.cel.declarations import dispatch
from sympozium.localkube.cel.errors import CompileError, CostError, EvaluationError, NoOverloadError
from sympozium.localkube.cel.types import NAMED
from sympozium.localkube.cel.values import (
    NONE,
    Optional,
    TypeValue,
    go_name,
    key_of,
    size,
    type_name,
    unkeyed,
)

PER_CALL: Final = 1_000_000
"""Cost of one evaluation."""
SECONDS: Final = 5.0
"""Of one evaluation: what compares large values costs little by the count, and takes its time."""
MEMORY: Final = 32_000_000
"""Characters and elements that one evaluation may make."""
_CREATE_LIST, _CREATE_MAP, _CREATE_STRUCT = 10, 30, 40
_MISSING: Final = object()
_GROWING: Final = frozenset(
    {"_+_", "replace", "join", "format", "split", "flatten", "strings.quote", "findAll", "lists.range"}
)
_QUADRATIC: Final = frozenset(
    {"distinct", "sets.contains", "sets.equivalent", "sets.intersects", "matches", "find", "findAll"}
)
"""Counted before they run: a list of a million items is not compared with itself to find out."""
_FOLDED: Final = frozenset(
    {"int", "uint", "double", "string", "bytes", "bool", "timestamp", "duration", "dyn", "type"}
)


class Activation:
    """The variables of one evaluation, and what it has cost."""

    __slots__ = ("cost", "deadline", "limit", "memory", "vars")

    def __init__(self, variables: dict[str, Any], limit: int, seconds: float) -> None:
        self.vars = variables
        self.deadline = time.monotonic() + seconds
        self.cost = 0
        self.limit = limit
        self.memory = 0

    def check(self) -> None:
        if self.cost > self.limit or time.monotonic() > self.deadline:
            raise CostError("operation cancelled: actual cost limit exceeded")


Step = Callable[[Activation], Any]


def compile_tree(tree: Expr) -> Step:
    """The function for a checked tree. Raises CompileError for a constant that has no value (`int('x')`)."""
    try:
        return _compile(tree)
    except EvaluationError as error:
        raise CompileError(str(error)) from error


def run(
    step: Step, variables: Mapping[str, Any], limit: int = PER_CALL, seconds: float = SECONDS
) -> tuple[Any, int]:
    """(value, cost). Raises EvaluationError, CostError."""
    activation = Activation(dict(variables), limit, seconds)
    try:
        value = step(activation)
    except RecursionError as error:
        raise CostError("operation cancelled: the expression or its data are nested too deep") from error
    except OverflowError as error:
        raise EvaluationError("integer overflow") from error
    activation.check()
    return value, activation.cost


def _compile(expr: Expr) -> Step:
    folded = _fold(expr)
    if folded is not _MISSING:
        return lambda _a: folded
    match expr:
        case ast.Ident():
            return _ident(expr)
        case ast.Select():
            return _select(expr)
        case ast.Call():
            return _call(expr)
        case ast.List():
            return _list(expr)
        case ast.Map():
            return _map(expr)
        case ast.Struct():
            return _struct(expr)
        case ast.Comprehension():
            return _loop(expr)
    raise AssertionError(f"no such node: {expr}")


def _fold(expr: Expr) -> Any:
    """The value of a constant, or _MISSING."""
    match expr:
        case ast.Const():
            return expr.value
        case ast.List() if not expr.optional:
            items = [_fold(item) for item in expr.items]
            return _MISSING if any(item is _MISSING for item in items) else items
        case ast.Map() if not any(optional for _, _, optional in expr.entries):
            pairs = [(_fold(key), _fold(value)) for key, value, _ in expr.entries]
            if any(part is _MISSING for pair in pairs for part in pair):
                return _MISSING
            return _dict(pairs)
        case ast.Call() if (
            expr.name in _FOLDED and expr.target is None and len(expr.args) == 1 and expr.overloads
        ):
            arg = _fold(expr.args[0])
            return _MISSING if arg is _MISSING else dispatch(expr.overloads, expr.name)(arg)
    return _MISSING


def _dict(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    for key, value in pairs:
        known = key_of(key)
        if known in made:
            raise EvaluationError(f"Failed with repeated key: {key}")
        made[known] = value
    return made


def _ident(expr: ast.Ident) -> Step:
    name = expr.name
    if expr.is_type:
        value = _type_value(name)
        return lambda _a: value

    def read(a: Activation) -> Any:
        a.cost += 1
        try:
            return a.vars[name]
        except KeyError:
            raise EvaluationError(f"no such attribute(s): {name}") from None

    return read


def _type_value(name: str) -> TypeValue:
    """Types are named as `type()` names them."""
    kind = NAMED[name]
    return TypeValue(name if kind.kind not in {"list", "map", "type"} else kind.name)


def _chain(expr: Expr) -> Step:
    """The operand of a field or an index: what is no name or field itself costs one more."""
    step = _compile(expr)
    if _is_attribute(expr):
        return step

    def read(a: Activation) -> Any:
        a.cost += 1
        return step(a)

    return read


def _is_attribute(expr: Expr) -> bool:
    if isinstance(expr, ast.Ident | ast.Select):
        return True
    return isinstance(expr, ast.Call) and expr.name in {"_[_]", "_?._", "_[?_]"}


def _select(expr: ast.Select) -> Step:
    if expr.type.kind == "type":
        value = _type_value(_path(expr))
        return lambda _a: value
    operand, field = _chain(expr.operand), expr.field
    if expr.test:

        def test(a: Activation) -> Any:
            value = operand(a)
            if type(value) is Optional:
                return value.present and isinstance(value.value, dict) and field in value.value
            if not isinstance(value, dict):
                raise (
                    EvaluationError(f"no such key: {field}")
                    if not isinstance(value, list)
                    else _bad_index(field, value)
                )
            return field in value

        return test

    def read(a: Activation) -> Any:
        value = operand(a)
        a.cost += 1
        if type(value) is Optional:
            return _optional_field(value, field)
        return _field(value, field)

    return read


def _path(expr: Expr) -> str:
    if isinstance(expr, ast.Select):
        return f"{_path(expr.operand)}.{expr.field}"
    assert isinstance(expr, ast.Ident)
    return expr.name


def _field(value: Any, field: str) -> Any:
    if isinstance(value, dict):
        found = value.get(field, _MISSING)
        if found is not _MISSING:
            return found
    elif isinstance(value, list):
        raise _bad_index(field, value)
    elif field in (known := getattr(value, "cel_fields", ())):
        return known[field]
    raise EvaluationError(f"no such key: {field}")


def _optional_field(value: Optional, field: str) -> Optional:
    if not value.present:
        return NONE
    if value.value is None:
        return NONE
    if isinstance(value.value, dict):
        found = value.value.get(field, _MISSING)
        return NONE if found is _MISSING else Optional(found)
    return Optional(_field(value.value, field))


def _bad_index(key: Any, value: Any) -> EvaluationError:
    return EvaluationError(f"unsupported index type '{type_name(key)}' in {type_name(value)}")


def _item(value: Any, key: Any) -> Any:
    if isinstance(value, dict):
        found = value.get(key_of(key), _MISSING)
        if found is not _MISSING:
            return found
        raise EvaluationError(f"no such key: {_shown(key)}")
    if isinstance(value, list):
        at = _position(value, key)
        if 0 <= at < len(value):
            return value[at]
        raise EvaluationError(f"index out of bounds: {at}")
    raise EvaluationError(f"no such key: {_shown(key)}")


def _position(value: list[Any], key: Any) -> int:
    if type(key) is bool or not isinstance(key, int | float):
        raise _bad_index(key, value)
    if isinstance(key, float) and not key.is_integer():
        raise _bad_index(key, value)
    return int(key)


def _shown(key: Any) -> str:
    return str(key).lower() if type(key) is bool else str(key)


def _optional_item(value: Any, key: Any) -> Optional:
    if type(value) is Optional:
        return _optional_item(value.value, key) if value.present else NONE
    if isinstance(value, dict):
        found = value.get(key_of(key), _MISSING)
        return NONE if found is _MISSING else Optional(found)
    if isinstance(value, list):
        at = _position(value, key)
        return Optional(value[at]) if 0 <= at < len(value) else NONE
    raise EvaluationError(f"no such key: {_shown(key)}")


def _call(expr: ast.Call) -> Step:
    special = _SPECIAL.get(expr.name)
    if special is not None:
        return special(expr)
    args = [_compile(arg) for arg in ([expr.target] if expr.target is not None else []) + expr.args]
    implementation, name = dispatch(expr.overloads, expr.name), expr.name
    cost, growing, early = call_cost(name, len(expr.overloads)), name in _GROWING, name in _QUADRATIC
    if name == "@in" and _is_set(_fold(expr.args[1])):
        cost = call_cost("@in set", 1)

    def call(a: Activation) -> Any:
        try:
            values = [arg(a) for arg in args]
        except EvaluationError:
            a.cost += 1
            raise
        if early and a.cost + cost(values, None) > a.limit:
            raise CostError("operation cancelled: actual cost limit exceeded")
        try:
            result = implementation(*values)
        except EvaluationError:
            a.cost += 1
            raise
        a.cost += cost(values, result)
        if growing:
            a.memory += size(result)
            if a.memory > MEMORY:
                raise CostError("operation cancelled: actual cost limit exceeded")
        a.check()
        return result

    return call


def _is_set(value: Any) -> bool:
    """A list of plain constants: cel-go makes a set of it, and asks it for nothing."""
    return isinstance(value, list) and not any(isinstance(item, list | dict) for item in value)


def _logical(expr: ast.Call) -> Step:
    """&& and ||: one side that decides is enough, whatever is wrong with the other."""
    left, right = (_compile(arg) for arg in expr.args)
    decides = expr.name == "_||_"

    def both(a: Activation) -> Any:
        failed: EvaluationError | None = None
        for side in (left, right):
            try:
                value = side(a)
            except EvaluationError as error:
                failed = failed or error
                continue
            if value is decides:
                return decides
            if value is not (not decides):
                failed = failed or NoOverloadError()
        if failed is not None:
            raise failed
        return not decides

    return both


def _conditional(expr: ast.Call) -> Step:
    condition = _compile(expr.args[0])
    chosen, other = _branch(expr.args[1]), _branch(expr.args[2])

    def choose(a: Activation) -> Any:
        value = condition(a)
        if value is True:
            return chosen(a)
        if value is False:
            return other(a)
        raise NoOverloadError

    return choose


def _branch(expr: Expr) -> Step:
    """A name at the beginning of a branch is free, as cel-go reads it together with the condition."""
    step = _compile(expr)
    base = expr
    while isinstance(base, ast.Select):
        base = base.operand
    if not isinstance(base, ast.Ident) or base.is_type or (isinstance(expr, ast.Select) and expr.test):
        return step

    def read(a: Activation) -> Any:
        a.cost -= 1
        return step(a)

    return read


def _index(expr: ast.Call) -> Step:
    operand, key = _chain(expr.args[0]), _compile(expr.args[1])
    cost = 0 if _is_attribute(expr.args[1]) else 1
    optional = expr.name == "_[?_]"

    def read(a: Activation) -> Any:
        value = operand(a)
        at = key(a)
        a.cost += cost
        if optional or type(value) is Optional:
            return _optional_item(value, at)
        return _item(value, at)

    return read


def _optional_select(expr: ast.Call) -> Step:
    operand, field = _chain(expr.args[0]), expr.args[1]
    assert isinstance(field, ast.Const)
    name = field.value

    def read(a: Activation) -> Any:
        value = operand(a)
        found = _optional_field(value if type(value) is Optional else Optional(value), name)
        a.cost += found.present
        return found

    return read


def _not_false(expr: ast.Call) -> Step:
    inner = _compile(expr.args[0])

    def test(a: Activation) -> Any:
        try:
            value = inner(a)
        except EvaluationError:
            value = True
        a.cost += 1
        return value is not False

    return test


def _or(expr: ast.Call) -> Step:
    """`or` and `orValue` of optionals look at their argument only when they need it."""
    assert expr.target is not None
    left, right, unwrap = _compile(expr.target), _compile(expr.args[0]), expr.name == "orValue"

    def choose(a: Activation) -> Any:
        value = left(a)
        if type(value) is not Optional:
            raise NoOverloadError
        if value.present:
            return value.value if unwrap else value
        return right(a)

    return choose


def _list(expr: ast.List) -> Step:
    items, optional = [_compile(item) for item in expr.items], expr.optional

    def make(a: Activation) -> Any:
        made = []
        for index, item in enumerate(items):
            value = item(a)
            if index in optional:
                if not value.present:
                    continue
                value = value.value
            made.append(value)
        a.cost += _CREATE_LIST
        return made

    return make


def _map(expr: ast.Map) -> Step:
    entries = [(_compile(key), _compile(value), optional) for key, value, optional in expr.entries]

    def make(a: Activation) -> Any:
        pairs = []
        for key, value, optional in entries:
            at, given = key(a), value(a)
            if optional:
                if not given.present:
                    continue
                given = given.value
            pairs.append((at, given))
        a.cost += _CREATE_MAP
        return _dict(pairs)

    return make


class StructValue(dict[str, Any]):
    """`Name{...}`: a map that knows its name."""

    __slots__ = ("cel_name",)

    def __init__(self, name: str, fields: Iterable[tuple[str, Any]]) -> None:
        super().__init__(fields)
        self.cel_name = name


def _struct(expr: ast.Struct) -> Step:
    fields = [(name, _compile(value), optional) for name, value, optional, _ in expr.fields]
    struct = expr.name

    def make(a: Activation) -> Any:
        made = StructValue(struct, ())
        for name, value, optional in fields:
            given = value(a)
            if optional:
                if not given.present:
                    continue
                given = given.value
            made[name] = given
        a.cost += _CREATE_STRUCT
        return made

    return make


def _loop(expr: ast.Comprehension) -> Step:
    if macros.is_bind(expr):
        return _bind(expr)
    over, init, cond = _compile(expr.over), _compile(expr.init), _compile(expr.cond)
    step, result = _step(expr.step), _compile(expr.result)
    fresh = {ast.List: list, ast.Map: dict}.get(type(expr.init))
    unconditional = isinstance(expr.cond, ast.Const)
    # What all() and exists() look for makes up for an error in another round, and ends the loop.
    deciding = isinstance(expr.init, ast.Const) and expr.init.value is False
    waiting = 3 if deciding else 2
    accu, names = expr.accu, (expr.accu, expr.var, *([expr.second] if expr.second else []))

    def loop(a: Activation) -> Any:
        rounds = _rounds(over(a), expr.var, expr.second)
        known, shadowed = a.vars, {name: a.vars[name] for name in names if name in a.vars}
        known[accu] = init(a) if fresh is None else fresh()
        failed: EvaluationError | None = None
        try:
            for bound in rounds:
                known.update(bound)
                if failed is not None:
                    a.cost += waiting
                elif not unconditional and cond(a) is False:
                    break
                try:
                    value = step(a)
                    if failed is None or value is deciding:
                        known[accu], failed = value, None
                except EvaluationError as error:
                    if unconditional:
                        raise
                    failed = error
                a.check()
            if failed is not None:
                raise failed
            return result(a)
        finally:
            for name in names:
                known.pop(name, None)
            known.update(shadowed)

    return loop


def _rounds(value: Any, first: str, second: str) -> Iterable[dict[str, Any]]:
    """The variables of each round."""
    if isinstance(value, list):
        if second:
            return ({first: index, second: item} for index, item in enumerate(value))
        return ({first: item} for item in value)
    if isinstance(value, dict):
        if second:
            return ({first: unkeyed(key), second: item} for key, item in value.items())
        return ({first: unkeyed(key)} for key in value)
    raise EvaluationError(f"got '{go_name(value)}', expected iterable type")


def _step(expr: Expr) -> Step:
    """One round. What is gathered is added in place: nobody else has seen the list yet."""
    if isinstance(expr, ast.Call):
        if expr.name == "_?_:_" and _is_accu(expr.args[2]):
            condition, step = _compile(expr.args[0]), _step(expr.args[1])

            def maybe(a: Activation) -> Any:
                value = condition(a)
                if value is True:
                    return step(a)
                if value is False:
                    return a.vars[macros.ACCU]
                raise NoOverloadError

            return maybe
        if expr.name == "_+_" and _is_accu(expr.args[0]) and isinstance(expr.args[1], ast.List):
            return _gather(
                _compile(expr.args[1].items[0]), constant=isinstance(expr.args[1].items[0], ast.Const)
            )
        if expr.name == macros.INSERT:
            return _insert([_compile(arg) for arg in expr.args[1:]])
    return _compile(expr)


def _is_accu(expr: Expr) -> bool:
    return isinstance(expr, ast.Ident) and expr.name == macros.ACCU


def _gather(item: Step, *, constant: bool) -> Step:
    cost = 2 if constant else _CREATE_LIST + 2

    def add(a: Activation) -> Any:
        gathered = a.vars[macros.ACCU]
        value = item(a)
        # A loop inside the item has had its own list under that name, and has put this one back.
        gathered.append(value)
        a.cost += cost
        return gathered

    return add


def _insert(parts: list[Step]) -> Step:
    def add(a: Activation) -> Any:
        gathered = a.vars[macros.ACCU]
        values = [part(a) for part in parts]
        pairs = list(values[0].items()) if len(values) == 1 else [(key_of(values[0]), values[1])]
        for key, value in pairs:
            if key in gathered:
                raise EvaluationError(f"insert failed: key {unkeyed(key)} already exists")
            gathered[key] = value
        a.cost += 2
        return gathered

    return add


def _bind(expr: ast.Comprehension) -> Step:
    init, result, name = _compile(expr.init), _compile(expr.result), expr.accu

    def bind(a: Activation) -> Any:
        value = init(a)
        before = a.vars.get(name, _MISSING)
        a.vars[name] = value
        try:
            return result(a)
        finally:
            if before is _MISSING:
                del a.vars[name]
            else:
                a.vars[name] = before

    return bind


_SPECIAL: Final[dict[str, Callable[[ast.Call], Step]]] = {
    "_&&_": _logical,
    "_||_": _logical,
    "_?_:_": _conditional,
    "_[_]": _index,
    "_[?_]": _index,
    "_?._": _optional_select,
    "@not_strictly_false": _not_false,
    "or": _or,
    "orValue": _or,
}
