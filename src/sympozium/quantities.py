"""Kubernetes quantities (`500m`, `2`, `4Gi`, `1e3`): parsed exactly, compared as numbers, written canonically.

The grammar is that of https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/.
Limits of policies are compared with requests of runs, so `1000m` and `1` must be the same amount.
"""

import re
from decimal import Context, Decimal
from typing import Final

PATTERN: Final = r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
"""The pattern that Kubernetes' own schemas carry for quantities."""

_QUANTITY: Final = re.compile(
    r"^([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE][+-]?[0-9]+)?$"
)
LONGEST: Final = 1000
"""Characters of a quantity, and its largest exponent: beyond both it is an attack, not an amount."""
EXACT: Final = Context(prec=3 * LONGEST, Emax=999_999, Emin=-999_999)
"""Arithmetic that loses no digit of any quantity (the default context keeps 28)."""
_BINARY: Final = {
    unit: Decimal(1024) ** (i + 1) for i, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"))
}
_DECIMAL: Final = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    "k": Decimal(10) ** 3,
    "M": Decimal(10) ** 6,
    "G": Decimal(10) ** 9,
    "T": Decimal(10) ** 12,
    "P": Decimal(10) ** 15,
    "E": Decimal(10) ** 18,
}


def parse(quantity: str | float) -> Decimal:
    """The amount of a quantity: cores for CPU, bytes for memory.

    A JSON number is taken too, as Kubernetes does. Raises ValueError that shows what a quantity looks like.
    """
    if isinstance(quantity, bool):
        raise ValueError(f"{quantity} is not a quantity: write a number with a unit, as in 500m, 2 or 4Gi")  # noqa: TRY004  # one error for one mistake
    text = str(quantity)
    match = _QUANTITY.fullmatch(text) if len(text) <= LONGEST else None
    if not match:
        raise ValueError(f"{text[:40]!r} is not a quantity: write a number with a unit, as in 500m, 2 or 4Gi")
    number, unit = Decimal(match[1]), match[2] or ""
    if unit in _BINARY:
        return EXACT.multiply(number, _BINARY[unit])
    if unit in _DECIMAL:
        return EXACT.multiply(number, _DECIMAL[unit])
    if len(unit) > 5 or abs(int(unit[1:])) > LONGEST:
        raise ValueError(f"{text[:40]!r} is not a quantity: an exponent may be at most {LONGEST}")
    return EXACT.scaleb(number, int(unit[1:]))


def smaller(first: str | float, second: str | float) -> str:
    """The smaller of two quantities, as it was written. Raises ValueError as `parse`."""
    return str(first if parse(first) <= parse(second) else second)


def render_cpu(cores: Decimal) -> str:
    """`500m` or `2`: cores in the way that Kubernetes prints them, rounded up to a thousandth."""
    thousandths = int((cores * 1000).to_integral_value(rounding="ROUND_CEILING"))
    return str(thousandths // 1000) if thousandths % 1000 == 0 else f"{thousandths}m"


def render_bytes(amount: Decimal) -> str:
    """`4Gi`, `1536Mi` or plain bytes: the largest binary unit that needs no fraction."""
    whole = int(amount.to_integral_value(rounding="ROUND_CEILING"))
    for unit, size in reversed(_BINARY.items()):
        if whole and whole % int(size) == 0:
            return f"{whole // int(size)}{unit}"
    return str(whole)
