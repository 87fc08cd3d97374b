"""What the tests of access and admission share: a store in memory, and users."""

import pytest

from sympozium.localkube.types import UserInfo

RBAC = "rbac.authorization.k8s.io"


class MemoryObjects:
    """`access.objects.Objects` on dictionaries: `put` and `remove` are commits."""

    def __init__(self):
        self.held = {}
        self.listeners = {}

    def get(self, group, resource, namespace, name):
        return self.held.get((group, resource), {}).get((namespace, name))

    def list(self, group, resource):
        return list(self.held.get((group, resource), {}).values())

    def subscribe(self, group, resource, listener):
        self.listeners.setdefault((group, resource), []).append(listener)

    def put(self, group, resource, obj):
        meta = obj["metadata"]
        meta.setdefault("uid", f"uid-of-{meta['name']}")
        key = (meta.get("namespace", ""), meta["name"])
        bucket = self.held.setdefault((group, resource), {})
        old, bucket[key] = bucket.get(key), obj
        for listener in self.listeners.get((group, resource), ()):
            listener(obj, old)
        return obj

    def remove(self, group, resource, namespace, name):
        old = self.held[group, resource].pop((namespace, name))
        for listener in self.listeners.get((group, resource), ()):
            listener(None, old)

    def role(self, name, *rules, namespace="", labels=None, aggregate=None):
        obj = {
            "kind": "Role" if namespace else "ClusterRole",
            "metadata": {"name": name},
            "rules": list(rules),
        }
        if namespace:
            obj["metadata"]["namespace"] = namespace
        if labels:
            obj["metadata"]["labels"] = labels
        if aggregate:
            obj["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": aggregate}]}
        return self.put(RBAC, "roles" if namespace else "clusterroles", obj)

    def bind(self, role, *subjects, namespace="", kind=None, name=None):
        """Subjects as `User/x`, `Group/x` or `ServiceAccount/ns/x`."""
        made = []
        for subject in subjects:
            what, _, who = subject.partition("/")
            if what == "ServiceAccount":
                where, _, account = who.partition("/")
                made.append({"kind": what, "namespace": where, "name": account})
            else:
                made.append({"kind": what, "apiGroup": RBAC, "name": who})
        obj = {
            "metadata": {"name": name or f"{role}-binding"} | ({"namespace": namespace} if namespace else {}),
            "roleRef": {
                "kind": kind or ("Role" if namespace else "ClusterRole"),
                "name": role,
                "apiGroup": RBAC,
            },
            "subjects": made,
        }
        return self.put(RBAC, "rolebindings" if namespace else "clusterrolebindings", obj)


@pytest.fixture
def objects():
    return MemoryObjects()


@pytest.fixture
def alice():
    return UserInfo(username="alice", groups=("devs", "system:authenticated"))
