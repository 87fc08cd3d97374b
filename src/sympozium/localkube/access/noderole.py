"""What one node may ask: itself, its pods, and what those pods refer to.

The part of kube-apiserver's Node authorizer that our node needs. A node is the user
`system:node:<name>` in group `system:nodes`. The objects that pods name are found from an index of pods by
node, so a stolen node certificate reads the Secrets of that node's pods and no others.
https://kubernetes.io/docs/reference/access-authn-authz/node/
"""

from collections.abc import Iterator

from sympozium.localkube.access.objects import Objects
from sympozium.localkube.access.rules import allows, compile_rule
from sympozium.localkube.types import Attributes, Decision, Object, UserInfo

PREFIX = "system:node:"
GROUP = "system:nodes"
LEASES = "kube-node-lease"
DENIED = Decision(False)
ALLOWED = Decision(True)
READ = frozenset({"get", "list", "watch"})

RULES = tuple(
    compile_rule(rule)
    for rule in (
        {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]},
        {
            "apiGroups": ["authorization.k8s.io"],
            "resources": ["subjectaccessreviews", "localsubjectaccessreviews"],
            "verbs": ["create"],
        },
        {"apiGroups": [""], "resources": ["services"], "verbs": ["get", "list", "watch"]},
        {
            "apiGroups": ["node.k8s.io"],
            "resources": ["runtimeclasses"],
            "verbs": ["get", "list", "watch"],
        },
        {"apiGroups": ["", "events.k8s.io"], "resources": ["events"], "verbs": ["create", "update", "patch"]},
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["delete"]},
        {"apiGroups": [""], "resources": ["pods/status"], "verbs": ["update", "patch"]},
        {"apiGroups": [""], "resources": ["pods/eviction"], "verbs": ["create"]},
    )
)
"""What every node may, whatever its name. NodeRestriction narrows the writes to its own objects."""

_Ref = tuple[str, str, str]
"""Resource, namespace, name."""


def node_name(user: UserInfo) -> str:
    """The node that a user is, or ""."""
    if GROUP in user.groups and user.username.startswith(PREFIX):
        return user.username.removeprefix(PREFIX)
    return ""


class NodeAuthorizer:
    """Implements `types.Authorizer` for nodes; says nothing about anybody else."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._pods: dict[tuple[str, str], tuple[str, frozenset[_Ref]]] = {}
        self._by_node: dict[str, dict[_Ref, int]] = {}
        for pod in objects.list("", "pods"):
            self._add(pod)
        objects.subscribe("", "pods", self._pod_changed)

    def authorize(self, attributes: Attributes) -> Decision:
        node = node_name(attributes.user)
        if not node:
            return DENIED
        if any(allows(rule, attributes) for rule in RULES):
            return ALLOWED
        return self._own(node, attributes)

    def _own(self, node: str, ask: Attributes) -> Decision:
        """Requests that depend on which node asks."""
        match ask.group, ask.resource, ask.subresource:
            case "", "nodes", "" | "status":
                mine = _named(ask) == node and ask.verb in READ | {"update", "patch"}
                return Decision(mine, "" if mine else f"node {node!r} can only access node {node!r}")
            case "", "pods", "":
                return self._pod(node, ask)
            case "coordination.k8s.io", "leases", "":
                mine = ask.namespace == LEASES and (ask.verb == "create" or _named(ask) == node)
                return Decision(mine, "" if mine else f"can only access the lease {LEASES}/{node}")
            case "", "secrets" | "configmaps" | "persistentvolumeclaims", "" if ask.verb in READ:
                return self._referenced(node, (ask.resource, ask.namespace, _named(ask)), ask)
            case "", "persistentvolumes", "" if ask.verb == "get":
                return self._volume_of_claim(node, ask)
            case "", "serviceaccounts", "token" if ask.verb == "create":
                return self._referenced(node, ("serviceaccounts", ask.namespace, ask.name), ask)
            case "", "serviceaccounts", "" if ask.verb == "get":
                return self._referenced(node, ("serviceaccounts", ask.namespace, ask.name), ask)
        return DENIED

    def _pod(self, node: str, ask: Attributes) -> Decision:
        if ask.verb == "get":
            known = self._pods.get((ask.namespace, ask.name))
            # A pod that does not exist is not a secret: the node gets its 404, which tells it to clean up.
            mine = known is None or known[0] == node
            return Decision(mine, "" if mine else f"pod is not on node {node!r}")
        if ask.verb in {"list", "watch"}:
            mine = f"spec.nodeName={node}" in ask.field_selector.split(",")
            return Decision(mine, "" if mine else f"can only list pods with spec.nodeName={node}")
        return DENIED

    def _referenced(self, node: str, ref: _Ref, ask: Attributes) -> Decision:
        if ref[2] and ref in self._by_node.get(node, {}):
            return ALLOWED
        return Decision(
            False, f"no relationship found between node {node!r} and this object" if ask.name else ""
        )

    def _volume_of_claim(self, node: str, ask: Attributes) -> Decision:
        """A volume is the node's business when it is bound to a claim of one of its pods."""
        volume = self._objects.get("", "persistentvolumes", "", ask.name)
        claim = ((volume or {}).get("spec") or {}).get("claimRef") or {}
        ref = ("persistentvolumeclaims", claim.get("namespace", ""), claim.get("name", ""))
        return self._referenced(node, ref, ask)

    def _pod_changed(self, new: Object | None, old: Object | None) -> None:
        obj = new or old
        if obj is None:
            return
        key = (obj["metadata"]["namespace"], obj["metadata"]["name"])
        if new is not None and key in self._pods and self._pods[key][0] == new["spec"].get("nodeName", ""):
            return  # its references cannot change once it is bound
        self._remove(key)
        if new is not None:
            self._add(new)

    def _add(self, pod: Object) -> None:
        node = pod["spec"].get("nodeName", "")
        key = (pod["metadata"]["namespace"], pod["metadata"]["name"])
        refs = frozenset(references(pod)) if node else frozenset()
        self._pods[key] = (node, refs)
        counts = self._by_node.setdefault(node, {}) if refs else {}
        for ref in refs:
            counts[ref] = counts.get(ref, 0) + 1

    def _remove(self, key: tuple[str, str]) -> None:
        node, refs = self._pods.pop(key, ("", frozenset()))
        counts = self._by_node.get(node, {})
        for ref in refs:
            counts[ref] -= 1
            if not counts[ref]:
                del counts[ref]


def _named(ask: Attributes) -> str:
    """The one object that is asked for: by name, or by a `metadata.name=` field selector."""
    if ask.name:
        return ask.name
    prefix = "metadata.name="
    return next(
        (part[len(prefix) :] for part in ask.field_selector.split(",") if part.startswith(prefix)), ""
    )


def references(pod: Object) -> Iterator[_Ref]:
    """The Secrets, ConfigMaps, claims and the ServiceAccount that a pod names."""
    namespace, spec = pod["metadata"]["namespace"], pod["spec"]
    yield "serviceaccounts", namespace, spec.get("serviceAccountName") or "default"
    for secret in spec.get("imagePullSecrets") or ():
        yield "secrets", namespace, secret.get("name", "")
    for volume in spec.get("volumes") or ():
        yield from _volume(namespace, volume)
    for key in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(key) or ():
            yield from _container(namespace, container)


def _volume(namespace: str, volume: Object) -> Iterator[_Ref]:
    if secret := volume.get("secret"):
        yield "secrets", namespace, secret.get("secretName", "")
    if config := volume.get("configMap"):
        yield "configmaps", namespace, config.get("name", "")
    if claim := volume.get("persistentVolumeClaim"):
        yield "persistentvolumeclaims", namespace, claim.get("claimName", "")
    for source in (volume.get("projected") or {}).get("sources") or ():
        if secret := source.get("secret"):
            yield "secrets", namespace, secret.get("name", "")
        if config := source.get("configMap"):
            yield "configmaps", namespace, config.get("name", "")


def _container(namespace: str, container: Object) -> Iterator[_Ref]:
    for source in container.get("envFrom") or ():
        for key, resource in (("secretRef", "secrets"), ("configMapRef", "configmaps")):
            if ref := source.get(key):
                yield resource, namespace, ref.get("name", "")
    for variable in container.get("env") or ():
        value = variable.get("valueFrom") or {}
        for key, resource in (("secretKeyRef", "secrets"), ("configMapKeyRef", "configmaps")):
            if ref := value.get(key):
                yield resource, namespace, ref.get("name", "")
