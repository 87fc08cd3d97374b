"""`sympozium policy explain` and `backtest` on runs that really happened, and the example of `policy test`."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.support import agent, decide, finished, own_namespace, policy, run, say
from sympozium.testing import Cluster, ScriptedModel

RULES = {
    "defaultAction": "deny",
    "rules": [
        {"tool": "read_file", "action": "allow"},
        {"tool": "execute_command", "action": "deny", "when": "args.command.startsWith('rm')", "reason": "no removing"},
        {"tool": "execute_command", "action": "ask"},
    ],
}  # fmt: skip
SCRIPT = say(
    {"id": "one", "call": [{"tool": "execute_command", "arguments": {"command": "rm x"}}]},
    {"id": "two", "call": [{"tool": "execute_command", "arguments": {"command": "echo hi"}}]},
    {"id": "three", "call": [{"tool": "write_file", "arguments": {"path": "x", "content": "y"}}]},
    {"id": "end", "say": "done"},
)
CANDIDATE = """\
apiVersion: sympozium.ai/v1alpha1
kind: SympoziumPolicy
metadata: {name: candidate}
spec:
  toolGating:
    defaultAction: allow
    rules:
      - {tool: execute_command, action: deny}
"""


@pytest.fixture(scope="module")
def ended_run(sympozium_cluster: Cluster) -> Iterator[str]:
    """The namespace of a run that has ended; its policy `strict` is as it was."""
    with own_namespace(sympozium_cluster) as namespace, ScriptedModel(SCRIPT) as model:
        policy(sympozium_cluster, namespace, "strict", toolGating=RULES)
        agent(sympozium_cluster, namespace, model.base_url, policy_ref="strict")
        run(sympozium_cluster, namespace)
        decide(sympozium_cluster, namespace, "Approved")
        finished(sympozium_cluster, namespace)
        yield namespace


def test_explain_shows_each_decision_with_its_rule_and_line(
    sympozium_cluster: Cluster, ended_run: str, tmp_path: Path
) -> None:
    told = sympozium_cluster.sympozium("policy", "explain", "run", "-n", ended_run).stdout
    assert "under policy strict, generation 1" in told
    assert "strict: toolGating.rules[1]" in told
    assert "no removing" in told
    assert f"of `sympozium get sympoziumpolicy strict -n {ended_run} -o yaml`" in told
    assert "Approved by " in told
    assert "strict: toolGating.defaultAction (deny)" in told

    stored = sympozium_cluster.sympozium(
        "get", "sympoziumpolicy", "strict", "-n", ended_run, "-o", "yaml"
    ).stdout
    line = next(n for n, text in enumerate(stored.splitlines(), 1) if "action: deny" in text)
    kept = tmp_path / "strict.yaml"
    kept.write_text("# ours\n" + stored)
    decisions = json.loads(
        sympozium_cluster.sympozium(
            "policy", "explain", "run", "-n", ended_run, "-f", str(kept), "-o", "json"
        ).stdout
    )["decisions"]
    assert [d["verdict"]["action"] for d in decisions] == ["deny", "ask", "deny"]
    assert decisions[0]["place"]["where"] == str(kept)
    assert abs(decisions[0]["place"]["line"] - (line + 1)) <= 3
    assert decisions[1]["decisions"][0]["state"] == "Approved"

    policy(sympozium_cluster, ended_run, "strict", toolGating=RULES | {"defaultAction": "allow"})
    told = sympozium_cluster.sympozium("policy", "explain", "run", "-n", ended_run).stdout
    policy(sympozium_cluster, ended_run, "strict", toolGating=RULES)
    assert "has changed since: it is at generation 2" in told


def test_backtest_tells_what_another_policy_would_have_done(
    sympozium_cluster: Cluster, ended_run: str, tmp_path: Path
) -> None:
    (tmp_path / "candidate.yaml").write_text(CANDIDATE)
    told = sympozium_cluster.sympozium(
        "policy", "backtest", str(tmp_path / "candidate.yaml"), "-n", ended_run, "-o", "json"
    ).stdout
    changes = json.loads(told)["changes"]
    assert [(c["tool"], c["was"]["action"], c["now"]["action"]) for c in changes] == [
        ("execute_command", "ask", "deny"),
        ("write_file", "deny", "allow"),
    ]
    people = sympozium_cluster.sympozium("policy", "backtest", "strict", "-n", ended_run).stdout
    assert "3 calls of 1 runs" in people
    assert "unchanged          3" in people


def test_the_example_passes() -> None:
    examples = Path(__file__).parents[2] / "examples"
    done = subprocess.run(
        [sys.executable, "-m", "sympozium", "policy", "test", str(examples)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "9 tests, 0 failed, 0 rules that no test reaches" in done.stdout
