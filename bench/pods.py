"""A pod of a plain command on one machine: created -> its process runs, as the process itself says.

The command prints its own clock, which is the clock of the one who created the pod: no watch is in the figure.
"""

import tempfile
import time
from pathlib import Path

from bench.table import head, row
from sympozium.testing import Cluster
from sympozium.testing.resources import POD, SERVICE_ACCOUNT

IMAGE = "localhost/host:latest"
_RUNS = 30
_PATH = "/api/v1/namespaces/default/pods"


def pod(name: str) -> dict[str, object]:
    container = {"name": "c", "image": IMAGE, "command": ["date", "+%s.%N"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"restartPolicy": "Never", "containers": [container]},
    }


def main() -> None:
    running, over = [], []
    with tempfile.TemporaryDirectory() as directory, Cluster(Path(directory)) as cluster:
        cluster.wait_any(SERVICE_ACCOUNT, lambda obj: obj["metadata"]["name"] == "default", "default")
        for number in range(_RUNS):
            name = f"bench-{number}"
            began = time.time()
            cluster.create(pod(name))
            cluster.wait(
                POD, name, lambda obj: obj["status"].get("phase") in {"Succeeded", "Failed"}, "default"
            )
            over.append((time.time() - began) * 1000)
            at = float(cluster.kubectl("logs", name, "-n", "default").strip())
            running.append((at - began) * 1000)
        cluster.stop()
    print(head("a pod of a plain command", _RUNS))
    print(row("created -> its process runs", running, "ms", 50))
    print(row("created -> seen as Succeeded", over, "ms"))
