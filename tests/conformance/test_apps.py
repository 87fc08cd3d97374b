"""Deployments and their like with the real kubectl on a server of its own; the tests play the node.

What is compared here was seen on a kube-apiserver and kube-controller-manager 1.36 under the same steps.
"""

import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from conformance.conftest import Server

KUBECTL = Path(sys.executable).with_name("kubectl")
READY = {
    "status": {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
    }
}
TEMPLATE = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "1"}]}}
BOUND = 30.0


class Cluster:
    """A namespace, kubectl in it, and a node that makes every pod ready that it is shown."""

    def __init__(self, server, api, ns):
        self.api, self.ns = api, ns
        self._argv = [str(KUBECTL), f"--kubeconfig={server.data / 'kubeconfig'}", f"--namespace={ns}"]

    def kubectl(self, *arguments):
        done = subprocess.run(
            [*self._argv, *arguments], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}{done.stdout}"
        return done.stdout

    def items(self, resource):
        root = "/api/v1" if resource in {"pods", "events", "persistentvolumeclaims"} else "/apis/apps/v1"
        return self.api.get(f"{root}/namespaces/{self.ns}/{resource}").json["items"]

    def item(self, resource, name):
        return next(one for one in self.items(resource) if one["metadata"]["name"] == name)

    def create(self, kind, plural, name, **spec):
        body = {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}}
        base = {"selector": {"matchLabels": {"app": "x"}}, "template": TEMPLATE}
        answer = self.api.post(f"/apis/apps/v1/namespaces/{self.ns}/{plural}", body | {"spec": base | spec})
        assert answer.status == 201, answer.raw

    def work(self):
        """What a node does: pods become ready, pods that are to go are gone."""
        for pod in self.items("pods"):
            path = f"/api/v1/namespaces/{self.ns}/pods/{pod['metadata']['name']}"
            if pod["metadata"].get("deletionTimestamp"):
                self.api.delete(path, {"gracePeriodSeconds": 0})
            elif pod["status"]["phase"] == "Pending":
                self.api.patch(f"{path}/status", READY)

    def until(self, wanted, *, working=True):
        """Let the node work until `wanted()` is true; bounded."""
        deadline = time.monotonic() + BOUND
        while not wanted():
            state = {kind: self.items(kind) for kind in ("deployments", "replicasets", "statefulsets")}
            assert time.monotonic() < deadline, state
            if working:
                self.work()
            time.sleep(0.02)

    def rolled_out(self, resource, name):
        def done():
            one = self.item(resource, name)
            status, size = one.get("status") or {}, one["spec"]["replicas"]
            seen = status.get("observedGeneration", 0) >= one["metadata"]["generation"]
            keys = ("replicas", "updatedReplicas", "availableReplicas")
            return seen and all(status.get(key, 0) == size for key in keys)

        self.until(done)

    def sizes(self):
        sets = sorted(self.items("replicasets"), key=lambda one: one["metadata"]["creationTimestamp"])
        return sorted(one["spec"]["replicas"] for one in sets)


@pytest.fixture
def cluster(server, admin, ns):
    return Cluster(server, admin, ns)


def test_the_life_of_a_deployment(cluster):
    cluster.kubectl("create", "deployment", "web", "--image=nginx:1", "--replicas=3")
    cluster.rolled_out("deployments", "web")
    assert "successfully rolled out" in cluster.kubectl("rollout", "status", "deploy/web", "--timeout=30s")
    cluster.kubectl("wait", "--for=condition=Available", "deploy/web", "--timeout=30s")
    cluster.kubectl("set", "image", "deploy/web", "nginx=nginx:2")
    cluster.rolled_out("deployments", "web")
    assert cluster.sizes() == [0, 3]
    cluster.kubectl("rollout", "undo", "deploy/web")
    cluster.rolled_out("deployments", "web")
    history = cluster.kubectl("rollout", "history", "deploy/web").splitlines()
    assert [line.split()[0] for line in history[2:] if line] == ["2", "3"]
    cluster.kubectl("scale", "deploy/web", "--replicas=1")
    cluster.rolled_out("deployments", "web")
    cluster.kubectl("rollout", "restart", "deploy/web")
    cluster.rolled_out("deployments", "web")
    assert cluster.sizes() == [0, 0, 1]
    line = cluster.kubectl("get", "deploy", "web").splitlines()
    assert line[0].split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert line[1].split()[:4] == ["web", "1/1", "1", "1"]
    told = [e["message"] for e in cluster.items("events") if e["reason"] == "ScalingReplicaSet"]
    assert any(
        text.startswith("Scaled up replica set web-") and text.endswith(" from 0 to 3") for text in told
    )


def test_deleting_takes_the_pods_along_unless_they_are_orphaned(cluster):
    cluster.kubectl("create", "deployment", "web", "--image=nginx", "--replicas=2")
    cluster.rolled_out("deployments", "web")
    names = {pod["metadata"]["name"] for pod in cluster.items("pods")}
    cluster.kubectl("delete", "deploy", "web", "--cascade=orphan")
    (left,) = cluster.items("replicasets")
    assert "ownerReferences" not in left["metadata"]
    cluster.kubectl("create", "deployment", "web", "--image=nginx", "--replicas=2")
    cluster.until(lambda: all("ownerReferences" in one["metadata"] for one in cluster.items("replicasets")))
    cluster.rolled_out("deployments", "web")
    assert {pod["metadata"]["name"] for pod in cluster.items("pods")} == names
    cluster.kubectl("delete", "deploy", "web", "--cascade=foreground", "--wait=false")
    cluster.until(lambda: not cluster.items("pods") and not cluster.items("deployments"))


def test_pods_are_adopted_and_let_go_by_their_labels(cluster):
    cluster.create("ReplicaSet", "replicasets", "rs", replicas=1)
    cluster.until(lambda: len(cluster.items("pods")) == 1)
    (first,) = cluster.items("pods")
    cluster.kubectl("label", "pod", first["metadata"]["name"], "app=stray", "--overwrite")
    cluster.until(lambda: len(cluster.items("pods")) == 2)
    stray = cluster.item("pods", first["metadata"]["name"])
    cluster.until(
        lambda: "ownerReferences" not in cluster.item("pods", stray["metadata"]["name"])["metadata"]
    )
    cluster.kubectl("label", "pod", first["metadata"]["name"], "app=x", "--overwrite")
    cluster.until(lambda: len(cluster.items("pods")) == 1)


def test_a_refused_pod_is_in_the_conditions_and_events(cluster):
    spec = {**TEMPLATE["spec"], "serviceAccountName": "nobody"}
    cluster.create("Deployment", "deployments", "web", template={**TEMPLATE, "spec": spec})

    def shown():
        conditions = (cluster.item("deployments", "web").get("status") or {}).get("conditions") or []
        return any(c["type"] == "ReplicaFailure" and c["reason"] == "FailedCreate" for c in conditions)

    cluster.until(shown)
    events = [e for e in cluster.items("events") if e["reason"] == "FailedCreate"]
    assert 'serviceaccount "nobody" not found' in events[0]["message"]


def test_a_stateful_set_in_order_with_claims_and_history(cluster):
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    }
    cluster.create("StatefulSet", "statefulsets", "db", replicas=2, volumeClaimTemplates=[claim])
    cluster.rolled_out("statefulsets", "db")
    assert sorted(p["metadata"]["name"] for p in cluster.items("pods")) == ["db-0", "db-1"]
    claims = {c["metadata"]["name"] for c in cluster.items("persistentvolumeclaims")}
    assert claims == {"data-db-0", "data-db-1"}
    cluster.kubectl("set", "image", "sts/db", "c=2")
    cluster.rolled_out("statefulsets", "db")
    cluster.kubectl("rollout", "undo", "sts/db")
    cluster.rolled_out("statefulsets", "db")
    assert sorted(r["revision"] for r in cluster.items("controllerrevisions")) == [2, 3]
    assert "successfully rolled out" not in cluster.kubectl("rollout", "history", "sts/db")
    assert "complete" in cluster.kubectl("rollout", "status", "sts/db", "--timeout=30s")


def test_what_is_wrong_is_said_as_a_real_server_says_it(cluster):
    path = f"/apis/apps/v1/namespaces/{cluster.ns}/deployments"
    body = {
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "other"}},
            "template": TEMPLATE,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}},
        },
    }
    cluster.api.post(path, body).refused(
        422,
        "Invalid",
        "spec.template.metadata.labels: Invalid value: ",
        "`selector` does not match template `labels`",
        "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
    )
    cluster.create("StatefulSet", "statefulsets", "db")
    update = {"spec": {"serviceName": "other"}}
    cluster.api.patch(f"/apis/apps/v1/namespaces/{cluster.ns}/statefulsets/db", update).refused(
        422, "Invalid", "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template'"
    )


def test_being_killed_in_the_middle_of_a_rollout_leaves_nothing_twice(tmp_path):
    """Kill -9 at several moments; in the end there are as many pods as were asked for, and one set of each template."""
    server = Server(tmp_path / "data")
    server.start()
    api = server.api("admin-token")
    ns = f"t-{uuid.uuid4().hex[:8]}"
    cluster = Cluster(server, api, ns)
    try:
        assert api.post("/api/v1/namespaces", {"metadata": {"name": ns}}).status == 201
        api.eventually(f"/api/v1/namespaces/{ns}/serviceaccounts/default", lambda a: a.status == 200)
        cluster.create("Deployment", "deployments", "web", replicas=8)
        for moment in range(4):
            cluster.until(lambda moment=moment: len(cluster.items("pods")) > moment, working=moment > 1)
            image = {"spec": {"containers": [{"name": "c", "image": str(moment // 2)}]}}
            cluster.api.patch(f"/apis/apps/v1/namespaces/{ns}/deployments/web", {"spec": {"template": image}})
            server.kill()
            server.start()
            cluster.api.close()
            cluster.api = server.api("admin-token")
        cluster.rolled_out("deployments", "web")
        cluster.until(lambda: len(cluster.items("pods")) == 8)
        images = [
            s["spec"]["template"]["spec"]["containers"][0]["image"] for s in cluster.items("replicasets")
        ]
        assert len(images) == len(set(images))
        owners = {p["metadata"]["ownerReferences"][0]["uid"] for p in cluster.items("pods")}
        assert len(owners) == 1
    finally:
        cluster.api.close()
        server.stop()
