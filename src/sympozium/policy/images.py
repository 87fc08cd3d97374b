"""Which images a policy lets a run use: registries, compared by whole path segments.

`ghcr.io/acme` allows `ghcr.io/acme/tool:v1` and not `ghcr.io/acme-evil/tool`. An image without a registry means
Docker Hub, as it does to every container runtime.
"""

from collections.abc import Iterable

from sympozium.api.runconfig import PolicyLayer

_DEFAULT_REGISTRY = "docker.io"


def normal(image: str) -> str:
    """An image reference without tag and digest, with its registry."""
    path = image.split("@", 1)[0]
    head, _, last = path.rpartition("/")
    last = last.split(":", 1)[0]
    path = f"{head}/{last}" if head else last
    first = path.split("/", 1)[0]
    if "/" not in path:
        return f"{_DEFAULT_REGISTRY}/library/{path}"
    if "." in first or ":" in first or first == "localhost":
        return path
    return f"{_DEFAULT_REGISTRY}/{path}"


def refusing(image: str, layers: Iterable[PolicyLayer]) -> list[tuple[str, list[str]]]:
    """The policies that do not allow an image, by name, with the registries that they allow."""
    segments = normal(image).split("/")
    found = []
    for layer in layers:
        allowed = layer.spec.image_policy.allowed_registries if layer.spec.image_policy else []
        if allowed and not any(_within(segments, registry) for registry in allowed):
            found.append((layer.name, allowed))
    return found


def _within(segments: list[str], registry: str) -> bool:
    prefix = registry.strip("/").split("/")
    return segments[: len(prefix)] == prefix
