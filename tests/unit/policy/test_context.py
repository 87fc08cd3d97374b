"""What a rule's `when` sees of a run: every key, for every run."""

from sympozium.api.run import AgentRun
from sympozium.policy import context


def _run(**spec: object) -> AgentRun:
    return AgentRun.model_validate(
        {
            "metadata": {"name": "r", "namespace": "n", "labels": {"team": "a"}},
            "spec": {"instanceRef": "i", "task": "t", **spec},
        }
    )


def test_a_run_that_nobody_spawned_has_every_key() -> None:
    assert context.of_run(_run()) == {
        "namespace": "n",
        "name": "r",
        "instance": "i",
        "depth": 0,
        "trigger": {"kind": "", "name": "", "user": ""},
        "labels": {"team": "a"},
    }


def test_trigger_and_depth_are_those_of_the_run() -> None:
    seen = context.of_run(
        _run(
            trigger={"kind": "Schedule", "name": "nightly", "user": "olivia"},
            parent={"runName": "p", "sessionKey": "s", "spawnDepth": 2},
        )
    )
    assert seen["depth"] == 2
    assert seen["trigger"] == {"kind": "Schedule", "name": "nightly", "user": "olivia"}
