"""The identity of each component: what the chart gives through ServiceAccounts, given by files here.

A component gets a kubeconfig whose user has a `tokenFile`, so that the token can be renewed under a
running process, as a projected token is on a cluster. The node has a client certificate instead
(`system:node:<name>`), as a kubelet has.
"""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from sympozium.installation import SYSTEM_NAMESPACE
from sympozium.privatefile import write_private

SERVICE_ACCOUNTS = {
    "controller": "sympozium-controller",
    "webhook": "sympozium-webhook",
    "apiserver": "sympozium-apiserver",
}
TOKEN_SECONDS = 24 * 3600


def kubeconfig(server: str, ca: bytes, user: Mapping[str, Any], *, namespace: str) -> str:
    """A kubeconfig with one context named `sympozium`; JSON, which is YAML."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "sympozium",
                    "cluster": {
                        "server": server,
                        "certificate-authority-data": base64.b64encode(ca).decode(),
                    },
                }
            ],
            "users": [{"name": "user", "user": dict(user)}],
            "contexts": [
                {
                    "name": "sympozium",
                    "context": {"cluster": "sympozium", "user": "user", "namespace": namespace},
                }
            ],
            "current-context": "sympozium",
        },
        indent=1,
    )


def server_of(path: Path) -> tuple[str, bytes]:
    """The server URL and CA certificate (PEM) of the current context of a kubeconfig."""
    config = yaml.safe_load(path.read_text())
    context = next(c["context"] for c in config["contexts"] if c["name"] == config["current-context"])
    cluster = next(c["cluster"] for c in config["clusters"] if c["name"] == context["cluster"])
    if data := cluster.get("certificate-authority-data"):
        return str(cluster["server"]), base64.b64decode(data)
    return str(cluster["server"]), Path(cluster["certificate-authority"]).read_bytes()


def write_token(directory: Path, component: str, token: str, server: str, ca: bytes) -> Path:
    """Write `<component>.token` and `<component>.kubeconfig`; returns the kubeconfig's path."""
    token_file = directory / f"{component}.token"
    write_private(token_file, token)
    path = directory / f"{component}.kubeconfig"
    write_private(path, kubeconfig(server, ca, {"tokenFile": str(token_file)}, namespace=SYSTEM_NAMESPACE))
    return path
