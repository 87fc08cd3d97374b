"""What tokens cost, as it is shown: computed when it is read, from tokens and today's prices."""

from decimal import Decimal
from typing import Final

from sympozium import pricing
from sympozium.server.models.runs import Cost

_PLACES: Final = Decimal("0.000001")


class Prices(pricing.Prices):
    __slots__ = ()

    def cost(self, model: str | None, read: int, written: int) -> Cost | None:
        amount = self.amount(model, read, written)
        return None if amount is None else self.shown(amount)

    def shown(self, amount: Decimal) -> Cost:
        """A millionth is the least that is shown."""
        return Cost(amount=f"{amount.quantize(_PLACES).normalize():f}", currency=self.currency)

    def rates(self, models: list[str]) -> dict[str, tuple[float, float]]:
        """What to sort by: the prices of those models that have one."""
        priced = {model: self.of_model(model) for model in models}
        return {model: (float(price[0]), float(price[1])) for model, price in priced.items() if price}
