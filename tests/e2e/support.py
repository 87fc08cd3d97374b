"""What the end-to-end tests say often: an agent with a scripted model, a run, a decision."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sympozium.testing import AGENT_RUN, APPROVAL_REQUEST, Cluster, phase
from sympozium.testing.client import Object

TERMINAL = ("Succeeded", "Failed", "Cancelled")
API = "sympozium.ai/v1alpha1"


@contextmanager
def own_namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace for what several tests of a module look at; deleted after."""
    made = cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "test-"}})
    name: str = made["metadata"]["name"]
    yield name
    cluster.request("DELETE", f"/api/v1/namespaces/{name}")


def say(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A script with one rule that fits every request."""
    return {
        "banner": False,
        "models": ["scripted"],
        "rules": [{"name": "all", "match": {}, "steps": list(steps), **more}],
    }


def call(tool: str, step: str = "", **arguments: Any) -> dict[str, Any]:
    """A step of a script that calls one tool; its id is the tool's name unless `step` says otherwise."""
    return {"id": step or tool, "call": [{"tool": tool, "arguments": arguments}]}


def tell(*steps: dict[str, Any]) -> dict[str, Any]:
    """A script that makes these calls one after another and then tells what each of them answered, for `answers`."""
    told = "\n".join(f"{step['id']}={{{{result_of_{step['id']}|words}}}}" for step in steps)
    return say(*steps, {"id": "end", "say": told})


def answers(run_: Object) -> dict[str, str]:
    """By the ids of the steps, what the calls of a run with the script of `tell` answered, in one line each."""
    assert phase(run_) == "Succeeded", run_["status"]
    return dict(line.split("=", 1) for line in run_["status"]["result"].splitlines())


def policy(cluster: Cluster, namespace: str, name: str = "open", **spec: Any) -> str:
    """A policy that allows every tool unless `spec` says otherwise."""
    spec = {"toolGating": {"defaultAction": "allow", "rules": []}, "networkPolicy": {"denyAll": False}} | spec
    cluster.apply(
        {
            "apiVersion": API,
            "kind": "SympoziumPolicy",
            "metadata": {"name": name, "namespace": namespace},
            "spec": spec,
        }
    )
    return name


def agent(
    cluster: Cluster,
    namespace: str,
    base_url: str,
    *,
    name: str = "agent",
    policy_ref: str | None = "open",
    **spec: Any,
) -> str:
    """An instance whose model is the scripted one, with its key in a Secret."""
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": f"{name}-key", "namespace": namespace},
            "stringData": {"OPENAI_API_KEY": "sk-canary-model-key", "OPENAI_BASE_URL": base_url},
        }
    )
    default = {"model": "scripted", **spec.pop("default", {})}
    body = {"agents": {"default": default}, "authRefs": [{"secret": f"{name}-key"}], **spec}
    if policy_ref:
        body["policyRef"] = policy_ref
    cluster.apply(
        {
            "apiVersion": API,
            "kind": "SympoziumInstance",
            "metadata": {"name": name, "namespace": namespace},
            "spec": body,
        }
    )
    return name


def run(
    cluster: Cluster,
    namespace: str,
    *,
    instance: str = "agent",
    name: str = "run",
    task: str = "Do it.",
    **spec: Any,
) -> str:
    cluster.create(
        {
            "apiVersion": API,
            "kind": "AgentRun",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"instanceRef": instance, "task": task, "cleanup": "keep", **spec},
        }
    )
    return name


def finished(cluster: Cluster, namespace: str, name: str = "run", *, timeout: float = 90) -> Object:
    """The run in its terminal phase."""
    return cluster.wait(AGENT_RUN, name, lambda r: phase(r) in TERMINAL, namespace, timeout=timeout)


def asked(
    cluster: Cluster,
    namespace: str,
    *,
    run_name: str = "run",
    not_digest: str = "",
    timeout: float = 90,
    **args: Any,
) -> Object:
    """The undecided ApprovalRequest of a run for a call with these arguments, and not the one with that digest."""

    def fits(found: Object) -> bool:
        spec = found["spec"]
        undecided = not (found.get("status") or {}).get("decision")
        return undecided and args.items() <= spec["args"].items() and spec["argsDigest"] != not_digest

    return cluster.wait_any(
        APPROVAL_REQUEST, fits, namespace, timeout=timeout, what=f"an undecided ApprovalRequest {args or ''}",
        labelSelector=f"sympozium.ai/run={run_name}",
    )  # fmt: skip


def decided(cluster: Cluster, request: Object, decision: str, **more: str) -> Object:
    """A decision through `status`, as kubectl patch would write it; `more` is further status."""
    name, namespace = request["metadata"]["name"], request["metadata"]["namespace"]
    status = {"status": {"decision": decision, **more}}
    return cluster.patch(APPROVAL_REQUEST, name, status, namespace, subresource="status")


def decide(
    cluster: Cluster, namespace: str, decision: str, *, run_name: str = "run", timeout: float = 60
) -> Object:
    """Wait until the run asks, and decide."""
    return decided(cluster, asked(cluster, namespace, run_name=run_name, timeout=timeout), decision)


def can_write(cluster: Cluster, namespace: str, name: str = "run") -> bool:
    """Whether the webhook answers: a change of a run's spec is always sent to it, also when nothing is written."""
    answer = cluster.kubectl(
        "patch", "agentrun", name, "-n", namespace, "--type=merge", "-p", '{"spec":{"suspend":false}}',
        "--dry-run=server", check=False,
    )  # fmt: skip
    return "patched" in answer


def transcript(cluster: Cluster, namespace: str, name: str = "run") -> str:
    """What `sympozium logs` prints of a run."""
    return cluster.sympozium("logs", name, "-n", namespace).stdout


def payload_pids(cluster: Cluster, needle: str, pod: str = "") -> list[int]:
    """Processes in containers of this cluster's node (of the pod with uid `pod` alone) whose command line holds `needle`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            mounts = (entry / "mountinfo").read_text()
        except OSError:  # gone, or going
            continue
        # The volumes of a container are mounts out of the node's directory; the node itself has none.
        inside = str(cluster.data.node) in mounts and pod in mounts and not words[0].endswith(b"bwrap")
        if inside and any(needle.encode() in word for word in words):
            found.append(int(entry.name))
    return found
