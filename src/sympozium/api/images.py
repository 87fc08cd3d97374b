"""Which images the containers of a run have that are ours."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sympozium.api.config import ConfigSpec, Images as ConfigImages
from sympozium.installation import image


@dataclass(frozen=True, slots=True)
class Images:
    agent: str
    tools: str
    shell: str
    pull_secrets: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: ConfigSpec) -> "Images":
        """Those of SympoziumConfig, else those that this version came with."""
        own = config.images or ConfigImages()

        return cls(
            agent=own.agent or image("agent"),
            tools=own.tools or image("tools"),
            shell=own.shell or image("shell"),
            pull_secrets=tuple(own.pull_secrets),
        )


def pulling(secrets: Iterable[str]) -> dict[str, Any]:
    """The fields of a pod that pulls with these credentials."""
    found = [{"name": name} for name in dict.fromkeys(secrets)]
    return {"imagePullSecrets": found} if found else {}
