"""A type for each node, an overload for each call; what does not fit is written into the source.

https://github.com/google/cel-spec/blob/master/doc/langdef.md#gradual-type-checking. Texts are those of cel-go.
"""

from collections.abc import Mapping

from sympozium.cel import ast, macros, types
from sympozium.cel.ast import Expr
from sympozium.cel.declarations import Functions, Overload
from sympozium.cel.source import Source
from sympozium.cel.types import BOOL, DYN, ERROR, INT, STRING, Bindings, Type
from sympozium.cel.values import UInt

_CONSTANTS: dict[type, Type] = {
    type(None): types.NULL,
    bool: BOOL,
    int: INT,
    UInt: types.UINT,
    float: types.DOUBLE,
    str: STRING,
    bytes: types.BYTES,
}


class Checker:
    """One run over one tree. `structs` are the names that may be written `Name{...}`; names below them
    (`Object.spec`) are free.
    """

    def __init__(
        self, source: Source, variables: Mapping[str, Type], functions: Functions, structs: Mapping[str, Type]
    ) -> None:
        self._source = source
        self._variables = variables
        self._functions = functions
        self._structs = structs
        self._bound: Bindings = {}
        self._scopes: list[dict[str, Type]] = []
        self._fresh = 0

    def check(self, tree: Expr) -> Type:
        """The type of the whole; errors are in the source."""
        self._infer(tree)
        for node in ast.walk(tree):
            node.type = types.substitute(node.type, self._bound, free_to_dyn=True)
        return tree.type

    def _infer(self, expr: Expr) -> Type:
        match expr:
            case ast.Const():
                expr.type = _CONSTANTS[type(expr.value)]
            case ast.Ident():
                expr.type = self._ident(expr)
            case ast.Select():
                expr.type = self._select(expr)
            case ast.Call():
                expr.type = self._call(expr)
            case ast.List():
                expr.type = self._list(expr)
            case ast.Map():
                expr.type = self._map(expr)
            case ast.Struct():
                expr.type = self._struct(expr)
            case ast.Comprehension():
                expr.type = self._loop(expr)
        return expr.type

    def _param(self) -> Type:
        self._fresh += 1
        return Type("param", f"_var{self._fresh}")

    def _known(self, kind: Type) -> Type:
        return types.substitute(kind, self._bound)

    def _find(self, name: str) -> Type | None:
        for scope in reversed(self._scopes):
            if name in scope:
                return scope[name]
        return self._variables.get(name)

    def _ident(self, expr: ast.Ident) -> Type:
        found = self._find(expr.name)
        if found is not None:
            return found
        named = types.NAMED.get(expr.name)
        if named is not None:
            expr.is_type = True
            return types.type_of(named)
        self._source.error(expr.at, f"undeclared reference to '{expr.name}' (in container '')")
        return ERROR

    def _select(self, expr: ast.Select) -> Type:
        qualified = _qualified(expr)
        if (
            qualified is not None
            and self._find(qualified.partition(".")[0]) is None
            and qualified in types.NAMED
        ):
            return types.type_of(types.NAMED[qualified])
        operand = self._known(self._infer(expr.operand))
        found = self._field(expr.at, operand, expr.field)
        return BOOL if expr.test else found

    def _field(self, at: int, operand: Type, name: str) -> Type:
        if types.is_optional(operand):
            return types.optional_of(self._field(at, self._known(operand.params[0]), name))
        if operand.kind == "map":
            return operand.params[1]
        if operand.kind == "object":
            if operand.fields is None:
                return DYN
            found = operand.fields.get(name)
            if found is None:
                self._source.error(at, f"undefined field '{name}'")
                return ERROR
            return found
        if operand.kind == "param":
            self._bound[operand.name] = DYN
            return DYN
        if not operand.dynamic:
            self._source.error(at, f"type '{self._shown(operand)}' does not support field selection")
            return ERROR
        return DYN

    def _shown(self, kind: Type) -> str:
        return str(types.substitute(kind, self._bound, free_to_dyn=True))

    def _call(self, expr: ast.Call) -> Type:
        if expr.name in {"_&&_", "_||_"}:
            return self._logical(expr)
        if expr.name == "_?._":
            return self._optional_field(expr)
        if expr.target is not None:
            qualified = _qualified(expr.target)
            if (
                qualified is not None
                and self._find(qualified.partition(".")[0]) is None
                and f"{qualified}.{expr.name}" in self._functions
            ):
                expr.name, expr.target = f"{qualified}.{expr.name}", None
        args = [*([expr.target] if expr.target is not None else []), *expr.args]
        given = [self._infer(arg) for arg in args]
        found = self._functions.get(expr.name)
        if not found:
            self._source.error(expr.at, f"undeclared reference to '{expr.name}' (in container '')")
            return ERROR
        return self._resolve(expr, found, given)

    def _logical(self, expr: ast.Call) -> Type:
        for arg in expr.args:
            given = self._infer(arg)
            if not types.assignable(given, BOOL, self._bound):
                self._source.error(arg.at, f"expected type 'bool' but found '{self._shown(given)}'")
        expr.overloads = self._functions.get(expr.name)
        return BOOL

    def _optional_field(self, expr: ast.Call) -> Type:
        operand = self._known(self._infer(expr.args[0]))
        field = expr.args[1]
        assert isinstance(field, ast.Const)
        field.type = STRING
        found = self._field(expr.at, operand, field.value)
        expr.overloads = self._functions.get(expr.name)
        return found if types.is_optional(found) else types.optional_of(found)

    def _resolve(self, expr: ast.Call, found: list[Overload], given: list[Type]) -> Type:
        result: Type | None = None
        for overload in found:
            if overload.method is (expr.target is None) or len(overload.params) != len(given):
                continue
            renamed: Bindings = {}
            wanted = [self._renamed(param, renamed) for param in overload.params]
            bound = types.all_assignable(given, wanted, self._bound)
            if bound is None:
                continue
            made = self._renamed(overload.result, renamed)
            self._bound = bound
            expr.overloads.append(overload)
            made = types.substitute(made, bound)
            result = made if result is None or types.same(result, made) else DYN
        if result is None:
            shown = [self._shown(kind) for kind in given]
            signature = (
                f"{shown[0]}.({', '.join(shown[1:])})" if expr.target is not None else f"({', '.join(shown)})"
            )
            self._source.error(
                expr.at, f"found no matching overload for '{expr.name}' applied to '{signature}'"
            )
            return ERROR
        return result

    def _renamed(self, kind: Type, renamed: Bindings) -> Type:
        """The type with parameters of its own for this call."""
        if kind.kind == "param":
            if kind.name not in renamed:
                renamed[kind.name] = self._param()
            return renamed[kind.name]
        if not kind.params:
            return kind
        return Type(kind.kind, kind.name, tuple(self._renamed(p, renamed) for p in kind.params), kind.fields)

    def _join(self, sofar: Type | None, given: Type) -> Type:
        """The type of elements; `literals` refuses those of several types, where they are not allowed."""
        if sofar is None:
            return given
        return sofar if types.assignable(given, sofar, self._bound) else DYN

    def _list(self, expr: ast.List) -> Type:
        element: Type | None = None
        for index, item in enumerate(expr.items):
            given = self._optional_part(item, optional=index in expr.optional)
            element = self._join(element, given)
        return types.list_of(element or self._param())

    def _optional_part(self, item: Expr, *, optional: bool) -> Type:
        given = self._known(self._infer(item))
        if not optional:
            return given
        if types.is_optional(given):
            return given.params[0]
        if not given.dynamic:
            self._source.error(item.at, f"expected type 'optional_type({given})' but found '{given}'")
        return DYN

    def _map(self, expr: ast.Map) -> Type:
        key_type: Type | None = None
        value_type: Type | None = None
        for key, value, optional in expr.entries:
            key_type = self._join(key_type, self._infer(key))
            given = self._optional_part(value, optional=optional)
            value_type = self._join(value_type, given)
        return types.map_of(key_type or self._param(), value_type or self._param())

    def _struct(self, expr: ast.Struct) -> Type:
        root = expr.name.partition(".")[0]
        made = self._structs.get(expr.name)
        if (
            made is None
            and expr.name != root
            and root in self._structs
            and self._structs[root].fields is None
        ):
            made = types.object_of(expr.name, None)
        if made is None:
            self._source.error(expr.at, f"undeclared reference to '{expr.name}' (in container '')")
            made = ERROR
        for name, value, optional, at in expr.fields:
            given = self._optional_part(value, optional=optional)
            if made.kind != "object" or made.fields is None:
                continue
            wanted = made.fields.get(name)
            if wanted is None:
                # The types of patches are made up as they are used: to the real server this one is nameless.
                why = f"expected type of field '{name}' is '' but provided type is '{self._shown(given)}'"
                self._source.error(at, why)
            elif not types.assignable(given, wanted, self._bound):
                why = f"expected type of field '{name}' is '{wanted}' but provided type is '{self._shown(given)}'"
                self._source.error(at, why)
        return made

    def _loop(self, expr: ast.Comprehension) -> Type:
        over = self._known(self._infer(expr.over))
        init = self._infer(expr.init)
        self._scopes.append({expr.accu: init})
        first, second = self._items(expr, over)
        inner = {expr.var: first} if not expr.second else {expr.var: first, expr.second: second}
        if not macros.is_bind(expr):
            self._scopes.append(inner)
        self._infer(expr.cond)
        step = self._infer(expr.step)
        if not types.assignable(step, init, self._bound):
            self._source.error(
                expr.step.at, f"expected type '{self._shown(init)}' but found '{self._shown(step)}'"
            )
        if not macros.is_bind(expr):
            self._scopes.pop()
        result = self._infer(expr.result)
        self._scopes.pop()
        return self._known(result)

    def _items(self, expr: ast.Comprehension, over: Type) -> tuple[Type, Type]:
        """Types of the loop's variables: of items, or with two of index or key, and value."""
        if over.kind == "list":
            element = over.params[0]
            return (INT, element) if expr.second else (element, element)
        if over.kind == "map":
            return over.params[0], over.params[1]
        if over.kind == "param":
            self._bound[over.name] = DYN
        elif not over.dynamic:
            why = f"expression of type '{self._shown(over)}' cannot be range of a comprehension (must be list, map, or dynamic)"
            self._source.error(expr.over.at, why)
        return DYN, DYN


def _qualified(expr: Expr) -> str | None:
    """`a.b` of a chain of names."""
    if isinstance(expr, ast.Ident):
        return expr.name
    if isinstance(expr, ast.Select) and not expr.test:
        above = _qualified(expr.operand)
        return None if above is None else f"{above}.{expr.field}"
    return None
