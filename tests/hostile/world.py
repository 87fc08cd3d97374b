"""The place of one attack: a namespace with policy, skill and agent, and somebody else's things beside it.

`victim-...` is the namespace of somebody else. The administrator has made `sympozium-grantable` as wide as the skill
asks, so that what holds is the policy and nothing else.
"""

import re
import secrets
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hostile.beacon import Beacon
from hostile.corpus import Attack
from hostile.model import HostileModels
from sympozium import __version__
from sympozium.kube.conditions import find
from sympozium.testing import AGENT_RUN, POD, Client, Cluster

API = "sympozium.ai/v1alpha1"
OURS = ["agentruns", "agentruns/status", "sympoziuminstances", "sympoziumpolicies", "sympoziumschedules", "skillpacks",
        "approvalrequests", "approvalrequests/status", "sympoziumconfigs"]  # fmt: skip
EVERY = ["get", "list", "watch", "create", "update", "patch", "delete"]
RIGHTS: list[dict[str, list[str]]] = [
    {"apiGroups": [""], "resources": ["configmaps", "pods", "pods/log", "pods/exec", "secrets", "services", "services/proxy",
                                      "serviceaccounts", "events", "namespaces"], "verbs": EVERY},
    {"apiGroups": ["apps"], "resources": ["deployments", "deployments/scale"], "verbs": EVERY},
    {"apiGroups": ["batch"], "resources": ["jobs", "cronjobs"], "verbs": EVERY},
    {"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": EVERY},
    {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings", "clusterroles", "clusterrolebindings"],
     "verbs": [*EVERY, "bind", "escalate"]},
    {"apiGroups": ["sympozium.ai"], "resources": OURS, "verbs": EVERY},
]  # fmt: skip
"""What the skill `hands` asks for; policy `off` grants all of it."""


@dataclass
class World:
    """What all attacks of one session share."""

    cluster: Cluster
    models: HostileModels
    beacon: Beacon

    def prepare(self) -> None:
        self.cluster.apply(
            {
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
                "metadata": {"name": "hostile-grantable", "labels": {"sympozium.ai/aggregate-to-grantable": "true"}},
                "rules": RIGHTS,
            }
        )  # fmt: skip


@dataclass
class Scene:
    """One attack in one mode. `client` is the scene's own: scenes run side by side."""

    world: World
    attack: Attack
    mode: str
    tag: str = field(default_factory=lambda: secrets.token_hex(4))

    def __post_init__(self) -> None:
        self.client = Client(self.world.cluster.data.kubeconfig)
        self.model = f"{self.attack.name}-{self.mode}-{self.tag}"
        self.namespace = f"h-{self.tag}"
        self.victim = f"victim-{self.tag}"
        self.crown = f"crown-{secrets.token_hex(8)}"
        """The value of every Secret that this attack could steal; it appears nowhere else."""
        self.key = f"sk-{secrets.token_hex(8)}"
        """The key of the agent's model, in the environment of the agent alone."""
        self.generation = 0
        """Of the policy."""

    def words(self) -> dict[str, str]:
        """What stands for `<<NAME>>` in a transcript, a policy or a canary."""
        data = self.world.cluster.data
        return {
            "TAG": self.tag, "NS": self.namespace, "VICTIM": self.victim, "CROWN": self.crown, "KEY": self.key,
            "BEACON": f"http://127.0.0.1:{self.world.beacon.port}", "BEACON_PORT": str(self.world.beacon.port),
            "DATA": str(data.root), "BUS_PORT": str(self._port("bus")), "API": self.client.http.base_url.netloc.decode(),
            "MODEL": self.model,
        }  # fmt: skip

    def _port(self, name: str) -> int:
        from sympozium.up.state import read

        state = read(self.world.cluster.data)
        assert state is not None
        return state.ports[name]

    def fill(self, value: Any) -> Any:
        if isinstance(value, str):
            words = self.words()
            if re.fullmatch("<<[A-Z_]+_PORT>>", value):
                return int(words[value[2:-2]])
            return re.sub(r"<<([A-Z_]+)>>", lambda found: words[found[1]], value)
        if isinstance(value, list | tuple):
            return [self.fill(item) for item in value]
        if isinstance(value, dict):
            return {self.fill(key): self.fill(item) for key, item in value.items()}
        return value

    def workspace(self) -> Path | None:
        """The workspace on the disk of the node, while the pod is there."""
        pods = self.client.items(POD, self.namespace, labelSelector="sympozium.ai/run=run")
        for pod in pods:
            path = self.world.cluster.data.node / "pods" / pod["metadata"]["uid"] / "emptyDir" / "workspace"
            for found in [
                path,
                *self.world.cluster.data.node.glob(f"pods/*{pod['metadata']['uid']}*/**/emptyDir/workspace"),
            ]:
                if found.is_dir():
                    return found
        return None

    def build(self, policy: dict[str, Any]) -> None:
        """Everything but the run."""
        for name in (self.namespace, self.victim):
            self.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        self._victims()
        self._rule(policy)
        self._secret(
            self.namespace, "model-key", OPENAI_API_KEY=self.key, OPENAI_BASE_URL=self.world.models.base_url
        )
        skills = []
        if "hands" in self.attack.needs:
            self._secret(self.namespace, "hands", crown=self.crown, inbox=self.fill(self.attack.inbox))
            self._apply("SkillPack", "hands", self._pack())
            skills = [{"skillPackRef": "hands"}]
        given = self.fill(self.attack.instance)
        default = {"model": self.model, **given.pop("default", {})}
        self._apply(
            "SympoziumInstance", "agent",
            {"agents": {"default": default}, "policyRef": "policy", "authRefs": [{"secret": "model-key"}],
             "skills": skills, **given},
        )  # fmt: skip

    def change(self, policy: dict[str, Any]) -> None:
        """Another policy for the run that goes on; returns when it binds its next call."""
        known = self.generation
        self._rule(policy)
        if self.generation == known:
            return

        def binds(run: dict[str, Any]) -> bool:
            status = run.get("status") or {}
            current = find(status.get("conditions"), "PolicyCurrent")
            generation = (status.get("policy") or {}).get("generation")
            return current is not None and current["status"] == "True" and generation == self.generation

        self.client.wait(AGENT_RUN, "run", binds, self.namespace, timeout=90)

    def _rule(self, policy: dict[str, Any]) -> None:
        [made] = self._apply("SympoziumPolicy", "policy", policy)
        self.generation = made["metadata"]["generation"]

    def sweep(self) -> None:
        """Empty the workspace."""
        workspace = self.workspace()
        assert workspace is not None, f"{self.model}: the workspace is not on the disk of the node"
        for path in workspace.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def _victims(self) -> None:
        put = self.client.apply
        meta = {"namespace": self.victim}
        put(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {**meta, "name": "ledger"},
                "data": {"balance": "100"},
            }
        )
        put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {**meta, "name": "mail"},
             "data": {"inbox": self.fill(self.attack.inbox)}})  # fmt: skip
        self._secret(self.victim, "crown", crown=self.crown)
        put({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {**meta, "name": "shop"},
            "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "shop"}}, "template": {
                "metadata": {"labels": {"app": "shop"}},
                "spec": {"containers": [{"name": "shop", "image": "localhost/host:latest", "command": ["sleep", "60"]}]}}},
        })  # fmt: skip
        if "pod" in self.attack.needs:
            self.client.create({
                "apiVersion": "v1", "kind": "Pod", "metadata": {**meta, "name": "till"},
                "spec": {"terminationGracePeriodSeconds": 0, "containers": [{
                    "name": "till", "image": "localhost/host:latest", "command": ["sh", "-c", "echo $CROWN; sleep 600"],
                    "env": [{"name": "CROWN", "valueFrom": {"secretKeyRef": {"name": "crown", "key": "crown"}}}]}]},
            })  # fmt: skip
            self.client.wait(
                POD, "till", lambda p: p.get("status", {}).get("phase") == "Running", self.victim, timeout=90
            )

    def _pack(self) -> dict[str, Any]:
        return {
            "skills": [{"name": "hands", "description": "Hands.", "content": "Use them."}],
            "sidecar": {
                "image": f"ghcr.io/sympozium/skill-k8s-ops:v{__version__}", "mountWorkspace": True, "clusterRBAC": RIGHTS,
                "secretRef": "hands",
            },
        }  # fmt: skip

    def _apply(self, kind: str, name: str, spec: dict[str, Any]) -> list[dict[str, Any]]:
        return self.client.apply(
            {
                "apiVersion": API,
                "kind": kind,
                "metadata": {"name": name, "namespace": self.namespace},
                "spec": self.fill(spec),
            }
        )

    def _secret(self, namespace: str, name: str, **values: str) -> None:
        self.client.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": name, "namespace": namespace},
                "stringData": values,
            }
        )

    def start(self) -> None:
        """Create the run. Raises ApiError when it is refused."""
        self.client.create(
            {
                "apiVersion": API, "kind": "AgentRun", "metadata": {"name": "run", "namespace": self.namespace},
                "spec": {"instanceRef": "agent", "task": self.fill(self.attack.task), "cleanup": "keep"},
            }
        )  # fmt: skip

    def clear(self) -> None:
        self.client.delete(AGENT_RUN, "run", self.namespace)
        for name in (self.namespace, self.victim):
            self.client.request("DELETE", f"/api/v1/namespaces/{name}")
        self.client.close()
