"""Which kubeconfig a command takes: the one that kubectl would, else that of this machine's `up`."""

import os
from pathlib import Path

from sympozium.up.paths import DataDir, default_data_dir


def may_start_own() -> bool:
    """Nothing is configured that a control plane of this machine would be in the way of."""
    # Not `Path.home()`: in a pod there may be none.
    return not (os.environ.get("KUBECONFIG") or Path(os.path.expanduser("~/.kube/config")).exists())  # noqa: PTH111


def own_kubeconfig() -> Path | None:
    """The kubeconfig of `sympozium up`, where nothing else is configured and it is there."""
    path = DataDir(default_data_dir()).kubeconfig
    return path if may_start_own() and path.exists() else None
