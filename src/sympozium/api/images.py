"""Which images the containers of a run have that are ours."""

from dataclasses import dataclass
from typing import Final

from sympozium import __version__
from sympozium.api.config import ConfigSpec, Images as ConfigImages

REGISTRY: Final = "ghcr.io/sympozium"


@dataclass(frozen=True, slots=True)
class Images:
    agent: str
    tools: str
    shell: str

    @classmethod
    def of(cls, config: ConfigSpec) -> "Images":
        """The installation's, else those of this version."""
        own = config.images or ConfigImages()

        def image(name: str, chosen: str | None) -> str:
            return chosen or f"{REGISTRY}/{name}:v{__version__}"

        return cls(
            agent=image("agent", own.agent),
            tools=image("tools", own.tools),
            shell=image("shell", own.shell),
        )
