"""Tokens -> tree, by precedence. Errors are worded as ANTLR words them for CEL's grammar.

https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax
Depth is limited, because everything that walks a tree does so by calling itself.
"""

from typing import Final, NoReturn

from sympozium.cel import ast, macros
from sympozium.cel.ast import Expr
from sympozium.cel.errors import CompileError
from sympozium.cel.lexer import Token, literal, tokens
from sympozium.cel.source import LIMIT, Source
from sympozium.cel.values import MAX_INT

DEPTH: Final = 250
_START: Final = (
    "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, "
    "IDENTIFIER}"
)
_STARTS: Final = frozenset(
    {"[", "{", "(", ".", "-", "!", "true", "false", "null", "float", "int", "uint", "string", "raw", "word"}
)
_LITERALS: Final = frozenset({"float", "int", "uint", "string", "raw"})
_RESERVED: Final = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)
_LEVELS: Final = (frozenset({"==", "!=", "<", "<=", ">", ">=", "in"}), frozenset("+-"), frozenset("*/%"))
_NAMES: Final = {"in": "@in"}
_CONSTANTS: Final = {"true": True, "false": False, "null": None}


class _Stop(Exception):  # noqa: N818  # no error: the errors are in the source
    """Nothing after this place can be made sense of."""


def parse(source: Source) -> Expr:
    """Raises CompileError with everything that is wrong."""
    if len(source.text) > LIMIT:
        source.error(-1, f"expression code point size exceeds limit: size: {len(source.text)}, limit {LIMIT}")
        source.check()
    parser = _Parser(source)
    try:
        tree = parser.whole()
    except _Stop:
        source.check()
        raise CompileError("the expression cannot be read") from None
    source.check()
    return tree


class _Parser:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._tokens = tokens(source)
        self._next = 0
        self._depth = 0

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._tokens[self._next]
        if token.kind != "end":
            self._next += 1
        return token

    def _accept(self, kind: str) -> Token | None:
        return self._take() if self._token.kind == kind else None

    def _fail(self, text: str, at: int | None = None) -> NoReturn:
        self._source.error(self._token.at if at is None else at, text)
        raise _Stop

    def _mismatch(self, expected: str) -> NoReturn:
        self._fail(f"Syntax error: mismatched input '{self._token.text}' expecting {expected}")

    def _close(self, kind: str) -> None:
        if self._accept(kind) is None:
            self._fail(f"Syntax error: missing '{kind}' at '{self._token.text}'")

    def whole(self) -> Expr:
        tree = self._expr()
        if self._token.kind != "end":
            last = self._tokens[self._next + 1].kind == "end"
            word = "extraneous" if last else "mismatched"
            self._fail(f"Syntax error: {word} input '{self._token.text}' expecting <EOF>")
        return tree

    def _expr(self) -> Expr:
        self._depth += 1
        if self._depth > DEPTH:
            self._fail(f"expression recursion limit exceeded: {DEPTH}", -1)
        tree = self._logical("||", "_||_")
        mark = self._accept("?")
        if mark is not None:
            chosen = self._logical("||", "_||_")
            if self._accept(":") is None:
                self._mismatch("':'")
            tree = ast.Call(mark.at, "_?_:_", [tree, chosen, self._expr()])
        self._depth -= 1
        return tree

    def _logical(self, sign: str, name: str) -> Expr:
        """Chains of && and || become balanced trees."""
        terms, places = [self._logical("&&", "_&&_") if sign == "||" else self._binary(0)], []
        while (token := self._accept(sign)) is not None:
            places.append(token.at)
            terms.append(self._logical("&&", "_&&_") if sign == "||" else self._binary(0))
        return terms[0] if not places else _balanced(name, terms, places, 0, len(places) - 1)

    def _binary(self, level: int) -> Expr:
        if level == len(_LEVELS):
            return self._unary()
        tree = self._binary(level + 1)
        for _ in range(DEPTH):
            if self._token.kind not in _LEVELS[level]:
                return tree
            token = self._take()
            name = _NAMES.get(token.kind, f"_{token.kind}_")
            tree = ast.Call(token.at, name, [tree, self._binary(level + 1)])
        return self._fail("max recursion depth exceeded", -1)

    def _unary(self) -> Expr:
        token = self._token
        if token.kind not in {"!", "-"}:
            return self._member()
        count = 0
        while self._token.kind == token.kind and not self._negative():
            self._take()
            count += 1
        operand = self._member()
        return operand if count % 2 == 0 else ast.Call(token.at, f"{token.kind}_", [operand])

    def _negative(self) -> bool:
        """Whether a minus belongs to the number behind it."""
        return self._token.kind == "-" and self._tokens[self._next + 1].kind in {"int", "float"}

    def _member(self) -> Expr:
        tree = self._primary()
        for _ in range(DEPTH):
            token = self._token
            if token.kind == ".":
                tree = self._field(tree, self._take())
            elif token.kind == "[":
                self._take()
                name = "_[?_]" if self._accept("?") else "_[_]"
                tree = ast.Call(token.at, name, [tree, self._expr()])
                self._close("]")
            else:
                return tree
        return self._fail("max recursion depth exceeded", -1)

    def _field(self, operand: Expr, dot: Token) -> Expr:
        optional = self._accept("?") is not None
        token = self._token
        if token.kind == "escaped":
            self._fail("unsupported syntax: '`'")
        if token.kind != "word":
            if optional:
                self._mismatch("{IDENTIFIER, ESC_IDENTIFIER}")
            shown = "" if token.kind == "end" else token.text
            self._fail(f"Syntax error: no viable alternative at input '.{shown}'")
        self._take()
        if optional:
            return ast.Call(dot.at, "_?._", [operand, ast.Const(token.at, token.text)])
        opening = self._accept("(")
        if opening is None:
            return ast.Select(dot.at, operand, token.text)
        return self._call(opening.at, token.text, operand)

    def _call(self, at: int, name: str, target: Expr | None) -> Expr:
        args: list[Expr] = []
        if self._token.kind != ")":
            if self._token.kind not in _STARTS:
                self._mismatch(_START.replace("'('", "'(', ')'"))
            args.append(self._expr())
            while self._accept(","):
                args.append(self._expr())
        self._close(")")
        return macros.expand(self._source, at, name, target, args)

    def _primary(self) -> Expr:
        token = self._token
        if token.kind not in _STARTS:
            if token.kind != "end" and self._tokens[self._next + 1].kind in _STARTS:
                self._source.error(
                    token.at, f"Syntax error: extraneous input '{token.text}' expecting {_START}"
                )
                self._take()
                return self._primary()
            self._mismatch(_START)
        if token.kind in _CONSTANTS:
            return ast.Const(self._take().at, _CONSTANTS[token.kind])
        if token.kind == "-" or token.kind in _LITERALS:
            return self._literal()
        self._take()
        if token.kind == "(":
            tree = self._expr()
            self._close(")")
            return tree
        if token.kind == "[":
            return self._list(token.at)
        if token.kind == "{":
            return self._map(token.at)
        return self._name(token)

    def _literal(self) -> Expr:
        token = self._take()
        sign = 1
        if token.kind == "-":
            if self._token.kind not in {"int", "float"}:
                self._mismatch(_START)
            sign, token = -1, self._take()
        try:
            value = literal(token)
        except ValueError as error:
            self._fail(str(error), token.at)
        if sign < 0:
            value = -value
        if type(value) is int and value > MAX_INT:
            self._fail("invalid int literal", token.at)
        return ast.Const(token.at, value)

    def _list(self, at: int) -> Expr:
        items: list[Expr] = []
        optional: set[int] = set()
        if self._token.kind not in _STARTS | {"]", ",", "?"}:
            self._mismatch(
                "{'[', ']', '{', '(', '.', ',', '-', '!', '?', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, "
                "NUM_UINT, STRING, BYTES, IDENTIFIER}"
            )
        while self._token.kind != "]":
            if self._accept(",") is not None:
                break  # one comma may stand before the end, also in an empty list
            if self._accept("?"):
                optional.add(len(items))
            items.append(self._expr())
            if self._token.kind == "]":
                break
            if self._accept(",") is None:
                self._mismatch("{']', ','}")
            if self._token.kind == "end":
                break
        self._close("]")
        return ast.List(at, items, frozenset(optional))

    def _map(self, at: int) -> Expr:
        entries: list[tuple[Expr, Expr, bool]] = []
        while self._token.kind != "}":
            optional = self._accept("?") is not None
            key = self._expr()
            if self._accept(":") is None:
                self._mismatch("':'")
            entries.append((key, self._expr(), optional))
            if self._token.kind != "}" and self._accept(",") is None:
                self._mismatch("{'}', ','}")
        self._close("}")
        return ast.Map(at, entries)

    def _name(self, token: Token) -> Expr:
        if token.kind == ".":
            token = self._token
            if self._accept("word") is None:
                self._mismatch("IDENTIFIER")
        struct = self._struct_name(token)
        if struct:
            return self._struct(struct)
        if token.text in _RESERVED:
            self._fail(f"reserved identifier: {token.text}", token.at)
        opening = self._accept("(")
        if opening is not None:
            return self._call(opening.at, token.text, None)
        return ast.Ident(token.at, token.text)

    def _struct_name(self, first: Token) -> str:
        """`a.b` when `a.b{` stands here, else "": the tokens of the name are taken then."""
        at, parts = self._next, [first.text]
        while self._tokens[at].kind == "." and self._tokens[at + 1].kind == "word":
            parts.append(self._tokens[at + 1].text)
            at += 2
        if self._tokens[at].kind != "{":
            return ""
        self._next = at
        return ".".join(parts)

    def _struct(self, name: str) -> Expr:
        opening = self._take()
        fields: list[tuple[str, Expr, bool, int]] = []
        while self._token.kind != "}":
            optional = self._accept("?") is not None
            field = self._token
            if self._accept("word") is None:
                self._mismatch("{'}', ',', '?', IDENTIFIER, ESC_IDENTIFIER}")
            colon = self._accept(":")
            if colon is None:
                self._mismatch("':'")
            fields.append((field.text, self._expr(), optional, colon.at))
            if self._token.kind != "}" and self._accept(",") is None:
                self._mismatch("{'}', ','}")
        self._close("}")
        return ast.Struct(opening.at, name, fields)


def _balanced(name: str, terms: list[Expr], places: list[int], low: int, high: int) -> Expr:
    middle = (low + high + 1) // 2
    left = terms[middle] if middle == low else _balanced(name, terms, places, low, middle - 1)
    right = terms[middle + 1] if middle == high else _balanced(name, terms, places, middle + 1, high)
    return ast.Call(places[middle], name, [left, right])
