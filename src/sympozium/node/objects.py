"""What the modules share about Kubernetes objects: they are plain JSON objects here."""

from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]
"""A decoded JSON object. The node reads what it needs and must carry along what it does not know."""


def timestamp(at: datetime | None = None) -> str:
    """RFC 3339 in whole seconds, as `metav1.Time` is written; now when no time is given."""
    return (at or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime:
    """The reverse of `timestamp`. Raises ValueError."""
    return datetime.fromisoformat(text)


def all_containers(pod: Object) -> list[Object]:
    """Init containers first, in the order in which they start."""
    return [*(pod["spec"].get("initContainers") or ()), *(pod["spec"].get("containers") or ())]


def is_sidecar(pod: Object, container: Object) -> bool:
    """A native sidecar: an init container that keeps running beside the main containers (KEP-753)."""
    return container.get("restartPolicy") == "Always" and any(
        container is init or container["name"] == init["name"]
        for init in pod["spec"].get("initContainers") or ()
    )


def key(pod: Object) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
