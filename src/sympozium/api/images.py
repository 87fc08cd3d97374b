"""Which images the containers of a run have that are ours."""

from dataclasses import dataclass

from sympozium.api.config import ConfigSpec, Images as ConfigImages
from sympozium.installation import image


@dataclass(frozen=True, slots=True)
class Images:
    agent: str
    tools: str
    shell: str

    @classmethod
    def of(cls, config: ConfigSpec) -> "Images":
        """Those of SympoziumConfig, else those that this version came with."""
        own = config.images or ConfigImages()

        return cls(
            agent=own.agent or image("agent"),
            tools=own.tools or image("tools"),
            shell=own.shell or image("shell"),
        )
