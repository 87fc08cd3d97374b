import pytest

from sympozium.localkube.defaults.labels import matches, selector_shape_causes


def rule(key, operator, *values):
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ({"matchLabels": {"a": "1"}}, True),
        ({"matchLabels": {"a": "2"}}, False),
        ({"matchLabels": {"b": "1"}}, False),
        (rule("a", "In", "1", "2"), True),
        (rule("a", "In", "2"), False),
        (rule("b", "In", "1"), False),
        (rule("a", "NotIn", "2"), True),
        (rule("a", "NotIn", "1"), False),
        (rule("b", "NotIn", "1"), True),
        (rule("a", "Exists"), True),
        (rule("b", "Exists"), False),
        (rule("b", "DoesNotExist"), True),
        (rule("a", "DoesNotExist"), False),
        (rule("a", "Like", "1"), False),
        ({"matchLabels": {"a": "1"}, **rule("a", "In", "2")}, False),
        ({}, True),
    ],
)
def test_selectors(selector, found):
    assert matches(selector, {"a": "1"}) is found


@pytest.mark.parametrize(
    ("selector", "field"),
    [
        (rule("a", "In"), "s.matchExpressions[0].values"),
        (rule("a", "Exists", "1"), "s.matchExpressions[0].values"),
        (rule("a", "Like", "1"), "s.matchExpressions[0].operator"),
        (rule("a", "NotIn", "1"), None),
        (rule("a", "DoesNotExist"), None),
    ],
)
def test_shapes_of_selectors(selector, field):
    assert [cause.field for cause in selector_shape_causes(selector, "s")] == ([field] if field else [])
