from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from sympozium import quantities


@pytest.mark.parametrize(
    ("quantity", "amount"),
    [
        ("500m", Decimal("0.5")),
        ("2", 2),
        (2, 2),
        ("4Gi", 4 * 1024**3),
        ("1e3", 1000),
        ("1.5M", 1_500_000),
        (".5", Decimal("0.5")),
        ("-1", -1),
        ("100n", Decimal("1e-7")),
        ("1E", 10**18),
    ],
)
def test_quantities_are_exact(quantity: str, amount: Decimal) -> None:
    assert quantities.parse(quantity) == amount


@pytest.mark.parametrize("quantity", ["", "Gi", "1 Gi", "1gi", "1KI", "two", True, "1e", "--1", "1\n"])
def test_anything_else_is_refused_with_what_to_write(quantity: str) -> None:
    with pytest.raises(ValueError, match="as in 500m, 2 or 4Gi"):
        quantities.parse(quantity)


def test_the_same_amount_compares_equal_however_it_is_written() -> None:
    assert quantities.parse("1000m") == quantities.parse("1")
    assert quantities.smaller("1Gi", "1G") == "1G"
    assert quantities.smaller("500m", "0.5") == "500m"


def test_render() -> None:
    assert quantities.render_cpu(Decimal("0.5")) == "500m"
    assert quantities.render_cpu(Decimal(2)) == "2"
    assert quantities.render_cpu(Decimal("0.0001")) == "1m"
    assert quantities.render_bytes(Decimal(1536 * 1024**2)) == "1536Mi"
    assert quantities.render_bytes(Decimal(1000)) == "1000"
    assert quantities.render_bytes(Decimal(0)) == "0"


@given(st.integers(min_value=0, max_value=2**62))
def test_bytes_are_read_back(amount: int) -> None:
    assert quantities.parse(quantities.render_bytes(Decimal(amount))) == amount
