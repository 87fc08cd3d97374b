import pytest
from hypothesis import given, strategies as st

from sympozium.localkube.schema.amounts import canonical
from sympozium.quantities import parse


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("0.5", "500m"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("1024Mi", "1Gi"),
        ("0.5Gi", "512Mi"),
        ("1.5Gi", "1536Mi"),
        ("0.5Ki", "512"),
        ("1000", "1k"),
        ("1e3", "1e3"),
        ("12E6", "12e6"),
        ("0", "0"),
        ("-0.5", "-500m"),
        (2, "2"),
        (1.5, "1500m"),
        ("1000Ki", "1000Ki"),
        ("0.0000000001", "1n"),
    ],
)
def test_quantities_are_stored_as_the_api_server_stores_them(written, stored):
    assert canonical(written) == stored


@given(st.integers(-(10**9), 10**9), st.sampled_from(["n", "u", "m", "", "k", "M", "Ki", "Mi", "Gi", "e3"]))
def test_the_amount_stays_and_the_form_is_final(number, unit):
    once = canonical(f"{number}{unit}")
    assert parse(once) == parse(f"{number}{unit}")
    assert canonical(once) == once


def test_what_is_no_quantity_is_refused():
    with pytest.raises(ValueError, match="not a quantity"):
        canonical("lots")
