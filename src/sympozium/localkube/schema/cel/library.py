"""Kubernetes' own CEL functions, as far as they are here: quantities, URLs, regular expressions, lists.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-cel-libraries. cel-cpp chooses an overload
by the kind of its arguments alone, so a quantity is bytes (its canonical text) and a URL a map; rules
cannot tell, as Kubernetes gives both no other operations. A function that is missing makes a rule that
does not compile, which is refused when its CRD is created. `indexOf` of lists is missing: cel-cpp has the name
for strings and takes no further overload. So are IP addresses, CIDRs, semver, sets and format.
"""

import itertools
from collections.abc import Callable
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from sympozium.localkube.schema.amounts import canonical
from sympozium.localkube.schema.gotext import go_pattern
from sympozium.quantities import parse

Signature = tuple[str, str, tuple[str, ...], bool, Callable[..., Any]]
"""(function, result, parameters, whether it is a method, implementation)."""


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found = [match[0] for match in go_pattern(pattern).finditer(text)]
    return found if limit < 0 else found[:limit]


def _find(text: str, pattern: str) -> str:
    match = go_pattern(pattern).search(text)
    return match[0] if match else ""


def _is_quantity(text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _encoded(amount: Any) -> bytes:
    return canonical(format(amount, "f")).encode()


def _quantity(text: str) -> bytes:
    return canonical(text).encode()


def _as_integer(quantity: bytes) -> int:
    amount = parse(quantity.decode())
    if amount != amount.to_integral_value():
        raise ValueError(f"cannot convert value to integer: {quantity.decode()}")
    return int(amount)


def _is_integer(quantity: bytes) -> bool:
    amount = parse(quantity.decode())
    return bool(amount == amount.to_integral_value() and -(2**63) <= amount < 2**63)


def _compare(first: bytes, second: bytes) -> int:
    one, two = parse(first.decode()), parse(second.decode())
    return (one > two) - (one < two)


def _sign(quantity: bytes) -> int:
    return _compare(quantity, b"0")


def _url(text: str) -> dict[str, Any]:
    parts = _split(text)
    if parts is None:
        raise ValueError(f"URL parse error during conversion from string: {text!r}")
    return {
        "scheme": parts.scheme,
        "host": parts.netloc.rpartition("@")[2],
        "hostname": parts.hostname or "",
        "port": str(parts.port or ""),
        "path": parts.path,
        "query": parse_qs(parts.query, keep_blank_values=True),
    }


def _split(text: str) -> SplitResult | None:
    """A URL as Go's ParseRequestURI takes it: absolute, or an absolute path."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return None
    return parts if (parts.scheme and parts.netloc) or text.startswith("/") else None


def _is_url(text: str) -> bool:
    return _split(text) is not None


def _part(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda url: url[name]


def _is_sorted(items: list[Any]) -> bool:
    return all(first <= second for first, second in itertools.pairwise(items))


def _extreme(choose: Callable[[list[Any]], Any], name: str) -> Callable[[list[Any]], Any]:
    def pick(items: list[Any]) -> Any:
        if not items:
            raise ValueError(f"{name} called on empty list")
        return choose(items)

    return pick


_ITEMS = "list"
_QUANTITY = "bytes"
_URL = "map"

FUNCTIONS: tuple[Signature, ...] = (
    ("find", "string", ("string", "string"), True, _find),
    ("findAll", "strings", ("string", "string"), True, _find_all),
    ("findAll", "strings", ("string", "string", "int"), True, _find_all),
    ("isSorted", "bool", (_ITEMS,), True, _is_sorted),
    ("sum", "dyn", (_ITEMS,), True, sum),
    ("min", "dyn", (_ITEMS,), True, _extreme(min, "min")),
    ("max", "dyn", (_ITEMS,), True, _extreme(max, "max")),
    ("isQuantity", "bool", ("string",), False, _is_quantity),
    ("quantity", _QUANTITY, ("string",), False, _quantity),
    ("isInteger", "bool", (_QUANTITY,), True, _is_integer),
    ("asInteger", "int", (_QUANTITY,), True, _as_integer),
    ("asApproximateFloat", "double", (_QUANTITY,), True, lambda q: float(parse(q.decode()))),
    ("sign", "int", (_QUANTITY,), True, _sign),
    ("compareTo", "int", (_QUANTITY, _QUANTITY), True, _compare),
    ("isLessThan", "bool", (_QUANTITY, _QUANTITY), True, lambda a, b: _compare(a, b) < 0),
    ("isGreaterThan", "bool", (_QUANTITY, _QUANTITY), True, lambda a, b: _compare(a, b) > 0),
    (
        "add",
        _QUANTITY,
        (_QUANTITY, _QUANTITY),
        True,
        lambda a, b: _encoded(parse(a.decode()) + parse(b.decode())),
    ),
    ("add", _QUANTITY, (_QUANTITY, "int"), True, lambda a, b: _encoded(parse(a.decode()) + b)),
    (
        "sub",
        _QUANTITY,
        (_QUANTITY, _QUANTITY),
        True,
        lambda a, b: _encoded(parse(a.decode()) - parse(b.decode())),
    ),
    ("sub", _QUANTITY, (_QUANTITY, "int"), True, lambda a, b: _encoded(parse(a.decode()) - b)),
    ("isURL", "bool", ("string",), False, _is_url),
    ("url", _URL, ("string",), False, _url),
    ("getScheme", "string", (_URL,), True, _part("scheme")),
    ("getHost", "string", (_URL,), True, _part("host")),
    ("getHostname", "string", (_URL,), True, _part("hostname")),
    ("getPort", "string", (_URL,), True, _part("port")),
    ("getEscapedPath", "string", (_URL,), True, _part("path")),
    ("getQuery", "queries", (_URL,), True, _part("query")),
)
