"""Each field of SympoziumPolicy that admission holds: somebody tries to get a run past it, and no run is made.

`python -m hostile` tries the same from inside of a run; these tries come from whoever creates it.
"""

from typing import Any

import pytest

from e2e.support import API, agent, policy, run
from sympozium.testing import AGENT_RUN, JOB, ApiError, Cluster

NOWHERE = "http://127.0.0.1:9/v1"
LIMITS = {"required": True, "maxCPU": "1", "maxMemory": "512Mi", "seccompProfile": {"type": "RuntimeDefault"}}
SANDBOX = {"sandboxPolicy": LIMITS}
REGISTRIES = {"imagePolicy": {"allowedRegistries": ["ghcr.io/sympozium", "localhost"]}}
MODELS = {"modelPolicy": {"allowedModels": ["small-*"], "allowedProviders": ["house"]}}


def box(**more: Any) -> dict[str, Any]:
    return {"sandbox": {"enabled": True, **more}}


# name of the try: (field, what the policy says, what the run asks for, words of the refusal)
TRIES: dict[str, tuple[str, dict[str, Any], dict[str, Any], str]] = {
    "a tool that a rule denies": (
        "toolGating.rules",
        {"toolGating": {"defaultAction": "allow", "rules": [{"tool": "write_*", "action": "deny", "reason": "no writing"}]}},
        {"toolPolicy": {"allow": ["write_file"]}},
        "no writing",
    ),
    "a tool that no rule names": (
        "toolGating.defaultAction",
        {"toolGating": {"defaultAction": "deny", "rules": [{"tool": "read_file", "action": "allow"}]}},
        {"toolPolicy": {"allow": ["read_file", "fetch_url"]}},
        "spec.toolPolicy.allow[1]",
    ),
    "a tool whose gate is closed": (
        "featureGates",
        {"featureGates": {"code-execution": False}},
        {"toolPolicy": {"allow": ["execute_command"]}},
        "code-execution",
    ),
    "a file tool whose gate is closed": (
        "featureGates",
        {"featureGates": {"file-access": False}},
        {"toolPolicy": {"allow": ["write_file"]}},
        "file-access",
    ),
    "no sandbox where one is required": ("sandboxPolicy.required", SANDBOX, {"sandbox": {"enabled": False}}, "sandboxPolicy.required"),
    "more CPU than there may be": (
        "sandboxPolicy.maxCPU", SANDBOX, box(resources={"limits": {"cpu": "1001m"}}), "sandboxPolicy.maxCPU",
    ),
    "more CPU by a request": (
        "sandboxPolicy.maxCPU", SANDBOX, box(resources={"requests": {"cpu": "2"}}), "cpu",
    ),
    "more memory than there may be": (
        "sandboxPolicy.maxMemory", SANDBOX, box(resources={"limits": {"memory": "513Mi"}}), "sandboxPolicy.maxMemory",
    ),
    "more memory in another unit": (
        "sandboxPolicy.maxMemory", SANDBOX, box(resources={"limits": {"memory": "600e6"}}), "sandboxPolicy.maxMemory",
    ),
    "a filter of system calls that is off": (
        "sandboxPolicy.seccompProfile", SANDBOX, box(securityContext={"seccompProfile": {"type": "Unconfined"}}), "seccompProfile",
    ),
    "an image from elsewhere": ("imagePolicy.allowedRegistries", REGISTRIES, box(image="docker.io/library/alpine"), "imagePolicy"),
    "an image whose registry only begins alike": (
        "imagePolicy.allowedRegistries", REGISTRIES, box(image="ghcr.io/sympozium-evil/shell:v1"), "imagePolicy",
    ),
    "an image without a registry": ("imagePolicy.allowedRegistries", REGISTRIES, box(image="sympozium/shell"), "imagePolicy"),
    "an image with the registry in its path": (
        "imagePolicy.allowedRegistries", REGISTRIES, box(image="evil.example/ghcr.io/sympozium/shell"), "imagePolicy",
    ),
    "a model that is not on the list": (
        "modelPolicy.allowedModels", MODELS, {"model": {"provider": "house", "model": "large-1"}}, "modelPolicy.allowedModels",
    ),
    "a model whose name only holds an allowed one": (
        "modelPolicy.allowedModels", MODELS, {"model": {"provider": "house", "model": "not-small-1"}}, "modelPolicy.allowedModels",
    ),
    "a provider that is not on the list": (
        "modelPolicy.allowedProviders", MODELS, {"model": {"provider": "House", "model": "small-1"}}, "modelPolicy.allowedProviders",
    ),
}  # fmt: skip


@pytest.fixture
def governed(sympozium_cluster: Cluster, namespace: str) -> Any:
    """Sets up an agent under a policy with that spec."""

    def make(spec: dict[str, Any], **instance: Any) -> str:
        policy(sympozium_cluster, namespace, **spec)
        return agent(sympozium_cluster, namespace, NOWHERE, **instance)

    return make


@pytest.mark.parametrize("name", TRIES)
def test_no_run_gets_past(sympozium_cluster: Cluster, namespace: str, governed: Any, name: str) -> None:
    _, spec, asks, words = TRIES[name]
    governed(spec, default={"provider": "house", "model": "small-1"})
    with pytest.raises(ApiError) as refused:
        run(sympozium_cluster, namespace, **asks)
    assert refused.value.code in (403, 422)
    assert words in str(refused.value)
    # A request above the limit that the policy gave contradicts the sandbox itself.
    assert any(said in str(refused.value) for said in ("policy open", "(open: ", "its limit of 1"))
    for kind in (AGENT_RUN, JOB):
        assert sympozium_cluster.items(kind, namespace) == []


@pytest.mark.parametrize("name", TRIES)
def test_the_same_passes_and_is_reported_where_the_policy_only_watches(
    sympozium_cluster: Cluster, namespace: str, governed: Any, name: str
) -> None:
    """`enforcement: Audit`: a dry run admits what Enforce refuses, with a warning for whoever asked."""
    field, spec, asks, _ = TRIES[name]
    governed({**spec, "enforcement": "Audit"}, default={"provider": "house", "model": "small-1"})
    body = {
        "apiVersion": API, "kind": "AgentRun", "metadata": {"name": "run", "namespace": namespace},
        "spec": {"instanceRef": "agent", "task": "x", **asks},
    }  # fmt: skip
    answer = sympozium_cluster.http.post(AGENT_RUN.path(namespace), json=body, params={"dryRun": "All"})
    assert answer.status_code == 201, answer.text
    warnings = " ".join(answer.headers.get_list("warning"))
    assert "audit:" in warnings
    assert field.split(".")[0] in warnings or "denied" in warnings


def test_a_skill_pack_with_access_to_the_node_is_refused(
    sympozium_cluster: Cluster, namespace: str, governed: Any
) -> None:
    governed({"sandboxPolicy": {"required": False}})
    _pack(sympozium_cluster, namespace, hostAccess={"enabled": True, "hostNetwork": True})
    with pytest.raises(ApiError, match="allowHostMounts"):
        run(sympozium_cluster, namespace, skills=[{"skillPackRef": "pack"}])
    assert sympozium_cluster.items(AGENT_RUN, namespace) == []


def test_a_skill_pack_with_an_image_from_elsewhere_is_refused(
    sympozium_cluster: Cluster, namespace: str, governed: Any
) -> None:
    governed(REGISTRIES)
    _pack(sympozium_cluster, namespace, image="evil.example/x:1")
    with pytest.raises(ApiError, match="imagePolicy"):
        run(sympozium_cluster, namespace, skills=[{"skillPackRef": "pack"}])
    assert sympozium_cluster.items(AGENT_RUN, namespace) == []


def _child(cluster: Cluster, namespace: str, parent: str, name: str, **lies: Any) -> None:
    run(
        cluster,
        namespace,
        name=name,
        suspend=True,
        parent={"runName": parent, "sessionKey": "s", "spawnDepth": 0, **lies},
    )


def test_a_run_beneath_a_run_is_refused_beyond_the_depth(
    sympozium_cluster: Cluster, namespace: str, governed: Any
) -> None:
    """Whoever makes the child says that it is at depth 0."""
    governed({"subagentPolicy": {"maxDepth": 1}})
    run(sympozium_cluster, namespace, suspend=True)
    _child(sympozium_cluster, namespace, "run", "child")
    assert sympozium_cluster.get(AGENT_RUN, "child", namespace)["spec"]["parent"]["spawnDepth"] == 1
    with pytest.raises(ApiError, match=r"subagentPolicy\.maxDepth"):
        _child(sympozium_cluster, namespace, "child", "grandchild", policies=[])
    assert sympozium_cluster.find(AGENT_RUN, "grandchild", namespace) is None


def test_a_run_beneath_a_run_is_refused_where_the_gate_is_closed(
    sympozium_cluster: Cluster, namespace: str, governed: Any
) -> None:
    governed({"featureGates": {"sub-agents": False}})
    run(sympozium_cluster, namespace, suspend=True)
    with pytest.raises(ApiError, match="sub-agents"):
        _child(sympozium_cluster, namespace, "run", "child")
    assert sympozium_cluster.find(AGENT_RUN, "child", namespace) is None


def test_what_an_instance_says_is_judged_as_well(
    sympozium_cluster: Cluster, namespace: str, governed: Any
) -> None:
    """The run asks for nothing; its instance names the model and the sandbox."""
    governed(MODELS, default={"provider": "house", "model": "large-1"})
    with pytest.raises(ApiError, match=r"modelPolicy\.allowedModels"):
        run(sympozium_cluster, namespace)
    governed(SANDBOX, default={"model": "m", "sandbox": {"enabled": False}})
    with pytest.raises(ApiError, match=r"sandboxPolicy\.required"):
        run(sympozium_cluster, namespace)
    assert sympozium_cluster.items(AGENT_RUN, namespace) == []


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"featureGates": {"code-exection": False}}, "featureGate"),
        (
            {
                "toolGating": {
                    "defaultAction": "allow",
                    "rules": [{"tool": "x", "action": "deny", "when": "args.command =="}],
                }
            },
            "when",
        ),
        (
            {
                "toolGating": {
                    "defaultAction": "allow",
                    "rules": [{"tool": "x", "action": "deny", "when": "1 + 1"}],
                }
            },
            "when",
        ),
        ({"approvals": {"timeout": "soon"}}, "timeout"),
        ({"approvals": {"onTimeout": "allow"}}, "onTimeout"),
        ({"networkPolicy": {"denyAll": True, "allowedEgress": [{"host": "10.0.0.0/33"}]}}, "allowedEgress"),
        ({"sandboxPolicy": {"required": True, "maxMemory": "lots"}}, "maxMemory"),
        ({"subagentPolicy": {"maxDepth": -1}}, "maxDepth"),
    ],
)
def test_a_policy_that_would_not_bind_is_refused(
    sympozium_cluster: Cluster, namespace: str, spec: dict[str, Any], words: str
) -> None:
    with pytest.raises(ApiError, match=words):
        policy(sympozium_cluster, namespace, **spec)


def _pack(cluster: Cluster, namespace: str, image: str = "localhost/host:latest", **sidecar: Any) -> None:
    cluster.apply(
        {
            "apiVersion": API, "kind": "SkillPack", "metadata": {"name": "pack", "namespace": namespace},
            "spec": {"skills": [{"name": "s", "content": "x"}], "sidecar": {"image": image, **sidecar}},
        }
    )  # fmt: skip
