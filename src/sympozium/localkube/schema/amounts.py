"""Quantities as the API server writes them: `0.5` is `500m`, `1024Mi` is `1Gi`, `1000` is `1k`.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/ (canonical form): no
precision is lost, no fraction is left, the exponent or suffix is as large as possible.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache
from typing import Any

from sympozium.quantities import EXACT, parse

_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = {-9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E"}
_NANO = Decimal("1e-9")
_LARGEST = Decimal(2**63 - 1)


def canonical(quantity: Any) -> str:
    """The canonical text of a quantity (text or JSON number). Raises ValueError."""
    return _canonical(str(quantity))


@lru_cache(maxsize=4096)
def _canonical(text: str) -> str:
    amount = parse(text)
    # What is finer than a billionth is rounded away from zero.
    rounding = ROUND_CEILING if amount > 0 else ROUND_FLOOR
    amount = amount.quantize(_NANO, rounding=rounding, context=EXACT)
    if amount == 0:
        return "0"
    if text.endswith("i"):
        # Only what is written in powers of two is capped.
        amount = EXACT.max(EXACT.min(amount, _LARGEST), -_LARGEST)
        if abs(amount) >= 1024 and amount == amount.to_integral_value(context=EXACT):
            return _binary(int(amount))
    exponent = 0 if text[-1] in "eEi" else _exponent(text)
    return _decimal(amount, scientific=exponent)


def _exponent(text: str) -> bool:
    """Whether it is written with a decimal exponent (`1e3`), which the canonical form keeps."""
    return any(char in text[:-1] for char in "eE")


def _binary(amount: int) -> str:
    step = 0
    while amount % 1024 == 0 and step < len(_BINARY) - 1:
        amount //= 1024
        step += 1
    return f"{amount}{_BINARY[step]}"


def _decimal(amount: Decimal, *, scientific: bool | int) -> str:
    exponent = -9
    digits = int(EXACT.scaleb(amount, 9))
    while digits % 1000 == 0 and (scientific or exponent < 18):
        digits //= 1000
        exponent += 3
    if scientific:
        return f"{digits}e{exponent}" if exponent else str(digits)
    return f"{digits}{_DECIMAL[exponent]}"
