"""`sympozium doctor` on a machine that is well, and with a part that is not."""

import json
import signal

from e2e.support import agent, finished, policy, run, say
from sympozium.testing import Cluster, ScriptedModel
from sympozium.testing.client import Object
from sympozium.testing.resources import POD, SYMPOZIUM_CONFIG
from sympozium.testing.waiting import until
from sympozium.up.state import read

CHECKS = [
    "API server", "clock", "installation", "custom resources", "webhook", "controller", "workloads", "bus", "bus storage", "storage",
    "catalogue", "runs", "nodes", "pod security", "permissions", "model", "model from a pod", "network policies",
]  # fmt: skip


def _lines(text: str) -> dict[str, str]:
    """Check -> its first word."""
    lines = [line for line in text.splitlines() if not line.startswith(" ")]
    return {line[6:].partition(":")[0]: line[:4].strip() for line in lines}


def _probed(config: Object) -> Object:
    found = {c["type"]: c for c in config["status"]["conditions"]}
    return found.get("NetworkPolicyEnforced", {})


def test_all_is_well(sympozium_cluster: Cluster) -> None:
    done = sympozium_cluster.sympozium("doctor")
    assert _lines(done.stdout) == dict.fromkeys(CHECKS, "ok"), done.stdout
    found = _probed(sympozium_cluster.get(SYMPOZIUM_CONFIG, "default", "sympozium-system"))
    assert (found["status"], found["reason"]) == ("True", "ProbeRefused")
    for component, namespace in (("network-probe", "sympozium-system"), ("model-probe", "default")):
        assert not sympozium_cluster.items(
            POD, namespace, labelSelector=f"sympozium.ai/component={component}"
        )


def test_a_stopped_installation_is_told_and_no_failure(sympozium_cluster: Cluster) -> None:
    sympozium_cluster.patch(SYMPOZIUM_CONFIG, "default", {"spec": {"suspend": True}}, "sympozium-system")
    try:
        done = sympozium_cluster.sympozium("doctor", "-o", "json")
    finally:
        sympozium_cluster.patch(SYMPOZIUM_CONFIG, "default", {"spec": {"suspend": None}}, "sympozium-system")
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert (checks["runs"]["ok"], checks["runs"]["level"]) == (None, "unknown")
    assert checks["runs"]["cure"] == "sympozium resume --all"


def test_the_first_closed_run_makes_the_probe(sympozium_cluster: Cluster, namespace: str) -> None:
    """Again, when what was found is on other nodes than these."""
    stale = {"status": {"networkProbe": {"checkedAt": "2026-01-01T00:00:00Z", "nodes": "others"}}}
    sympozium_cluster.patch(SYMPOZIUM_CONFIG, "default", stale, "sympozium-system", subresource="status")
    policy(sympozium_cluster, namespace, networkPolicy={})
    with ScriptedModel(say({"say": "done"})) as model:
        agent(sympozium_cluster, namespace, model.base_url)
        run(sympozium_cluster, namespace)
        assert finished(sympozium_cluster, namespace)["status"]["phase"] == "Succeeded"
    config = sympozium_cluster.get(SYMPOZIUM_CONFIG, "default", "sympozium-system")
    assert _probed(config)["status"] == "True"


def test_a_part_that_is_not_there(sympozium_cluster: Cluster) -> None:
    """The webhook is stopped, not ended, so that nobody starts it again."""
    state = read(sympozium_cluster.data)
    assert state is not None
    sympozium_cluster.kill("webhook", number=signal.SIGSTOP)
    try:
        done = sympozium_cluster.sympozium("doctor", check=False)
    finally:
        sympozium_cluster.kill("webhook", number=signal.SIGCONT)
    assert done.returncode == 1
    lines = _lines(done.stdout)
    assert lines["webhook"] == "FAIL"
    assert "is the webhook running?" in done.stdout
    assert {lines[name] for name in CHECKS if name not in ("webhook", "network policies")} == {"ok"}
    until(lambda: sympozium_cluster.sympozium("doctor", check=False).returncode == 0, "all is well again")
