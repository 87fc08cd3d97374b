"""A machine without a kubelet: an API server of its own with a Node, whose pods the test reports itself."""

import uuid
from datetime import UTC, datetime

from conformance.conftest import Server
from conformance.kubeapi import Api

NODE = "n1"


def now():
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def register(api: Api, name: str = NODE, **allocatable: str) -> None:
    """A node that is ready; the controllers believe it for 50 s."""
    labels = {"kubernetes.io/hostname": name}
    assert api.post("/api/v1/nodes", {"metadata": {"name": name, "labels": labels}}).status == 201
    given = {"cpu": "2", "memory": "2Gi", "pods": "20"} | allocatable
    ready = {"type": "Ready", "status": "True", "lastHeartbeatTime": now(), "lastTransitionTime": now()}
    status = {"allocatable": given, "capacity": given, "conditions": [ready]}
    assert api.patch(f"/api/v1/nodes/{name}/status", {"status": status}).status == 200


def beat(api: Api, name: str = NODE) -> None:
    """The node lives on."""
    ready = {"type": "Ready", "status": "True", "lastHeartbeatTime": now(), "lastTransitionTime": now()}
    assert api.patch(f"/api/v1/nodes/{name}/status", {"status": {"conditions": [ready]}}).status == 200


def namespace(api: Api) -> str:
    name = f"t-{uuid.uuid4().hex[:8]}"
    assert api.post("/api/v1/namespaces", {"metadata": {"name": name}}).status == 201
    api.eventually(f"/api/v1/namespaces/{name}/serviceaccounts/default", lambda a: a.status == 200)
    return name


def clear(api: Api, space: str) -> None:
    """Nothing of a test is left on the node."""
    api.delete(f"/apis/policy/v1/namespaces/{space}/poddisruptionbudgets")
    api.delete(f"/apis/batch/v1/namespaces/{space}/cronjobs")
    api.delete(f"/apis/batch/v1/namespaces/{space}/jobs?propagationPolicy=Background")
    path = f"/api/v1/namespaces/{space}/pods"
    api.delete(f"{path}?gracePeriodSeconds=0")
    api.eventually(path, lambda a: not [i for i in a.json.get("items") or () if i["spec"].get("nodeName")])


def pod(
    name: str, cpu: str = "", *, labels: dict[str, str] | None = None, **spec: object
) -> dict[str, object]:
    container: dict[str, object] = {"name": "c", "image": "i"}
    if cpu:
        container["resources"] = {"requests": {"cpu": cpu}}
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": {"containers": [container]} | spec}


def report(api: Api, path: str, phase: str = "Running", *, ready: bool = True, ip: str = "10.1.0.1") -> None:
    """What a kubelet would say of the pod."""
    condition = {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": now()}
    status = {"phase": phase, "podIP": ip, "podIPs": [{"ip": ip}], "conditions": [condition]}
    assert api.patch(f"{path}/status", {"status": status}).status == 200


def started(directory) -> Server:
    made = Server(directory / "data")
    made.start()
    return made
