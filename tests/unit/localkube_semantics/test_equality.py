import pytest

from sympozium.localkube.schema.equality import same


@pytest.mark.parametrize(
    ("first", "second", "equal"),
    [
        (1, 1.0, True),
        (True, 1, False),
        (False, 0, False),
        ([True], [1], False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": {"x": True}}, {"a": {"x": 1}}, False),
        ({"a": 1}, {"a": 1, "b": None}, False),
        ({"a": None}, {"b": None}, False),
        ([1, 2], [2, 1], False),
        ([1], [1, 2], False),
        ("1", 1, False),
        (None, None, True),
        ({}, [], False),
    ],
)
def test_equal_as_json(first, second, equal):
    assert same(first, second) is equal
    assert same(second, first) is equal
