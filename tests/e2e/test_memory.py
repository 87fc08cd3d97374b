"""What a run notes, the next one is told."""

from e2e.support import agent, finished, policy, run
from sympozium.kube.resources import CONFIG_MAPS
from sympozium.testing import Cluster, ScriptedModel

NOTING = [
    {"id": "note", "call": [{"tool": "remember", "arguments": {"text": "the pod lies"}}]},
    {"id": "end", "say": "{{result|head(9)}}"},
]


def test_a_run_is_told_what_an_earlier_one_noted(sympozium_cluster: Cluster, namespace: str) -> None:
    policy(sympozium_cluster, namespace)
    script = {
        "banner": False,
        "models": ["scripted"],
        "rules": [
            {
                "name": "told",
                "match": {"system": "- the pod lies"},
                "steps": [{"id": "end", "say": "I was told."}],
            },
            {"name": "first", "match": {"system": r"\(none yet\)"}, "steps": NOTING},
        ],
    }
    with ScriptedModel(script) as model:
        agent(sympozium_cluster, namespace, model.base_url, memory={"enabled": True})
        run(sympozium_cluster, namespace, name="one")
        status = finished(sympozium_cluster, namespace, "one")["status"]
        assert "noted; the notes have 15 of" in status["result"], status
        run(sympozium_cluster, namespace, name="two")
        assert finished(sympozium_cluster, namespace, "two")["status"]["result"] == "I was told."
    notes = sympozium_cluster.get(CONFIG_MAPS, "agent-memory", namespace)
    assert notes["data"]["MEMORY.md"] == "- the pod lies\n"


def test_a_policy_binds_notes_like_any_tool(sympozium_cluster: Cluster, namespace: str) -> None:
    rules = [{"tool": "remember", "action": "deny", "reason": "nothing is kept here"}]
    policy(sympozium_cluster, namespace, toolGating={"defaultAction": "allow", "rules": rules})
    script = {
        "banner": False,
        "models": ["scripted"],
        "rules": [{"name": "all", "match": {}, "steps": NOTING}],
    }
    with ScriptedModel(script) as model:
        agent(sympozium_cluster, namespace, model.base_url, memory={"enabled": True})
        run(sympozium_cluster, namespace, name="one")
        assert "nothing is kept here" in finished(sympozium_cluster, namespace, "one")["status"]["result"]
    assert sympozium_cluster.find(CONFIG_MAPS, "agent-memory", namespace) is None
