"""What a run notes, the next one is told."""

from collections.abc import Iterator
from typing import Any

import pytest

from e2e.support import agent, finished, own_namespace, policy, run
from sympozium.kube.resources import CONFIG_MAPS
from sympozium.testing import Cluster, ScriptedModel

DENY = [{"tool": "remember", "action": "deny", "reason": "nothing is kept here"}]


def noting(text: str, say: str) -> list[dict[str, Any]]:
    return [
        {"id": "note", "call": [{"tool": "remember", "arguments": {"text": text}}]},
        {"id": "end", "say": say},
    ]


SCRIPT = {
    "banner": False,
    "models": ["scripted"],
    "rules": [
        {
            "name": "told",
            "match": {"system": "- the pod lies"},
            "steps": noting("the node lies", "I was told. {{result|head(9)}}"),
        },
        {
            "name": "first",
            "match": {"system": r"\(none yet\)"},
            "steps": noting("the pod lies", "{{result|head(9)}}"),
        },
    ],
}


@pytest.fixture(scope="module")
def results(sympozium_cluster: Cluster) -> Iterator[tuple[str, str, str]]:
    """Of a run that notes something, of a later one that tries to under a policy that denies it; the notes then."""
    cluster = sympozium_cluster
    with own_namespace(cluster) as namespace, ScriptedModel(SCRIPT) as model:
        policy(cluster, namespace)
        agent(cluster, namespace, model.base_url, memory={"enabled": True})
        run(cluster, namespace, name="one")
        one = finished(cluster, namespace, "one")["status"].get("result", "")
        policy(cluster, namespace, toolGating={"defaultAction": "allow", "rules": DENY})
        run(cluster, namespace, name="two")
        two = finished(cluster, namespace, "two")["status"].get("result", "")
        yield one, two, cluster.get(CONFIG_MAPS, "agent-memory", namespace)["data"]["MEMORY.md"]


def test_a_run_is_told_what_an_earlier_one_noted(results: tuple[str, str, str]) -> None:
    one, two, _ = results
    assert "noted; the notes have 15 of" in one
    assert two.startswith("I was told.")


def test_a_policy_binds_notes_like_any_tool(results: tuple[str, str, str]) -> None:
    _, two, notes = results
    assert "nothing is kept here" in two
    assert notes == "- the pod lies\n"
