"""Quantities. https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-quantity-library"""

from decimal import ROUND_CEILING, Decimal
from typing import Any

from sympozium import quantities
from sympozium.cel.declarations import Overload, function, method
from sympozium.cel.errors import EvaluationError
from sympozium.cel.types import BOOL, DOUBLE, INT, QUANTITY, STRING
from sympozium.cel.values import MAX_INT, MIN_INT, Opaque

_WHY = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"


class Quantity(Opaque):
    """An exact amount, in billionths at least, as Kubernetes keeps it."""

    __slots__ = ("amount",)
    cel_name = QUANTITY.name

    def __init__(self, amount: Decimal) -> None:
        self.amount = amount

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and other.amount == self.amount

    def __hash__(self) -> int:
        return hash((Quantity, self.amount))


def parse(text: str) -> Quantity:
    try:
        amount = quantities.parse(text)
    except (ValueError, ArithmeticError):
        raise EvaluationError(_WHY) from None
    return Quantity(amount.quantize(Decimal("1e-9"), ROUND_CEILING) if _fine(amount) else amount)


def _fine(amount: Decimal) -> bool:
    exponent = amount.as_tuple().exponent
    return isinstance(exponent, int) and exponent < -9 and abs(amount) < Decimal(10) ** 18


def _is_quantity(text: str) -> bool:
    try:
        parse(text)
    except EvaluationError:
        return False
    return True


def _is_integer(quantity: Quantity) -> bool:
    """Kubernetes goes by how an amount is written: 1000m and 1.0 are none."""
    exponent = quantity.amount.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= 0 and MIN_INT <= quantity.amount <= MAX_INT


def _integer(quantity: Quantity) -> int:
    if not _is_integer(quantity):
        raise EvaluationError("cannot convert value to integer")
    return int(quantity.amount)


def _compare(first: Quantity, second: Quantity) -> int:
    return int(first.amount > second.amount) - int(first.amount < second.amount)


def _sum(sign: int) -> Any:
    return lambda first, second: Quantity(
        first.amount + sign * (second.amount if isinstance(second, Quantity) else Decimal(second))
    )


OVERLOADS: list[Overload] = [
    function("quantity", (STRING,), QUANTITY, parse),
    function("isQuantity", (STRING,), BOOL, _is_quantity),
    function("sign", (QUANTITY,), INT, lambda quantity: int(quantity.amount > 0) - int(quantity.amount < 0)),
    method("isGreaterThan", (QUANTITY, QUANTITY), BOOL, lambda a, b: _compare(a, b) > 0),
    method("isLessThan", (QUANTITY, QUANTITY), BOOL, lambda a, b: _compare(a, b) < 0),
    method("compareTo", (QUANTITY, QUANTITY), INT, _compare),
    method("asApproximateFloat", (QUANTITY,), DOUBLE, lambda quantity: float(quantity.amount)),
    method("asInteger", (QUANTITY,), INT, _integer),
    method("isInteger", (QUANTITY,), BOOL, _is_integer),
    method("add", (QUANTITY, QUANTITY), QUANTITY, _sum(1)),
    method("add", (QUANTITY, INT), QUANTITY, _sum(1)),
    method("sub", (QUANTITY, QUANTITY), QUANTITY, _sum(-1)),
    method("sub", (QUANTITY, INT), QUANTITY, _sum(-1)),
]
