"""A person of the demo: a client certificate of this machine's CA and the right to decide approvals."""

from pathlib import Path

from sympozium.privatefile import write_private
from sympozium.testing.client import Client
from sympozium.up.identities import kubeconfig, server_of
from sympozium.up.paths import DataDir

NAME = "olivia"
GROUP = "sre-on-call"


def make(data: DataDir, admin: Client, namespace: str) -> Path:
    """The kubeconfig of `olivia`, whose group may view runs and decide approvals in `namespace`."""
    from sympozium.localkube.access.pki import CertificateAuthority

    pair = CertificateAuthority(data.pki).issue(NAME, [GROUP], data.identities / NAME)
    server, ca = server_of(data.kubeconfig)
    path = data.identities / f"{NAME}.kubeconfig"
    user = {"client-certificate": str(pair.certificate), "client-key": str(pair.key)}
    write_private(path, kubeconfig(server, ca, user, namespace=namespace))
    admin.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "demo-approvers", "namespace": namespace},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "sympozium-approver",
            },
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": GROUP}],
        }
    )
    return path
