"""Where this installation is, and where its images come from: read from the environment, once, by every process.

SYMPOZIUM_NAMESPACE        its system namespace; the chart sets it to the release's
SYMPOZIUM_IMAGE_REGISTRY   before the names of its images
SYMPOZIUM_IMAGE_TAG        their tag; the version of this package where it is not set
"""

import os
from typing import Final

from sympozium import __version__

DEFAULT_NAMESPACE: Final = "sympozium-system"
DEFAULT_REGISTRY: Final = "ghcr.io/sympozium"

SYSTEM_NAMESPACE: Final[str] = os.environ.get("SYMPOZIUM_NAMESPACE") or DEFAULT_NAMESPACE
IMAGE_REGISTRY: Final = (os.environ.get("SYMPOZIUM_IMAGE_REGISTRY") or DEFAULT_REGISTRY).rstrip("/")
IMAGE_TAG: Final = os.environ.get("SYMPOZIUM_IMAGE_TAG") or f"v{__version__}"


def image(name: str, registry: str | None = None, tag: str | None = None) -> str:
    """Of `agent`, `tools`, `shell`, `skill-k8s-ops`, `control-plane`: the whole reference, with this process's registry and
    tag where none is given.
    """
    return f"{registry or IMAGE_REGISTRY}/{name}:{tag or IMAGE_TAG}"
