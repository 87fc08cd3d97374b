"""The data of messages: what the contract lists is held, with the path of what is wrong."""

from typing import Any

import pytest

from cluster.bus_data import _WHOLE, whole
from sympozium.bus.data import TYPES, wrong


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_whole_data_is_right_and_each_field_is_held(kind: str) -> None:
    assert set(_WHOLE) == set(TYPES)
    data = whole(kind)
    assert wrong(kind, data) == ""
    assert wrong(kind, {**data, "unheard": [1]}) == ""
    for name in TYPES[kind].__required_keys__:
        without = {k: v for k, v in data.items() if k != name}
        assert wrong(kind, without) == f"{kind}: data.{name} is missing"
        if name != "args" or kind == "approval":
            assert wrong(kind, {**data, name: None}).startswith(f"{kind}: data.{name} is no")


@pytest.mark.parametrize(
    ("kind", "field", "value", "words"),
    [
        ("step.started", "step", -1, "data.step is no whole number"),
        ("step.started", "step", True, "data.step is no whole number"),
        ("step.started", "step", 2**53, "data.step is no whole number"),
        ("run.started", "tools", ["a", 1], "data.tools.1 is no text"),
        ("run.started", "tools", "a", "data.tools is no list"),
        ("model.message", "usage", {"inputTokens": 1}, "data.usage.outputTokens is missing"),
        ("model.message", "usage", [], "data.usage is no object"),
        ("model.message", "toolCalls", [{"id": "1", "name": "n"}], "data.toolCalls.0.arguments is missing"),
        ("tool.intent", "verdict", {"action": "maybe", "rule": "", "reason": ""}, "data.verdict.action is none of allow"),
        ("tool.outcome", "callId", "", "data.callId is not"),
        ("tool.outcome", "callId", "x" * 257, "data.callId is not"),
        ("approval", "argsDigest", "sha256:0", "data.argsDigest is not sha256:"),
        ("tool.outcome", "denied", "yes", "data.denied is no boolean"),
        ("approval", "expiresIn", -1.0, "data.expiresIn is no number"),
        ("approval", "expiresIn", float("nan"), "data.expiresIn is no number"),
        ("approval", "expiresIn", float("inf"), "data.expiresIn is no number"),
        ("approval", "args", "rm", "data.args is no object"),
        ("run.keys", "keys", {"agent": 1}, "data.keys.agent is no text"),
        ("run.result", "phase", "Cancelled", "data.phase is none of Succeeded, Failed"),
        ("run.result", "phase", [], "data.phase is none of"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(kind: str, field: str, value: Any, words: str) -> None:
    assert words in wrong(kind, whole(kind, {field: value}))


def test_seconds_may_be_whole_and_an_unknown_type_is_named() -> None:
    assert wrong("approval", whole("approval", expiresIn=60)) == ""
    assert wrong("no.such", {}) == "unknown message type 'no.such'"
