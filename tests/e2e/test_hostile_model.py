"""A model that misbehaves gets a clear tool error or a clear end of the run, and the record shows it."""

from collections.abc import Iterator
from typing import Any

import pytest

from e2e.support import agent, finished, own_namespace, policy, run, say, transcript
from sympozium.testing import AGENT_RUN, Cluster, ScriptedModel


def call(tool: str, raw: str | None = None, **arguments: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"tool": tool}
    return made | ({"raw": raw} if raw is not None else {"arguments": arguments})


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "a tool that it was not offered": (call("launch_rocket", where="moon"), "launch_rocket"),
    "a tool that its policy denies": (call("write_file", path="a", content="b"), "denied"),
    "a run that its policy does not let it start": (
        call("spawn_agent", task="x"),
        "featureGates[sub-agents]",
    ),
    "arguments that break the schema": (call("read_file", path=["a", "b"]), "path"),
    "an argument that does not exist": (call("read_file", path="a", colour="red"), "colour"),
    "arguments that are no JSON": (call("read_file", raw='{"path": "a'), "JSON"),
    "half a character": (call("read_file", raw=r'{"path": "\ud800"}'), "surrogate"),
    "arguments without a bottom": (call("read_file", raw='{"path": ' + "[" * 50_000), "nested"),
    "5 MB of arguments": (call("read_file", path={"repeat": "x", "times": 5_000_000}), "too large"),
}


@pytest.fixture(scope="module")
def played(sympozium_cluster: Cluster) -> Iterator[tuple[dict[str, Any], str]]:
    """Status and record of one run whose model makes every bad call, and says what it heard of each."""
    steps = [
        {"id": f"c{i}", "say": f"I try {name}.", "call": [bad]}
        for i, (name, (bad, _)) in enumerate(CASES.items())
    ]
    heard = "".join(f"<{name}>{{{{result_of_c{i}|head(3)}}}}</{name}>\n" for i, name in enumerate(CASES))
    deny = {"defaultAction": "allow", "rules": [{"tool": "write_file", "action": "deny"}]}
    with (
        own_namespace(sympozium_cluster) as namespace,
        ScriptedModel(say(*steps, {"id": "end", "say": heard})) as model,
    ):
        policy(sympozium_cluster, namespace, toolGating=deny, featureGates={"sub-agents": False})
        agent(sympozium_cluster, namespace, model.base_url)
        run(sympozium_cluster, namespace)
        status = finished(sympozium_cluster, namespace)["status"]
        assert len(sympozium_cluster.items(AGENT_RUN, namespace)) == 1, "a run was started"
        yield status, transcript(sympozium_cluster, namespace)


def between(text: str, start: str, end: str) -> str:
    """What stands between the two, "" when they are not there."""
    return text.partition(start)[2].partition(end)[0]


@pytest.mark.parametrize("case", CASES)
def test_a_bad_call_is_a_clear_tool_error_and_the_run_goes_on(
    played: tuple[dict[str, Any], str], case: str
) -> None:
    status, record = played
    bad, says = CASES[case]
    assert status["phase"] == "Succeeded", status
    assert says in between(status["result"], f"<{case}>", f"</{case}>")
    told = between(record, f"I try {case}.", "I try ")
    assert bad["tool"] in told
    assert says in told
    assert len(record) < 100_000


def test_a_model_that_never_stops_calling_tools_ends_by_the_step_limit(
    sympozium_cluster: Cluster, namespace: str
) -> None:
    policy(sympozium_cluster, namespace)
    script = say(
        {
            "id": "again",
            "say": "Once more.",
            "call": [call("list_directory", path=".")],
            "next": [{"goto": "again"}],
        }
    )
    with ScriptedModel(script) as model:
        agent(sympozium_cluster, namespace, model.base_url, default={"maxSteps": 6})
        run(sympozium_cluster, namespace)
        status = finished(sympozium_cluster, namespace)["status"]
    assert (status["phase"], status["reason"], status["steps"]) == ("Failed", "StepLimit", 6)
    assert "6" in status["error"]
    assert status["tokenUsage"]["totalTokens"] > 0
