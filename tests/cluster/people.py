"""Who may do what, in tests of the API server and of what stands behind it."""

from sympozium.testing.client import Client


def bind(kube: Client, user: str, role: str, namespace: str, *, name: str | None = None) -> None:
    """Give a user the rights of a ClusterRole in a namespace; `name` is the binding's."""
    kube.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": name or f"{user}-{role}", "namespace": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}],
        }
    )  # fmt: skip
