"""Where everything of one machine lives: one directory, so that one `rm -r` removes it."""

import os
from dataclasses import dataclass
from pathlib import Path


def default_data_dir() -> Path:
    """`$SYMPOZIUM_HOME`, else `~/.sympozium`."""
    home = os.environ.get("SYMPOZIUM_HOME")
    return Path(home or os.path.expanduser("~/.sympozium"))  # noqa: PTH111 - where nobody has a home, in a pod, it is relative


@dataclass(frozen=True, slots=True)
class DataDir:
    """The layout of a data directory."""

    root: Path

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig (written by localkube)."""
        return self.root / "kubeconfig"

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def identities(self) -> Path:
        """Kubeconfigs and tokens of the components, one pair each."""
        return self.root / "identities"

    @property
    def bus(self) -> Path:
        return self.root / "bus"

    @property
    def node(self) -> Path:
        return self.root / "node"

    @property
    def apiserver(self) -> Path:
        """What the API server keeps for itself: its ledger of usage. The truth is elsewhere."""
        return self.root / "apiserver"

    @property
    def lock(self) -> Path:
        """Held (flock) by the supervisor as long as it lives."""
        return self.root / "lock"

    @property
    def state(self) -> Path:
        """`up.json`: pids with their start times, ports, and whether the machine is ready."""
        return self.root / "up.json"

    @property
    def ports(self) -> Path:
        return self.root / "ports.json"

    @property
    def images(self) -> Path:
        return self.root / "images.yaml"

    def make(self) -> None:
        """Create the directories, readable by their owner alone.

        The root may be traversed by others, since a pod's own user reaches its volumes below it;
        everything that is secret is in directories that are closed.
        """
        self.root.mkdir(parents=True, exist_ok=True, mode=0o711)
        for path in (self.logs, self.identities, self.bus, self.apiserver):
            path.mkdir(exist_ok=True, mode=0o700)
        self.node.mkdir(exist_ok=True, mode=0o711)
