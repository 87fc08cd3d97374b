"""From the messages of a run to its calls, to where a rule stands, to what another policy would have said."""

import json
from datetime import timedelta
from typing import Any

import pytest

from cluster.bus_data import whole
from sympozium.actions.errors import UsageError
from sympozium.actions.policies import backtest, calls, rules
from sympozium.api.policy import SympoziumPolicy
from sympozium.api.run import AgentRun
from sympozium.bus.history import Stored
from sympozium.bus.messages import Message
from sympozium.bus.subjects import RunRef
from sympozium.cli.policy.backtest import show
from sympozium.masking import mask
from sympozium.policy import Effective
from sympozium.shortening import shorten_value

RUN = RunRef("team", "r", "u")


def _messages(*parts: tuple[str, dict[str, Any]]) -> list[Stored]:
    return [
        Stored(n, Message(kind, RUN, "tools", "e", n, whole(kind, data), time="2026-11-27T10:00:00.000000Z"))
        for n, (kind, data) in enumerate(parts, 1)
    ]


def _intent(call: str, action: str = "allow", **fields: Any) -> tuple[str, dict[str, Any]]:
    verdict = {"action": action, "rule": f"p: toolGating.rules[0] (x: {action})", "reason": ""}
    return "tool.intent", {"callId": call, "verdict": verdict, **fields}


def _policy(**spec: Any) -> SympoziumPolicy:
    return SympoziumPolicy.model_validate({"metadata": {"name": "new", "namespace": "team"}, "spec": spec})


def _run(**spec: Any) -> AgentRun:
    return AgentRun.model_validate(
        {"metadata": {"name": "r", "namespace": "team"}, "spec": {"instanceRef": "i", "task": "t", **spec}}
    )


def test_a_call_has_what_was_decided_and_what_came_of_it() -> None:
    found = calls.of(
        _messages(
            _intent("c1", "ask"),
            ("tool.approval", {"callId": "c1", "state": "waiting"}),
            ("tool.approval", {"callId": "c1", "state": "Approved", "decidedBy": "olivia"}),
            ("tool.outcome", {"callId": "c1", "ok": True}),
            _intent("c2"),
            ("tool.outcome", {"callId": "unheard", "ok": True}),
        )
    )
    assert [call.id for call in found] == ["c1", "c2"]
    assert [decision["decidedBy"] for decision in found[0].decisions] == ["olivia"]
    assert found[0].outcome is not None
    assert found[1].outcome is None


def test_a_call_that_a_retry_makes_again_is_one_more() -> None:
    found = calls.of(_messages(_intent("c1"), ("tool.outcome", {"callId": "c1", "ok": False}), _intent("c1")))
    assert [call.outcome is None for call in found] == [False, True]


@pytest.mark.parametrize(
    ("args", "partial"),
    [
        ({"path": "a"}, False),
        (mask({"password": "hunter2"}), True),
        ({"deep": [mask("token=abcdefgh")]}, True),
        (shorten_value({"content": "x" * 3000}, 2000), True),
        (shorten_value({"items": list(range(60))}, 2000), True),
        ({"shortened": "..."}, True),
    ],
)
def test_what_the_record_has_only_a_part_of_is_known(args: Any, partial: bool) -> None:
    (call,) = calls.of(_messages(_intent("c1", args=args)))
    assert call.is_partial is partial


def test_a_rule_has_its_place_in_the_policy_that_it_names() -> None:
    policy = {
        "apiVersion": "sympozium.ai/v1alpha1",
        "kind": "SympoziumPolicy",
        "metadata": {"name": "p", "namespace": "team", "managedFields": []},
        "spec": {"toolGating": {"defaultAction": "deny", "rules": [{"tool": "x", "action": "ask"}]}},
    }
    known = {"p": rules.from_cluster(policy)}
    place = rules.find("p: toolGating.rules[0] (x: ask)", known)
    assert place is not None
    assert place.where == "sympozium get sympoziumpolicy p -n team -o yaml"
    assert (place.line, place.text, place.from_file) == (10, "- tool: x, action: ask", False)
    default = rules.find("p: toolGating.defaultAction (deny)", known)
    assert default is not None
    assert default.text == "defaultAction: deny"
    for gone in ("p: toolGating.rules[7] (y: deny)", "q: toolGating.rules[0]", "input schema", "run.cancel"):
        assert rules.find(gone, known) is None


def test_the_candidate_judges_what_was_recorded() -> None:
    recorded = calls.of(
        _messages(
            _intent("c1", tool="read_file", args={"path": "a"}),
            _intent("c2", "ask", tool="execute_command", args={"command": "ls"}),
            _intent("c3", tool="execute_command", args={"command": "rm x"}),
            _intent("c4", "deny", tool="nonsense", target=""),
        )
    )
    candidate = _policy(
        toolGating={
            "defaultAction": "deny",
            "rules": [
                {"tool": "execute_command", "action": "deny", "when": "args.command.startsWith('rm')"},
                {"tool": "execute_command", "action": "allow", "when": "run.instance == 'i'"},
                {"tool": "read_file", "action": "ask"},
            ],
        }
    )
    judged = backtest.judge(_run(), recorded, Effective.of(candidate))
    assert [(j.call.id, j.verdict.action, j.changed) for j in judged] == [
        ("c1", "ask", True),
        ("c2", "allow", True),
        ("c3", "deny", True),
    ]
    narrowed = backtest.judge(_run(toolPolicy={"deny": ["read_file"]}), recorded, Effective.of(candidate))
    assert narrowed[0].verdict.action == "deny"


def test_what_is_shown_counts_groups_and_gives_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    recorded = calls.of(
        _messages(_intent("c1"), _intent("c2"), _intent("c3", "deny", args={"password": "[masked]"}))
    )
    result = backtest.Result(runs=2, unread=["team/gone"])
    candidate = Effective.of(_policy(toolGating={"defaultAction": "deny", "rules": []}))
    result.judged = backtest.judge(_run(), recorded, candidate)
    show("new", result, "since ever")
    out = capsys.readouterr().out
    assert "3 calls of 2 runs since ever, judged by new" in out
    assert "newly denied       2" in out
    assert "unchanged          1" in out
    assert "execute_command in shell" in out
    assert 'r: {"command": "ls"}' in out
    assert "1 calls have long or secret arguments" in out
    assert "1 runs have no transcript" in out
    changes = backtest.as_json("new", result)["changes"]
    assert [(c["callId"], c["was"]["action"], c["now"]["action"]) for c in changes] == [
        ("c1", "allow", "deny"),
        ("c2", "allow", "deny"),
    ]
    json.dumps(changes)


@pytest.mark.parametrize(
    ("text", "age"),
    [("30d", timedelta(days=30)), ("12h", timedelta(hours=12)), ("1d12h", timedelta(days=1, hours=12))],
)
def test_since_takes_days(text: str, age: timedelta) -> None:
    assert backtest.since(text) == age


@pytest.mark.parametrize("text", ["", "d", "yesterday", "30", "99999999999d", "-1d"])
def test_since_says_how_a_time_is_written(text: str) -> None:
    with pytest.raises(UsageError, match="write a time as 30d"):
        backtest.since(text)
