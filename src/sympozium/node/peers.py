"""NetworkPolicy peers that are pods: who may talk to whom, by labels.

Decided for each connection, with the labels of that moment. Addresses are `network`'s.
https://kubernetes.io/docs/concepts/services-networking/network-policies/#behavior-of-to-and-from-selectors
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sympozium.node.objects import Object, all_containers

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PodRule:
    """Pods that a rule names, and the ports that it names (of the pod that is reached)."""

    namespace: str
    """Of the policy: what a rule without a namespaceSelector means."""
    peer: Object
    ports: tuple[Object, ...]

    def admits(self, pod: Object, namespace_labels: Labels) -> bool:
        """Whether the rule names this pod."""
        meta, selector = pod["metadata"], self.peer.get("namespaceSelector")
        if selector is None:
            if meta["namespace"] != self.namespace:
                return False
        elif not matches(selector, namespace_labels):
            return False
        return matches(self.peer.get("podSelector"), meta.get("labels") or {})


def open_port(ports: Iterable[Object], port: int, target: Object) -> bool:
    """Whether a TCP port of the pod `target` is among those of a rule; no ports are all of them."""
    ports = tuple(ports)
    return not ports or any(_is_port(entry, port, target) for entry in ports)


def _is_port(entry: Object, port: int, target: Object) -> bool:
    if entry.get("protocol", "TCP") != "TCP":
        return False
    wanted = entry.get("port")
    if wanted is None:
        return True
    if isinstance(wanted, str):
        named = [p for c in all_containers(target) for p in c.get("ports") or () if p.get("name") == wanted]
        return any(p["containerPort"] == port for p in named)
    return int(wanted) <= port <= int(entry.get("endPort") or wanted)


def matches(selector: Object | None, labels: Labels) -> bool:
    """Whether a LabelSelector selects these labels; an empty one selects everything."""
    selector = selector or {}
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_expression(e, labels) for e in selector.get("matchExpressions") or ())


def _expression(expression: Object, labels: Labels) -> bool:
    name, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return name in labels and labels[name] in values
        case "NotIn":
            return labels.get(name) not in values
        case "Exists":
            return name in labels
        case "DoesNotExist":
            return name not in labels
    return False
