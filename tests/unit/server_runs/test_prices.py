"""What tokens cost."""

from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from sympozium.api.config import SympoziumConfig
from sympozium.server.runs.prices import Prices

CONFIG = {
    "spec": {
        "prices": {
            "currency": "EUR",
            "models": [
                {"model": "gpt-5-mini", "inputPerMillion": "0.25", "outputPerMillion": "2"},
                {"model": "gpt-*", "inputPerMillion": "2.50", "outputPerMillion": "10"},
            ],
        }
    }
}
PRICES = Prices.of(CONFIG)


def cost(model: str | None, read: int, written: int) -> str | None:
    found = PRICES.cost(model, read, written)
    return found and found.amount


def test_the_first_glob_that_matches_holds() -> None:
    SympoziumConfig.model_validate(CONFIG)
    assert cost("gpt-5-mini", 1_000_000, 1_000_000) == "2.25"
    assert cost("gpt-5", 1_000_000, 1_000_000) == "12.5"
    assert cost("GPT-5", 1, 1) is None
    assert cost(None, 1, 1) is None
    assert PRICES.cost("gpt-5", 0, 0) is not None
    assert PRICES.cost("gpt-5", 0, 0).currency == "EUR"  # type: ignore[union-attr]


@pytest.mark.parametrize("config", [None, {"spec": {}}, {"spec": {"prices": None}}])
def test_without_prices_nothing_has_a_cost(config: dict[str, object] | None) -> None:
    prices = Prices.of(config)
    assert prices.currency == ""
    assert prices.cost("gpt-5", 1, 1) is None
    assert prices.rates(["gpt-5"]) == {}


def test_what_is_less_than_a_millionth_is_not_shown_and_nothing_is_written_in_powers_of_ten() -> None:
    assert cost("gpt-5-mini", 1, 0) == "0"
    assert cost("gpt-5-mini", 4, 0) == "0.000001"
    assert cost("gpt-5", 40_000_000, 0) == "100"
    assert cost("gpt-5", 0, 10**15) == "10000000000"


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_it_is_decimal_arithmetic(read: int, written: int) -> None:
    amount = PRICES.amount("gpt-5", read, written)
    assert amount == (Decimal("2.5") * read + Decimal(10) * written) / 1_000_000


def test_what_is_sorted_by_is_the_price_of_a_token() -> None:
    assert PRICES.rates(["gpt-5", "other"]) == {"gpt-5": (2.5e-06, 1e-05)}
