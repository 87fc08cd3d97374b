from sympozium.api.meta import (
    Condition,
    condition,
    drop_condition,
    find_condition,
    now,
    owner_reference,
    set_condition,
)


def ready(status: bool, at: str, reason: str = "Fine") -> Condition:
    return condition("Ready", status, reason, "text", generation=1, at=at)


def test_the_time_moves_only_with_the_status() -> None:
    first = set_condition([], ready(True, "2026-01-01T00:00:00Z"))
    same = set_condition(first, ready(True, "2026-02-01T00:00:00Z", "Better"))
    assert same[0].last_transition_time == "2026-01-01T00:00:00Z"
    assert same[0].reason == "Better"
    other = set_condition(same, ready(False, "2026-03-01T00:00:00Z"))
    assert other[0].last_transition_time == "2026-03-01T00:00:00Z"


def test_order_is_kept_and_others_are_left_alone() -> None:
    cut = condition("Cut", None, "Unknown", "text", generation=1, at=now())
    found = set_condition([cut], ready(True, now()))
    assert [c.type for c in found] == ["Cut", "Ready"]
    assert found[0].status == "Unknown"
    found = set_condition(found, condition("Cut", True, "Yes", "text", generation=2, at=now()))
    assert [c.type for c in found] == ["Cut", "Ready"]
    assert find_condition(found, "Cut").reason == "Yes"
    assert [c.type for c in drop_condition(found, "Cut")] == ["Ready"]
    assert find_condition(found, "None") is None


def test_an_owner_controls() -> None:
    owner = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "uid": "u"}}
    assert owner_reference(owner) == {
        "apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u", "controller": True, "blockOwnerDeletion": True
    }  # fmt: skip
