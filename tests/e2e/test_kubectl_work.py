"""What people do with kubectl all day, with the newest and an older one, on pods that really run."""

import contextlib
import json
import os
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.support import own_namespace
from sympozium.kube.resources import Resource
from sympozium.testing import CONFIG_MAP, NODE, POD, Cluster
from sympozium.up.components import HOST_IMAGE, tool

OLD = Path(__file__).parents[2] / ".tools" / "kubectl-1.32"
DEPLOYMENT = Resource("apps", "v1", "deployments", "Deployment")
WEB = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: 1
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: {HOST_IMAGE}
        command: [python3, -u, -m, http.server, "8080"]
        workingDir: /tmp
        env: [{{name: ROUND, value: "1"}}]
        ports: [{{name: http, containerPort: 8080}}]
        readinessProbe: {{tcpSocket: {{port: http}}, periodSeconds: 1}}
"""


class Kubectl:
    def __init__(self, program: str, cluster: Cluster, namespace: str) -> None:
        self.namespace = namespace
        self.argv = [program, "--kubeconfig", str(cluster.data.kubeconfig), "-n", namespace]

    def try_(
        self, *arguments: str, stdin: str | None = None, **environ: str
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*self.argv, *arguments], input=stdin, env={**os.environ, **environ},
            capture_output=True, text=True, check=False, timeout=90,
        )  # fmt: skip

    def __call__(self, *arguments: str, stdin: str | None = None, **environ: str) -> str:
        done = self.try_(*arguments, stdin=stdin, **environ)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}{done.stdout}"
        return done.stdout

    @contextlib.contextmanager
    def running(self, *arguments: str) -> "Iterator[subprocess.Popen[str]]":
        process = subprocess.Popen(
            [*self.argv, *arguments],
            stdout=subprocess.PIPE,
            stdin=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with process:
            try:
                yield process
            finally:
                process.terminate()


@pytest.fixture(scope="module", params=["1.37", "1.32"])
def kubectl(request: pytest.FixtureRequest, sympozium_cluster: Cluster) -> Iterator[Kubectl]:
    """Of that version, in a namespace of its own that the tests share: each makes what it needs if it is not there."""
    program = tool("kubectl") if request.param == "1.37" else str(OLD)
    with own_namespace(sympozium_cluster) as namespace:
        yield Kubectl(program, sympozium_cluster, namespace)


@pytest.fixture
def web(kubectl: Kubectl) -> str:
    """A Deployment of one ready web server; the name of its pod."""
    kubectl("apply", "-f", "-", stdin=WEB)
    kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    return kubectl("get", "pods", "-l", "app=web", "-o", "name").split()[0].removeprefix("pod/")


def test_a_rollout_goes_forth_and_back(kubectl: Kubectl, web: str) -> None:
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    kubectl("set", "env", "deployment/web", "ROUND=2")
    kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    history = kubectl("rollout", "history", "deployment/web")
    assert re.findall(r"^(\d+)", history, re.MULTILINE) == ["1", "2"]
    kubectl("rollout", "undo", "deployment/web")
    kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    template = json.loads(kubectl("get", "deployment", "web", "-o", "json"))["spec"]["template"]
    assert template["spec"]["containers"][0]["env"] == [{"name": "ROUND", "value": "1"}]
    kubectl("rollout", "restart", "deployment/web")
    kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    kubectl("rollout", "pause", "deployment/web")
    kubectl("rollout", "resume", "deployment/web")
    kubectl("scale", "deployment/web", "--replicas=2")
    kubectl("wait", "deployment/web", "--for=jsonpath={.status.replicas}=2", "--timeout=60s")
    kubectl("wait", "deployment/web", "--for=condition=Available", "--timeout=60s")
    names = kubectl("get", "all")
    assert {line.split("/")[0] for line in names.split() if "/web" in line} == {
        "deployment.apps", "pod", "replicaset.apps",
    }  # fmt: skip
    kubectl("delete", "deployment", "web", "--cascade=foreground", "--timeout=60s")
    assert kubectl("get", "replicasets,pods", "-l", "app=web", "-o", "name") == ""


def test_exec_runs_in_the_container(kubectl: Kubectl, web: str) -> None:
    assert kubectl("exec", web, "--", "sh", "-c", "echo $ROUND; pwd") == "1\n/tmp\n"
    assert kubectl("exec", "-i", "deploy/web", "--", "cat", stdin="through\n") == "through\n"
    failed = kubectl.try_("exec", web, "--", "sh", "-c", "echo oops >&2; exit 3")
    assert (failed.returncode, failed.stdout) == (3, "")
    assert "oops\n" in failed.stderr
    assert "exit code 3" in failed.stderr
    missing = kubectl.try_("exec", web, "--", "no-such-program")
    assert missing.returncode != 0
    assert "no-such-program" in missing.stderr
    assert (
        "container nope is not valid for pod" in kubectl.try_("exec", web, "-c", "nope", "--", "true").stderr
    )


def test_files_are_copied_both_ways(kubectl: Kubectl, web: str, tmp_path: Path) -> None:
    there, back = tmp_path / "there", tmp_path / "back"
    content = os.urandom(3 * 1024 * 1024)
    there.write_bytes(content)
    kubectl("cp", str(there), f"{web}:/tmp/file")
    kubectl("cp", f"{web}:/tmp/file", str(back))
    assert back.read_bytes() == content


def test_a_port_is_forwarded(kubectl: Kubectl, web: str) -> None:
    with kubectl.running("port-forward", f"pod/{web}", ":8080") as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"127\.0\.0\.1:(\d+) -> 8080", line)
        assert found, line
        for _ in range(5):
            with urllib.request.urlopen(f"http://127.0.0.1:{found[1]}/", timeout=20) as answer:
                assert answer.status == 200


def test_attach_shows_what_is_said(kubectl: Kubectl) -> None:
    script = "while read line; do echo heard $line; done; echo done"
    pod = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "listener"},
        "spec": {"restartPolicy": "Never", "containers": [
            {"name": "c", "image": HOST_IMAGE, "command": ["sh", "-c", script], "stdin": True, "stdinOnce": True},
        ]},
    }  # fmt: skip
    kubectl("create", "-f", "-", stdin=json.dumps(pod))
    kubectl("wait", "pod/listener", "--for=condition=Ready", "--timeout=60s")
    done = kubectl.try_("attach", "-i", "listener", stdin="one\ntwo\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("heard one\nheard two\ndone\n")
    kubectl("wait", "pod/listener", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")


def test_diff_and_edit(kubectl: Kubectl, sympozium_cluster: Cluster, tmp_path: Path) -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {colour: red}\n"
    kubectl("apply", "-f", "-", stdin=text)
    assert kubectl.try_("diff", "-f", "-", stdin=text).returncode == 0
    differs = kubectl.try_("diff", "-f", "-", stdin=text.replace("red", "blue"))
    assert differs.returncode == 1
    assert "-  colour: red\n+  colour: blue\n" in differs.stdout

    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i "s/colour: red/colour: green/" "$1"\n')
    editor.chmod(0o755)
    assert kubectl("edit", "configmap", "c", KUBE_EDITOR=str(editor)) == "configmap/c edited\n"
    assert sympozium_cluster.get(CONFIG_MAP, "c", kubectl.namespace)["data"] == {"colour": "green"}


def test_a_node_is_drained_and_comes_back(kubectl: Kubectl, web: str, sympozium_cluster: Cluster) -> None:
    node = sympozium_cluster.get(POD, web, kubectl.namespace)["spec"]["nodeName"]
    kubectl("create", "poddisruptionbudget", "web", "--selector=app=web", "--min-available=1")
    kubectl("wait", "pdb/web", "--for=jsonpath={.status.currentHealthy}=1", "--timeout=60s")
    drain = ("drain", node, "--pod-selector=app=web", "--delete-emptydir-data", "--ignore-daemonsets")
    try:
        refused = kubectl.try_(*drain, "--timeout=3s")
        assert refused.returncode != 0
        assert "disruption budget" in refused.stderr
        kubectl("delete", "pdb", "web")
        kubectl(*drain, "--timeout=60s")
        assert sympozium_cluster.get(NODE, node)["spec"]["unschedulable"] is True
        assert "SchedulingDisabled" in kubectl("get", "node", node)
        kubectl("wait", "pods", "-l", "app=web", "--for=condition=PodScheduled=false", "--timeout=60s")
        events = kubectl("events")
        assert "unschedulable" in events
    finally:
        kubectl("uncordon", node)
    kubectl("rollout", "status", "deployment/web", "--timeout=60s")


def test_questions_about_kinds_and_rights(kubectl: Kubectl) -> None:
    explained = kubectl("explain", "pod.spec.containers", "--recursive")
    assert "readinessProbe\t<Probe>" in explained
    assert "allowPrivilegeEscalation" in explained
    assert "task\t<string>" in kubectl("explain", "agentrun.spec")
    kubectl("create", "serviceaccount", "robot")
    token = kubectl("create", "token", "robot", "--duration=15m").strip()
    assert token.count(".") == 2
    kubectl("create", "role", "reader", "--verb=get,list", "--resource=configmaps")
    kubectl("create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={kubectl.namespace}:robot")
    who = f"--as=system:serviceaccount:{kubectl.namespace}:robot"
    rules = kubectl("auth", "can-i", "--list", who)
    assert re.search(r"^configmaps\s+\[\]\s+\[\]\s+\[get list\]$", rules, re.MULTILINE)
    assert kubectl("auth", "can-i", "list", "configmaps", who) == "yes\n"
    assert kubectl.try_("auth", "can-i", "delete", "configmaps", who).stdout == "no\n"


def test_watching_everything_shows_what_comes(kubectl: Kubectl) -> None:
    with kubectl.running("get", "configmaps", "-A", "-w", "-o", "name") as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("configmap/")
        kubectl("create", "configmap", "late")
        for line in process.stdout:
            if line == "configmap/late\n":
                break
    assert (
        kubectl("get", "configmaps", "late", "-o", "name", f"--namespace={kubectl.namespace}")
        == "configmap/late\n"
    )
