"""Every manifest in examples/ applies, without a warning, and becomes what it says."""

import shutil
from pathlib import Path

import pytest

from sympozium.testing import INSTANCE, SCHEDULE, Cluster

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
READY = "condition=Ready"


def _with_model_key(cluster: Cluster, namespace: str) -> None:
    """What `up` puts into `default`, in the namespace of the test."""
    secret = cluster.request("GET", "/api/v1/namespaces/default/secrets/sympozium-llm-key")
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "sympozium-llm-key"},
            "data": secret["data"],
        },
        namespace,
    )


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_it_applies_and_becomes_ready(sympozium_cluster: Cluster, namespace: str, path: Path) -> None:
    _with_model_key(sympozium_cluster, namespace)
    base = [] if path.stem == "assistant" else ["-f", str(EXAMPLES[0].with_name("assistant.yaml"))]
    applied = sympozium_cluster.sympozium("apply", *base, "-f", str(path), "-n", namespace)
    assert "warning" not in (applied.stdout + applied.stderr).lower()
    kind = next(line.split()[1] for line in path.read_text().splitlines() if line.startswith("kind:")).lower()
    sympozium_cluster.kubectl("wait", f"--for={READY}", kind, "--all", "-n", namespace, "--timeout=30s")


def test_the_team_is_stamped_out_and_taken_away(
    sympozium_cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    _with_model_key(sympozium_cluster, namespace)
    path = shutil.copy(EXAMPLES[0].with_name("two-person-team.yaml"), tmp_path)
    sympozium_cluster.sympozium("apply", "-f", str(path), "-n", namespace)
    sympozium_cluster.wait(INSTANCE, "two-person-team-helper", lambda _: True, namespace)
    sympozium_cluster.wait(SCHEDULE, "two-person-team-watcher-schedule", lambda _: True, namespace)
    sympozium_cluster.sympozium("pack", "disable", "two-person-team", "-n", namespace)
    sympozium_cluster.wait_gone(INSTANCE, "two-person-team-helper", namespace)
    sympozium_cluster.wait_gone(SCHEDULE, "two-person-team-watcher-schedule", namespace)
