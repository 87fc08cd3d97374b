"""`'%s'.format([...])` of the strings extension, version 2."""

import re
from typing import Any, Final

from sympozium.cel.declarations import Overload, method
from sympozium.cel.errors import EvaluationError
from sympozium.cel.library import times
from sympozium.cel.library.conversions import go_float
from sympozium.cel.library.texts import bounded, quote
from sympozium.cel.types import DYN, STRING, list_of
from sympozium.cel.values import Duration, Timestamp, TypeValue, UInt, type_name, unkeyed

_CLAUSE = re.compile(r"%(?:%|(?:\.(\d+))?(.))", re.DOTALL)
_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
PRECISION: Final = 6


def format_text(template: str, args: list[Any]) -> str:
    """Raises EvaluationError for clauses and arguments that do not fit each other."""
    out: list[str] = []
    at = used = length = 0
    for match in _CLAUSE.finditer(template):
        out.append(template[at : match.start()])
        at = match.end()
        if match[0] == "%%":
            out.append("%")
            continue
        if used >= len(args):
            raise EvaluationError(f"index {used} out of range")
        out.append(clause(match[2], match[1], args[used]))
        used += 1
        length += len(out[-1])
        bounded(length)
    rest = template[at:]
    if "%" in rest:
        raise EvaluationError("could not parse formatting clause: unexpected end of string")
    return "".join([*out, rest])


def clause(letter: str, precision: str | None, value: Any) -> str:
    maker = _CLAUSES.get(letter)
    if maker is None:
        raise EvaluationError(f'could not parse formatting clause: unrecognized formatting clause "{letter}"')
    try:
        return str(maker(value, PRECISION if precision is None else int(precision)))
    except EvaluationError as error:
        raise EvaluationError(f"error during formatting: {error}") from None


def _string(value: Any, _precision: int) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return go_float(value)
    return shown(value, nested=False)


def shown(value: Any, *, nested: bool = True) -> str:
    """A value as %s writes it; texts are quoted inside lists and maps."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return quote(value) if nested else value
        case bytes():
            return value.decode("utf-8", "replace")
        case float():
            return f"{value:.6f}"
        case Timestamp():
            text = times.rfc3339(value)
            return f'timestamp("{text}")' if nested else text
        case Duration():
            text = times.seconds(value)
            return f'duration("{text}")' if nested else text
        case TypeValue():
            return value.name
        case list():
            return "[" + ", ".join(shown(item) for item in value) + "]"
        case dict():
            pairs = sorted((shown(unkeyed(key)), shown(item)) for key, item in value.items())
            return "{" + ", ".join(f"{key}:{item}" for key, item in pairs) + "}"
    if isinstance(value, int):
        return str(value)
    raise EvaluationError(
        f"string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps, was given {type_name(value)}"
    )


def _wrong(clause_name: str, takes: str, value: Any) -> EvaluationError:
    return EvaluationError(f"{clause_name} clause can only be used on {takes}, was given {type_name(value)}")


def _decimal(value: Any, _precision: int) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong("decimal", "integers", value)
    return str(int(value))


def _fixed(value: Any, precision: int) -> str:
    if not isinstance(value, float) and type(value) not in {int, UInt}:
        raise _wrong("fixed-point", "doubles", value)
    return f"{float(value):.{min(precision, 1000)}f}"


def _scientific(value: Any, precision: int) -> str:
    if not isinstance(value, float) and type(value) not in {int, UInt}:
        raise _wrong("scientific", "doubles", value)
    mantissa, _, exponent = f"{float(value):.{min(precision, 1000)}e}".partition("e")
    sign = "⁻" if exponent.startswith("-") else ""
    return f"{mantissa}\N{MULTIPLICATION SIGN}10{sign}{exponent.lstrip('+-').translate(_SUPERSCRIPT)}"


def _binary(value: Any, _precision: int) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if not isinstance(value, int):
        raise EvaluationError(
            f"only integers and bools can be formatted as binary, was given {type_name(value)}"
        )
    return f"{int(value):b}"


def _hex(value: Any, *, upper: bool) -> str:
    if isinstance(value, str):
        text = value.encode().hex()
    elif isinstance(value, bytes):
        text = value.hex()
    elif isinstance(value, int) and not isinstance(value, bool):
        text = f"{int(value):x}"
    else:
        raise EvaluationError(
            f"only integers, byte buffers, and strings can be formatted as hex, was given {type_name(value)}"
        )
    return text.upper() if upper else text


def _octal(value: Any, _precision: int) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong("octal", "integers", value)
    return f"{int(value):o}"


_CLAUSES: Final[dict[str, Any]] = {
    "s": _string,
    "d": _decimal,
    "f": _fixed,
    "e": _scientific,
    "b": _binary,
    "x": lambda value, _precision: _hex(value, upper=False),
    "X": lambda value, _precision: _hex(value, upper=True),
    "o": _octal,
}

OVERLOADS: list[Overload] = [method("format", (STRING, list_of(DYN)), STRING, format_text)]
