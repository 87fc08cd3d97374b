"""Evaluation: each node becomes a function of the activation, which counts what it costs.

Costs are those of cel-go as kube-apiserver sets it up: a name and each field behind it 1, a list 10, a map 30, an
object 40, a call what `costs` says, constants nothing. A loop looks at the limit in each round and a call after
each use, so that an evaluation ends soon after its budget, whatever it does. Memory has a budget of its own,
because lists that are added up cost nothing in cel-go, where they are not copied.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from sympozium.cel import ast
from sympozium.cel.access import (
    MISSING,
    StructValue,
    bad_index,
    dict_of,
    field_of,
    item_of,
    optional_field_of,
    optional_item_of,
)
from sympozium.cel.activation import MEMORY, PER_CALL, SECONDS, Activation, Step
from sympozium.cel.ast import Expr
from sympozium.cel.costs import CREATE_LIST, CREATE_MAP, CREATE_STRUCT, call_cost
from sympozium.cel.declarations import dispatch
from sympozium.cel.errors import CompileError, CostError, EvaluationError, NoOverloadError
from sympozium.cel.loops import loop
from sympozium.cel.types import NAMED
from sympozium.cel.values import (
    Optional,
    TypeValue,
    size,
)

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
    if folded is not MISSING:
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
            return loop(expr, _compile)
    raise AssertionError(f"no such node: {expr}")


def _fold(expr: Expr) -> Any:
    """The value of a constant, or MISSING."""
    match expr:
        case ast.Const():
            return expr.value
        case ast.List() if not expr.optional:
            items = [_fold(item) for item in expr.items]
            return MISSING if any(item is MISSING for item in items) else items
        case ast.Map() if not any(optional for _, _, optional in expr.entries):
            pairs = [(_fold(key), _fold(value)) for key, value, _ in expr.entries]
            if any(part is MISSING for pair in pairs for part in pair):
                return MISSING
            return dict_of(pairs)
        case ast.Call() if (
            expr.name in _FOLDED and expr.target is None and len(expr.args) == 1 and expr.overloads
        ):
            arg = _fold(expr.args[0])
            return MISSING if arg is MISSING else dispatch(expr.overloads, expr.name)(arg)
    return MISSING


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
                    else bad_index(field, value)
                )
            return field in value

        return test

    def read(a: Activation) -> Any:
        value = operand(a)
        a.cost += 1
        if type(value) is Optional:
            return optional_field_of(value, field)
        return field_of(value, field)

    return read


def _path(expr: Expr) -> str:
    if isinstance(expr, ast.Select):
        return f"{_path(expr.operand)}.{expr.field}"
    assert isinstance(expr, ast.Ident)
    return expr.name


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
            return optional_item_of(value, at)
        return item_of(value, at)

    return read


def _optional_select(expr: ast.Call) -> Step:
    operand, field = _chain(expr.args[0]), expr.args[1]
    assert isinstance(field, ast.Const)
    name = field.value

    def read(a: Activation) -> Any:
        value = operand(a)
        found = optional_field_of(value if type(value) is Optional else Optional(value), name)
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
        a.cost += CREATE_LIST
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
        a.cost += CREATE_MAP
        return dict_of(pairs)

    return make


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
        a.cost += CREATE_STRUCT
        return made

    return make


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
