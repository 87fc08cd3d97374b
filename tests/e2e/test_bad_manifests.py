"""A bad manifest gets an error that names the field; the command line prints it in one line."""

from pathlib import Path

import pytest

from sympozium.cli.main import run_app
from sympozium.testing import Cluster

RUN = """
apiVersion: sympozium.ai/v1alpha1
kind: AgentRun
metadata: {name: bad}
"""

CASES = {
    "unknown field": (RUN + "spec: {instanceRef: x, task: t, colour: red}", "spec.colour"),
    "missing instanceRef": (RUN + "spec: {task: t}", "spec.instanceRef"),
    "wrong type": (RUN + "spec: {instanceRef: x, task: [a]}", "spec.task"),
    "bad duration": (RUN + "spec: {instanceRef: x, task: t, timeout: soon}", "spec.timeout"),
    "an instance that is not there": (RUN + "spec: {instanceRef: nobody, task: t}", "nobody"),
    "bad cron": (
        """
apiVersion: sympozium.ai/v1alpha1
kind: SympoziumSchedule
metadata: {name: bad}
spec: {instanceRef: x, schedule: "61 * * * *", task: t}
""",
        "spec.schedule",
    ),
    "unknown kind": ("{apiVersion: sympozium.ai/v1alpha1, kind: AgentRum, metadata: {name: x}}", "AgentRum"),
    "unknown feature gate": (
        """
apiVersion: sympozium.ai/v1alpha1
kind: SympoziumPolicy
metadata: {name: bad}
spec: {featureGates: {teleport: true}}
""",
        "featureGates",
    ),
    "not YAML": ("a: [1, 2", "line"),
    "the same key twice": (RUN + "spec: {instanceRef: x, task: t, task: u}", "task"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_error_is_one_line_that_names_the_field(
    sympozium_cluster: Cluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    case: str,
) -> None:
    text, named = CASES[case]
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    monkeypatch.setenv("KUBECONFIG", str(sympozium_cluster.data.kubeconfig))
    assert run_app(["apply", "-f", str(path)]) != 0
    done = capsys.readouterr()
    lines = done.err.strip().splitlines()
    assert len(lines) == 1, done.err
    assert lines[0].startswith("error: ")
    assert named in lines[0]
    assert "Traceback" not in done.out + done.err
