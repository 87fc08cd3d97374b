"""A model that misbehaves gets a clear tool error or a clear end of the run, and the record shows it."""

from typing import Any

import pytest

from e2e.support import agent, finished, policy, run, say, transcript
from sympozium.testing import Cluster, ScriptedModel


def call(tool: str, raw: str | None = None, **arguments: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"tool": tool}
    return made | ({"raw": raw} if raw is not None else {"arguments": arguments})


LAST = {"id": "end", "say": "over: {{result|head(3)}}"}
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "a tool that it was not offered": (call("launch_rocket", where="moon"), "launch_rocket"),
    "a tool that its policy denies": (call("write_file", path="a", content="b"), "denied"),
    "arguments that break the schema": (call("read_file", path=["a", "b"]), "path"),
    "an argument that does not exist": (call("read_file", path="a", colour="red"), "colour"),
    "arguments that are no JSON": (call("read_file", raw='{"path": "a'), "JSON"),
    "half a character": (call("read_file", raw=r'{"path": "\ud800"}'), "surrogate"),
    "arguments without a bottom": (call("read_file", raw='{"path": ' + "[" * 50_000), "nested"),
    "5 MB of arguments": (call("read_file", path="x" * 5_000_000), "too large"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_bad_call_is_a_clear_tool_error_and_the_run_goes_on(
    sympozium_cluster: Cluster, namespace: str, case: str
) -> None:
    bad, says = CASES[case]
    policy(
        sympozium_cluster, namespace,
        toolGating={"defaultAction": "allow", "rules": [{"tool": "write_file", "action": "deny"}]},
    )  # fmt: skip
    with ScriptedModel(say({"id": "bad", "say": "I try.", "call": [bad]}, LAST)) as model:
        agent(sympozium_cluster, namespace, model.base_url)
        run(sympozium_cluster, namespace)
        status = finished(sympozium_cluster, namespace)["status"]
    assert status["phase"] == "Succeeded"
    assert says in status["result"]
    record = transcript(sympozium_cluster, namespace)
    assert bad["tool"] in record
    assert says in record
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
