"""What tokens cost: `spec.prices` of SympoziumConfig `default`, in decimal arithmetic.

A model without a price has no cost: that is said, and never counted as nought.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from typing import Any, Final, Self

_MILLION: Final = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Prices:
    """`currency` is empty where the installation has no prices."""

    currency: str = ""
    _models: tuple[tuple[str, Decimal, Decimal], ...] = ()
    _known: dict[str, tuple[Decimal, Decimal] | None] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, config: Mapping[str, Any] | None) -> Self:
        """Of the object SympoziumConfig, whose schema has looked at them."""
        given = ((config or {}).get("spec") or {}).get("prices") or {}
        models = []
        for entry in given.get("models") or []:
            try:
                read, write = (
                    Decimal(entry[name]) / _MILLION for name in ("inputPerMillion", "outputPerMillion")
                )
            except InvalidOperation:  # it is not of today's schema: then there is no price
                continue
            models.append((entry["model"], read, write))
        return cls(given.get("currency") or "", tuple(models))

    def of_model(self, model: str | None) -> tuple[Decimal, Decimal] | None:
        """What one token costs that the model reads, and one that it writes; the first glob that matches holds."""
        if not model:
            return None
        if model not in self._known:
            self._known[model] = next(
                ((read, write) for glob, read, write in self._models if fnmatchcase(model, glob)), None
            )
        return self._known[model]

    def amount(self, model: str | None, read: int, written: int) -> Decimal | None:
        price = self.of_model(model)
        return None if price is None else price[0] * read + price[1] * written
