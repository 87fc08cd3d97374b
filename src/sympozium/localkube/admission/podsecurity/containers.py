"""What the checks share: containers of a pod, and the words of their findings."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sympozium.localkube.types import Object


@dataclass(frozen=True, slots=True)
class Finding:
    """`reason` names the check, `detail` says where."""

    reason: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


def containers(spec: Object) -> Iterator[Object]:
    for key in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(key) or ()


def context(holder: Object) -> Object:
    return holder.get("securityContext") or {}


def quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def plural(word: str, count: int, many: str = "") -> str:
    return word if count == 1 else many or f"{word}s"


def named(bad: list[str]) -> str:
    """`containers "a", "b"`."""
    return f"{plural('container', len(bad))} {quoted(bad)}"


def host_users(spec: Object) -> bool:
    """Whether the pod's users are the host's; in a user namespace of its own less is dangerous."""
    return spec.get("hostUsers") is not False


def windows(spec: Object) -> bool:
    return (spec.get("os") or {}).get("name") == "windows"
