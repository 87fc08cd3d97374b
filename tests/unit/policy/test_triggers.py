"""What events make of triggers."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, strategies as st

from sympozium.api.trigger import SympoziumTrigger
from sympozium.policy.triggers import (
    TASK,
    Fired,
    Happened,
    OtherEventError,
    Template,
    TriggerError,
    decide,
    fit,
    problems,
)

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
EVENT = {
    "reason": "BackOff",
    "message": "restarting {{ event.reason }}",
    "object": {"name": "web-1"},
    "count": 3,
}


def trigger(name: str = "t", **spec: Any) -> SympoziumTrigger:
    base = {
        "instanceRef": "sre", "task": "Look at {{ event.object.name }}: {{event.message}}",
        "source": {"kubernetesEvent": {}}, "cooldown": "10m",
    }  # fmt: skip
    meta = {"name": name, "namespace": "team", "uid": "u"}
    return SympoziumTrigger.model_validate({"metadata": meta, "spec": {**base, **spec}})


def happened(event: dict[str, Any] | None = None, occasion: str = "e/3") -> Happened:
    return Happened(event or EVENT, "web-1/BackOff", occasion, NOON)


def made(*ago: float, key: str | None = None) -> list[Fired]:
    mark = decide(trigger(), happened(), [], now=NOON).key if key is None else key
    return [Fired(mark, NOON - timedelta(seconds=seconds)) for seconds in ago]


def test_the_task_holds_the_event_as_text_and_nothing_in_it_is_evaluated_again() -> None:
    found = decide(trigger(), happened(), [], now=NOON)
    assert found.task == "Look at web-1: restarting {{ event.reason }}"
    assert found.suppressed == ""


def test_an_event_seen_again_is_the_same_run_and_another_is_not() -> None:
    first = decide(trigger(), happened(), [], now=NOON)
    assert decide(trigger(), happened(), [], now=NOON + timedelta(days=1)).name == first.name
    assert decide(trigger(), happened(occasion="e/4"), [], now=NOON).name != first.name
    assert decide(trigger("other"), happened(), [], now=NOON).name != first.name


def test_what_a_sender_says_is_one_event_is_one_run_also_within_the_cooldown() -> None:
    once = replace(happened(occasion="once/k"), once=True)
    first = decide(trigger(), once, [], now=NOON)
    there = [Fired(first.key, NOON, first.name)]
    assert decide(trigger(), once, there, now=NOON) == replace(first, task="", again=True)
    with pytest.raises(OtherEventError, match=first.name):
        decide(trigger(), replace(once, default_key="other"), there, now=NOON)


@pytest.mark.parametrize(
    ("spec", "fired", "words"),
    [
        ({}, made(599), "within 10m of the last run about web-1/BackOff"),
        ({}, made(600), ""),
        ({}, made(5, key="of-another"), ""),
        ({"cooldown": "0s"}, made(0), ""),
        ({"maxRunsPerHour": 2}, made(1, 3599, key="x"), "2 runs within an hour"),
        ({"maxRunsPerHour": 2}, made(1, 3600, key="x"), ""),
        ({"suspend": True}, [], "suspended"),
    ],
)
def test_what_makes_no_run(spec: dict[str, Any], fired: list[Fired], words: str) -> None:
    found = decide(trigger(**spec), happened(), fired, now=NOON)
    assert words in found.suppressed
    assert bool(found.name) is not bool(words)


def test_a_key_of_ones_own_says_what_is_one_matter() -> None:
    by_name = trigger(dedupeKey="event.object.name")
    first = decide(by_name, happened(), [], now=NOON)
    other = {**EVENT, "reason": "Unhealthy"}
    assert decide(by_name, happened(other), [], now=NOON).key == first.key
    assert decide(by_name, happened({**EVENT, "object": {"name": "web-2"}}), [], now=NOON).key != first.key


def test_an_expression_that_this_event_has_no_value_for_is_said() -> None:
    with pytest.raises(TriggerError, match=r"event\.labels\.team"):
        decide(trigger(task="{{ event.labels.team }}"), happened(), [], now=NOON)
    assert Template.parse("{{ has(event.labels) ? event.labels.team : 'nobody' }}").render(EVENT) == "nobody"


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"task": "look at {{ event. }}"}, "spec.task"),
        ({"task": "{{ other.name }}"}, "spec.task"),
        ({"task": "{{}}"}, "spec.task"),
        ({"task": "{{event.a}}" * 65}, "spec.task"),
        ({"task": "{{" + "event.a + " * 1000 + "event.a}}"}, "spec.task"),
        ({"dedupeKey": "1 +"}, "spec.dedupeKey"),
    ],
)
def test_mistakes_are_found_where_they_are(spec: dict[str, Any], field: str) -> None:
    assert [found for found, _ in problems(trigger(**spec).spec)] == [field]
    assert problems(trigger().spec) == []


def test_what_is_too_long_is_cut_and_says_so() -> None:
    task = Template.parse("{{ event.a }}{{ event.a }}{{ event.a }}{{ event.a }}{{ event.a }}").render(
        {"a": "x" * 70_000}
    )
    assert len(task) == TASK
    assert task.endswith("[shortened]")


def test_an_expression_cannot_take_all_time() -> None:
    heavy = "event.a.all(x, event.a.all(y, event.a.all(z, x + y + z >= 0)))"
    with pytest.raises(TriggerError, match="cost"):
        decide(trigger(dedupeKey=heavy), happened({"a": list(range(200))}), [], now=NOON)


def test_the_expressions_of_a_task_share_what_one_may_cost() -> None:
    one = "{{ event.a.map(x, x + 1).size() }}"
    event = happened({"a": list(range(1000))})
    assert decide(trigger(task=one), event, [], now=NOON).task == "1000"
    with pytest.raises(TriggerError, match="cost"):
        decide(trigger(task=one * 60), event, [], now=NOON)


def test_braces_that_are_not_closed_are_text() -> None:
    # A pattern would look for the end from each of them: minutes.
    assert Template.parse("{{" * 32_768).texts == ["{{" * 32_768]
    assert Template.parse("a {{event.b}} {{ c").render({"b": "}}"}) == "a }} {{ c"


@pytest.mark.parametrize("event", [[], "x", None, {"a": 2**70}, {"a": float("inf")}])
def test_what_is_no_event(event: Any) -> None:
    assert fit(event)


def test_deep_json_is_refused_without_a_stack() -> None:
    deep: Any = {}
    for _ in range(100_000):
        deep = {"a": deep}
    assert "nested" in fit(deep)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["object", "message", "x"]), _JSON))
def test_whatever_an_event_holds_there_is_a_task_or_words(event: dict[str, Any]) -> None:
    assert fit(event) == ""
    asked = trigger(task="a {{ has(event.message) ? event.message : '' }}")
    assert decide(asked, happened(event), [], now=NOON).task.startswith("a ")
