"""Volumes that outlive pods, and what a pod is told about one that is not there; runtimes by RuntimeClass."""

import pytest

from cluster.external import EXTERNAL, not_ours
from cluster.node_support import NodeCluster, cluster, ns, once, phase, shell, state
from sympozium.testing.client import Object
from sympozium.testing.resources import POD
from sympozium.testing.waiting import until

__all__ = ["cluster", "ns"]

MOUNT = [{"name": "data", "mountPath": "/data"}]


def claim(cluster: NodeCluster, ns: str, name: str = "c", **spec: object) -> None:
    cluster.create({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": ns},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}, **spec},
    })  # fmt: skip


def using(script: str, **source: object) -> Object:
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "c", **source}}
    return once(shell(script, volumeMounts=MOUNT), volumes=[volume], terminationGracePeriodSeconds=0)


def test_a_claim_outlives_its_pods(cluster: NodeCluster, ns: str) -> None:
    if EXTERNAL:
        not_ours("which makes a volume for a claim")
    claim(cluster, ns)
    cluster.run_pod(
        "holder", ns, once(shell("exec sleep 60"), terminationGracePeriodSeconds=0)
    )  # takes a user
    cluster.run_pod("first", ns, using("umask 077; mkdir /data/d; echo kept > /data/d/f"))
    assert phase(cluster.ended("first", ns)) == "Succeeded"
    cluster.delete(POD, "holder", ns)
    cluster.delete(POD, "first", ns)
    cluster.run_pod(
        "second", ns, using("cat /data/d/f; echo more >> /data/d/f; cat /data/d/f; chmod -R a+rX /data/d")
    )
    assert phase(cluster.ended("second", ns)) == "Succeeded"
    assert cluster.logs("second", ns) == "kept\nkept\nmore\n"
    # Who mounts it for reading alone does not become the owner of its files.
    cluster.run_pod("reader", ns, using("cat /data/d/f; echo no > /data/d/f", readOnly=True))
    assert phase(cluster.ended("reader", ns)) == "Failed"
    assert cluster.logs("reader", ns).startswith("kept\nmore\n")


def test_a_claim_that_is_not_there(cluster: NodeCluster, ns: str) -> None:
    # Bound past the scheduler, which waits for the claim.
    cluster.run_pod("p", ns, {**using("echo up"), "nodeName": "n1"})
    words = cluster.told("p", ns, "FailedMount")["FailedMount"]
    assert words == 'MountVolume.SetUp failed for volume "data": persistentvolumeclaim "c" not found'
    assert phase(cluster.get(POD, "p", ns)) == "Pending"
    cluster.delete(POD, "p", ns)


@pytest.mark.parametrize(("handler", "starts"), [("bwrap", True), ("runsc", False)])
def test_runtime_class(cluster: NodeCluster, ns: str, handler: str, starts: bool) -> None:
    name = f"{handler}-{ns}"
    cluster.create(
        {
            "apiVersion": "node.k8s.io/v1",
            "kind": "RuntimeClass",
            "metadata": {"name": name},
            "handler": handler,
        }
    )
    cluster.run_pod("p", ns, once(shell("echo up"), runtimeClassName=name))
    if starts:
        assert phase(cluster.ended("p", ns)) == "Succeeded"
    else:
        words = cluster.told("p", ns, "FailedCreatePodSandBox")["FailedCreatePodSandBox"]
        assert 'no runtime for "runsc" is configured' in words
        assert "waiting" in state(cluster.get(POD, "p", ns))
        cluster.delete(POD, "p", ns)
    cluster.request("DELETE", f"/apis/node.k8s.io/v1/runtimeclasses/{name}")


def test_ephemeral_storage_limit(cluster: NodeCluster, ns: str) -> None:
    main = shell(
        "head -c 3000000 /dev/zero > /data/f; exec sleep 60", volumeMounts=MOUNT,
        resources={"limits": {"ephemeral-storage": "1Mi"}},
    )  # fmt: skip
    cluster.run_pod("p", ns, once(main, volumes=[{"name": "data", "emptyDir": {}}]))
    pod = cluster.ended("p", ns, timeout=60)
    assert pod["status"]["reason"] == "Evicted"
    assert pod["status"]["message"].startswith(
        "Pod ephemeral local storage usage exceeds the total limit of containers 1"
    )


def test_environment_of_services_can_be_left_out(cluster: NodeCluster, ns: str) -> None:
    cluster.create({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "some-svc", "namespace": ns},
        "spec": {"ports": [{"name": "web", "port": 80}]},
    })  # fmt: skip

    def variables(name: str, **spec: object) -> str:
        cluster.run_pod(name, ns, once(shell("env | grep SOME_SVC | sort"), **spec))
        cluster.ended(name, ns)
        return cluster.logs(name, ns)

    until(
        lambda: "SOME_SVC_SERVICE_PORT_WEB=80" in variables(f"p{next(_numbers)}"),
        "the node knows the Service",
    )
    assert variables("without", enableServiceLinks=False) == ""


_numbers = iter(range(100))
