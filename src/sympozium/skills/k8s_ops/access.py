"""How kubectl gets to the API from inside the pod: a kubeconfig of the mounted token.

The kubeconfig names the token's file and holds no secret itself, so a refreshed token is used
as soon as the kubelet has written it. `KUBECONFIG` in the environment wins, for use outside a pod.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from sympozium.hosts import in_url

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class AccessError(Exception):
    """There is no way to the API; the text says what is missing and who mounts it."""


def environment(home: Path, *, account: Path = SERVICE_ACCOUNT) -> dict[str, str]:
    """The environment of kubectl and of commands: this container's, with HOME and KUBECONFIG.

    `home` must be writable (kubectl keeps its discovery cache there). AccessError when there is
    neither a KUBECONFIG nor a mounted token.
    """
    inherited = dict(os.environ)
    inherited["HOME"] = str(home)
    if inherited.get("KUBECONFIG"):
        return inherited
    host, port = inherited.get("KUBERNETES_SERVICE_HOST"), inherited.get("KUBERNETES_SERVICE_PORT")
    token, authority = account / "token", account / "ca.crt"
    if not (host and port and token.exists()):
        raise AccessError(
            f"no access to a Kubernetes API: KUBERNETES_SERVICE_HOST and _PORT and the token in {account} "
            "are given by the controller to a skill whose pack has rbac or clusterRBAC rules"
        )
    path = home / "kubeconfig"
    server = f"https://{in_url(host)}:{port}"
    path.write_text(json.dumps(_kubeconfig(server, authority, token, _namespace(account))))
    inherited["KUBECONFIG"] = str(path)
    return inherited


def _namespace(account: Path) -> str:
    try:
        return (account / "namespace").read_text().strip()
    except FileNotFoundError:
        return "default"


def _kubeconfig(server: str, authority: Path, token: Path, namespace: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "pod", "cluster": {"server": server, "certificate-authority": str(authority)}}],
        "users": [{"name": "skill", "user": {"tokenFile": str(token)}}],
        "contexts": [{"name": "pod", "context": {"cluster": "pod", "user": "skill", "namespace": namespace}}],
        "current-context": "pod",
    }
