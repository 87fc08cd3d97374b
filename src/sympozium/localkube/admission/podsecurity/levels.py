"""The labels pod-security.kubernetes.io/<mode> and <mode>-version of a namespace."""

import re
from dataclasses import dataclass
from typing import Final

from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Cause

PREFIX: Final = "pod-security.kubernetes.io/"
MODES: Final = ("enforce", "audit", "warn")
LEVELS: Final = ("privileged", "baseline", "restricted")
NEWEST: Final = 36
"""Minor version of the newest policies; `latest` means these."""
_VERSION = re.compile(r"v1\.(0|[1-9][0-9]*)")


@dataclass(frozen=True, slots=True)
class Level:
    """`version` is the minor version, None for latest."""

    name: str = "privileged"
    version: int | None = None

    def __str__(self) -> str:
        return f"{self.name}:{'latest' if self.version is None else f'v1.{self.version}'}"

    @property
    def minor(self) -> int:
        return NEWEST if self.version is None else min(self.version, NEWEST)


def read(labels: dict[str, str]) -> tuple[dict[str, Level], list[Cause]]:
    """The level of each mode, and what is wrong with the labels: a wrong one restricts."""
    found: dict[str, Level] = {}
    causes: list[Cause] = []
    for mode in MODES:
        level, version = (
            labels.get(PREFIX + mode, "privileged"),
            labels.get(f"{PREFIX}{mode}-version", "latest"),
        )
        if level not in LEVELS:
            why = "must be one of privileged, baseline, restricted"
            causes.append(gotext.invalid(f"metadata.labels[{PREFIX}{mode}]", level, why))
            level = "restricted"
        minor: int | None = None
        if version != "latest":
            match = _VERSION.fullmatch(version)
            if match is None:
                why = 'must be "latest" or "v1.x"'
                causes.append(gotext.invalid(f"metadata.labels[{PREFIX}{mode}-version]", version, why))
            else:
                minor = int(match[1])
        found[mode] = Level(level, minor)
    if PREFIX + "warn" not in labels and PREFIX + "enforce" in labels:
        # What is enforced is warned of as well, for the controllers that make pods.
        found["warn"] = found["enforce"]
    return found, causes
