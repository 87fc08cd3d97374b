import pytest
from hypothesis import given, strategies as st

from sympozium import names


def test_parts_that_fit_are_kept() -> None:
    assert names.derive("platform-team", "sre-agent", "schedule") == "platform-team-sre-agent-schedule"


def test_what_does_not_fit_is_cut_and_told_apart() -> None:
    one, other = names.derive("a" * 60, "b" * 60), names.derive("a" * 60, "c" * 60)
    assert one != other
    assert names.is_label(one)
    assert one.startswith("aaaa")


def test_borders_between_parts_count() -> None:
    assert names.derive("A", "b-c") != names.derive("A-b", "c")
    assert names.digest("a", "bc") != names.digest("ab", "c")


def test_nothing_readable_is_an_error() -> None:
    with pytest.raises(ValueError, match="letter or digit"):
        names.derive("--", "__")


@pytest.mark.parametrize(
    ("name", "label", "subdomain"),
    [("a", True, True), ("a.b", False, True), ("-a", False, False), ("A", False, False), ("", False, False),
     ("a" * 64, False, True), ("a" * 254, False, False), ("a\n", False, False)],
)  # fmt: skip
def test_what_kubernetes_takes_for_a_name(name: str, label: bool, subdomain: bool) -> None:
    assert names.is_label(name) is label
    assert names.is_subdomain(name) is subdomain


@given(st.lists(st.text(min_size=1), min_size=1, max_size=4), st.integers(min_value=20, max_value=63))
def test_every_derived_name_is_a_label_and_stable(parts: list[str], limit: int) -> None:
    try:
        name = names.derive(*parts, limit=limit)
    except ValueError:
        return
    assert names.is_label(name)
    assert len(name) <= limit
    assert name == names.derive(*parts, limit=limit)
