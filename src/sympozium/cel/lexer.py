"""Text -> tokens, with the errors of what is no token.

https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from sympozium.cel.source import Source
from sympozium.cel.values import MAX_INT, MAX_UINT, UInt

_ESCAPE = r"\\(?:[abfnrtv\\'\"`?]|[0-3][0-7][0-7]|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})"
_QUOTED = (
    rf"'''(?:{_ESCAPE}|[^\\])*?'''|\"\"\"(?:{_ESCAPE}|[^\\])*?\"\"\""
    rf"|'(?:{_ESCAPE}|[^\\'\n\r])*'|\"(?:{_ESCAPE}|[^\\\"\n\r])*\""
)
_RAW = r"'''(?:.|\n)*?'''|\"\"\"(?:.|\n)*?\"\"\"|'[^'\n\r]*'|\"[^\"\n\r]*\""
_TOKEN = re.compile(
    rf"""(?P<space>[ \t\r\n\f]+|//[^\n]*)
    |(?P<raw>[bB]?[rR](?:{_RAW})|[rR][bB](?:{_RAW}))
    |(?P<string>[bB]?(?:{_QUOTED}))
    |(?P<float>[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|\.[0-9]+(?:[eE][+-]?[0-9]+)?)
    |(?P<uint>0x[0-9a-fA-F]+[uU]|[0-9]+[uU])
    |(?P<int>0x[0-9a-fA-F]+|[0-9]+)
    |(?P<escaped>`[a-zA-Z0-9_.\-/ ]+`)
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign>==|!=|<=|>=|&&|\|\||[<>+\-*/%!?:.,()\[\]{{}}])""",
    re.VERBOSE,
)
_SIMPLE: Final = {
    "a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, "'": 39, '"': 34, "`": 96, "?": 63,
}  # fmt: skip
END: Final = "<EOF>"


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is the group of the pattern above, or `end`; a sign or `in` is its own kind."""

    kind: str
    text: str
    at: int


def tokens(source: Source) -> list[Token]:
    """All tokens and the end. What is none is written into the source's errors."""
    text, found, at = source.text, [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            end = _garbage(text, at)
            source.error(at, f"Syntax error: token recognition error at: '{text[at:end]}'")
            at = end
            continue
        kind = match.lastgroup or ""
        if kind != "space":
            word = match[0]
            known = (
                word
                if kind == "sign" or (kind == "word" and word in {"in", "true", "false", "null"})
                else kind
            )
            found.append(Token(known, word, at))
        at = match.end()
    found.append(Token("end", END, len(text)))
    return found


def _garbage(text: str, at: int) -> int:
    """Where what cannot be read ends: a broken string is taken to where it breaks."""
    char = text[at]
    if char in "=&|":
        return min(at + 2, len(text))
    if char not in "'\"":
        return at + 1
    end = at + 1
    while end < len(text) and text[end] not in "\n\r":
        if text[end] == "\\":
            match = re.compile(_ESCAPE).match(text, end)
            if match is None:
                return min(end + 2, len(text))
            end = match.end()
            continue
        end += 1
    return end


def literal(token: Token) -> Any:
    """The value of a token. Raises ValueError for what is too large (the message names the type)."""
    if token.kind == "float":
        return float(token.text)
    if token.kind == "int":
        number = _number(token.text)
        if number > MAX_INT + 1:
            raise ValueError("invalid int literal")
        return number
    if token.kind == "uint":
        body = token.text[:-1]
        number = _number(body)
        if number > MAX_UINT:
            raise ValueError("invalid uint literal")
        return UInt(number)
    return _text(token)


def _number(text: str) -> int:
    return int(text, 16 if text.startswith("0x") else 10)


def _text(token: Token) -> str | bytes:
    match = re.match(r"[bBrR]*", token.text)
    assert match is not None
    prefix = match[0].lower()
    body = token.text[len(prefix) :]
    quotes = 3 if body[:3] in {"'''", '"""'} and len(body) >= 6 else 1
    body = body[quotes:-quotes].replace("\r\n", "\n").replace("\r", "\n")
    if "b" in prefix:
        return body.encode() if "r" in prefix else _unescaped_bytes(body)
    return body if "r" in prefix else _unescaped(body)


def _unescaped(body: str) -> str:
    return re.sub(_ESCAPE, lambda match: chr(_code(match[0])), body)


def _unescaped_bytes(body: str) -> bytes:
    out, at = bytearray(), 0
    for match in re.finditer(_ESCAPE, body):
        out += body[at : match.start()].encode()
        if match[0][1] in "uU":
            out += chr(_code(match[0])).encode()
        else:
            out.append(_code(match[0]))
        at = match.end()
    return bytes(out + body[at:].encode())


def _code(escape: str) -> int:
    head = escape[1]
    if head in _SIMPLE:
        return _SIMPLE[head]
    code = int(escape[2:], 16) if head in "xXuU" else int(escape[1:], 8)  # noqa: FURB166  # \\u is no prefix of int()
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        raise ValueError("invalid unicode code point")
    return code
