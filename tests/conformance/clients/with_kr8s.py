"""kr8s: objects by kind name, labels, scale, waits, watches, deletion."""

import sys

import kr8s
from kr8s.objects import ConfigMap, Deployment, Pod, new_class

namespace = sys.argv[1]
api = kr8s.api(namespace=namespace)
assert int(api.version()["major"]) == 1
assert any(r["kind"] == "ConfigMap" for r in api.api_resources())

config = ConfigMap({"metadata": {"name": "a", "namespace": namespace}, "data": {"k": "1"}}, api=api)
config.create()
assert config.exists()
config.patch({"data": {"k": "2"}})
assert config.data.k == "2"
config.label({"team": "x"})
config.annotate({"note": "y"})
found = list(kr8s.get("configmaps", namespace=namespace, label_selector="team=x", api=api))
assert [c.name for c in found] == ["a"]

deployment = Deployment({
    "metadata": {"name": "d", "namespace": namespace},
    "spec": {
        "replicas": 0, "selector": {"matchLabels": {"app": "d"}},
        "template": {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
    },
}, api=api)  # fmt: skip
deployment.create()
deployment.refresh()
assert deployment.replicas == 0

pod = Pod({
    "metadata": {"name": "p", "namespace": namespace},
    "spec": {"containers": [{"name": "c", "image": "i"}]},
}, api=api)  # fmt: skip
pod.create()
pod.refresh()
assert pod.status.phase == "Pending"
pod.delete()
pod.wait("delete", timeout=20)

Lease = new_class(kind="Lease", version="coordination.k8s.io/v1", namespaced=True)
lease = Lease(
    {"metadata": {"name": "l", "namespace": namespace}, "spec": {"holderIdentity": "kr8s"}}, api=api
)
lease.create()
for event, obj in api.watch("configmaps", namespace=namespace, label_selector="team=x"):
    assert (event, obj.name) == ("ADDED", "a")
    break
config.delete(propagation_policy="Foreground")
config.wait("delete", timeout=20)
try:
    ConfigMap.get("a", namespace=namespace, api=api)
except kr8s.NotFoundError:
    pass
else:
    raise AssertionError("it is still there")
print("kr8s: all well")
