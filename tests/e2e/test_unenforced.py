"""A machine whose node does not know network policies: what claims to be closed does not run in the open."""

from collections.abc import Iterator

import pytest

from e2e.support import agent, finished, policy, run, say
from sympozium.testing import AGENT_RUN, Cluster, ScriptedModel, phase
from sympozium.testing.client import Object
from sympozium.testing.resources import NAMESPACE, SYMPOZIUM_CONFIG


@pytest.fixture(scope="module")
def unenforced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    environ = {"SYMPOZIUM_NODE_IGNORE_NETWORK_POLICIES": "1"}
    with Cluster(tmp_path_factory.mktemp("unenforced"), environ=environ) as cluster:
        yield cluster


@pytest.fixture
def ns(unenforced: Cluster) -> Iterator[str]:
    made = unenforced.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "t-"}})
    yield made["metadata"]["name"]
    unenforced.delete(NAMESPACE, made["metadata"]["name"])


@pytest.mark.parametrize(
    ("rules", "phase"),
    [({"denyAll": True}, "Failed"), ({"denyAll": True, "whenUnenforced": "Allow"}, "Succeeded")],
)
def test_a_closed_run_is_refused_unless_its_policy_says_otherwise(
    unenforced: Cluster, ns: str, rules: dict[str, object], phase: str
) -> None:
    policy(unenforced, ns, networkPolicy=rules)
    with ScriptedModel(say({"say": "done"})) as model:
        agent(unenforced, ns, model.base_url)
        run(unenforced, ns)
        status = finished(unenforced, ns)["status"]
    assert status["phase"] == phase, status
    if phase == "Failed":
        assert status["reason"] == "PlanFailed"
        assert "nothing enforces network policies here" in status["error"]
        assert "whenUnenforced" in status["error"]
    assert says_so(status) is ("whenUnenforced" in rules)


def says_so(status: Object) -> bool:
    return "NetworkUnenforced" in {c["type"] for c in status["conditions"]}


def test_a_run_that_is_closed_while_it_goes_on_says_that_nothing_enforces_it(
    unenforced: Cluster, ns: str
) -> None:
    """Which one that is not closed does not say."""
    gating = {"defaultAction": "ask", "rules": []}
    policy(unenforced, ns, networkPolicy={"denyAll": False}, toolGating=gating)
    with ScriptedModel(say({"call": [{"tool": "list_directory", "arguments": {"path": "."}}]})) as model:
        agent(unenforced, ns, model.base_url)
        run(unenforced, ns)
        held = unenforced.wait(AGENT_RUN, "run", lambda r: phase(r) == "AwaitingApproval", ns, timeout=60)
        assert not says_so(held["status"])
        policy(unenforced, ns, networkPolicy={"denyAll": True}, toolGating=gating)
        unenforced.wait(AGENT_RUN, "run", lambda r: says_so(r["status"]), ns, timeout=60)
        unenforced.patch(AGENT_RUN, "run", {"spec": {"cancel": True}}, ns)
        finished(unenforced, ns)


def test_doctor_says_so(unenforced: Cluster) -> None:
    done = unenforced.sympozium("doctor", check=False)
    assert done.returncode == 1, done.stdout
    (line,) = [text for text in done.stdout.splitlines() if "network policies:" in text]
    assert line.startswith("FAIL")
    assert "ProbeReached" in line
    config = unenforced.get(SYMPOZIUM_CONFIG, "default", "sympozium-system")
    found = {c["type"]: c for c in config["status"]["conditions"]}["NetworkPolicyEnforced"]
    assert (found["status"], found["reason"]) == ("False", "ProbeReached")
