"""What one node may ask and write."""

import pytest

from sympozium.localkube.access.noderole import NodeAuthorizer
from sympozium.localkube.admission import noderestriction
from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import AdmissionRequest, Attributes, UserInfo

N1 = UserInfo(username="system:node:n1", groups=("system:nodes", "system:authenticated"))
FAKE = UserInfo(username="system:node:n1", groups=("system:authenticated",))


def pod(name="p", node="n1", **spec):
    return {"metadata": {"name": name, "namespace": "ns", "uid": name}, "spec": {"nodeName": node} | spec}


def ask(verb, resource, name="", *, user=N1, namespace="ns", group="", subresource="", selector=""):
    return Attributes(
        user=user, verb=verb, group=group, resource=resource, subresource=subresource,
        namespace=namespace, name=name, field_selector=selector,
    )  # fmt: skip


@pytest.fixture
def authorizer(objects):
    made = NodeAuthorizer(objects)
    refs = {
        "volumes": [
            {"name": "a", "secret": {"secretName": "in-volume"}},
            {"name": "b", "projected": {"sources": [{"configMap": {"name": "in-projected"}}]}},
        ],
        "containers": [
            {
                "name": "c",
                "envFrom": [{"secretRef": {"name": "in-env-from"}}],
                "env": [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "in-env", "key": "k"}}}],
            }
        ],
        "initContainers": [{"name": "i", "envFrom": [{"configMapRef": {"name": "in-init"}}]}],
        "serviceAccountName": "bot",
    }
    objects.put("", "pods", pod(**refs))
    objects.put(
        "", "pods", pod("other", "n2", volumes=[{"name": "a", "secret": {"secretName": "elsewhere"}}])
    )
    return made


@pytest.mark.parametrize(
    "question",
    [
        ask("get", "secrets", "in-volume"),
        ask("get", "secrets", "in-env-from"),
        ask("get", "configmaps", "in-projected"),
        ask("get", "configmaps", "in-env"),
        ask("watch", "configmaps", selector="metadata.name=in-init"),
        ask("create", "serviceaccounts", "bot", subresource="token"),
        ask("get", "pods", "p"),
        ask("get", "pods", "gone"),
        ask("list", "pods", namespace="", selector="spec.nodeName=n1"),
        ask("patch", "pods", "p", subresource="status"),
        ask("patch", "nodes", "n1", namespace="", subresource="status"),
        ask("create", "nodes", namespace=""),
        ask("update", "leases", "n1", namespace="kube-node-lease", group="coordination.k8s.io"),
        ask("list", "services", namespace=""),
        ask("create", "events"),
    ],
)
def test_a_node_reaches_itself_and_what_its_pods_name(authorizer, question):
    assert authorizer.authorize(question).allowed


@pytest.mark.parametrize(
    "question",
    [
        ask("get", "secrets", "elsewhere"),
        ask("get", "secrets", "in-volume", namespace="other"),
        ask("list", "secrets"),
        ask("get", "secrets", "in-volume", user=FAKE),
        ask("update", "secrets", "in-volume"),
        ask("create", "serviceaccounts", "default", subresource="token"),
        ask("get", "pods", "other"),
        ask("list", "pods", namespace=""),
        ask("list", "pods", namespace="", selector="spec.nodeName=n2"),
        ask("create", "pods"),
        # Those of our own node come from ClusterRole `sympozium-node`: kube-apiserver's authorizer has none of them.
        ask("list", "networkpolicies", namespace="", group="networking.k8s.io"),
        ask("list", "endpointslices", namespace="", group="discovery.k8s.io"),
        ask("list", "namespaces", namespace=""),
        ask("patch", "nodes", "n2", namespace="", subresource="status"),
        ask("delete", "nodes", "n1", namespace=""),
        ask("update", "leases", "n2", namespace="kube-node-lease", group="coordination.k8s.io"),
        ask("update", "leases", "n1", namespace="ns", group="coordination.k8s.io"),
        ask("create", "clusterrolebindings", namespace="", group="rbac.authorization.k8s.io"),
    ],
)
def test_a_node_reaches_nothing_else(authorizer, question):
    assert not authorizer.authorize(question).allowed


def test_a_reference_ends_with_the_last_pod_that_has_it(objects):
    authorizer = NodeAuthorizer(objects)
    volumes = [{"name": "a", "secret": {"secretName": "s"}}]
    objects.put("", "pods", pod("one", "", volumes=volumes))
    assert not authorizer.authorize(ask("get", "secrets", "s")).allowed
    objects.put("", "pods", pod("one", "n1", volumes=volumes))
    objects.put("", "pods", pod("two", "n1", volumes=volumes))
    objects.remove("", "pods", "ns", "one")
    assert authorizer.authorize(ask("get", "secrets", "s")).allowed
    objects.remove("", "pods", "ns", "two")
    assert not authorizer.authorize(ask("get", "secrets", "s")).allowed


def write(
    resource, name, *, operation="UPDATE", obj=None, old=None, subresource="", group="", namespace="ns"
):
    return AdmissionRequest(
        user=N1, operation=operation, group=group, version="v1", kind="K", resource=resource,
        subresource=subresource, namespace=namespace, name=name, obj=obj, old=old, options={}, dry_run=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (write("pods", "q", operation="DELETE", old=pod("q", "n2")), "can only delete pods"),
        (write("pods", "q", operation="CREATE", obj=pod("q")), "can not create pods"),
        (write("pods", "other", subresource="status", obj={}), "can only update pod status"),
        (write("nodes", "n2", obj={}, namespace=""), "not allowed to modify node 'n2'"),
        (write("nodes", "n1", operation="DELETE", old={}, namespace=""), "not allowed to delete itself"),
        (
            write("nodes", "n1", namespace="", obj={"spec": {"taints": []}}, old={"spec": {"taints": [{"key": "x"}]}}),
            "not allowed to modify taints",
        ),
        (
            write("nodes", "n1", namespace="", obj={"metadata": {"labels": {"node-restriction.kubernetes.io/a": "b"}}}, old={}),
            "not allowed to modify labels: node-restriction.kubernetes.io/a",
        ),
        (write("leases", "n2", group="coordination.k8s.io", namespace="kube-node-lease"), "its own name"),
    ],
)  # fmt: skip
def test_a_node_writes_itself_and_its_pods_alone(objects, request_, message):
    objects.put("", "pods", pod("other", "n2"))
    with pytest.raises(ApiError, match=message) as refused:
        noderestriction.check(request_, objects)
    assert refused.value.code == 403


def test_its_own_writes_pass_and_other_users_are_not_its_business(objects, alice):
    objects.put("", "pods", pod())
    noderestriction.check(write("pods", "p", operation="DELETE", old=pod()), objects)
    noderestriction.check(write("pods", "p", subresource="status", obj={}), objects)
    noderestriction.check(write("nodes", "n1", obj={}, old={}, namespace=""), objects)
    noderestriction.check(
        write("leases", "n1", group="coordination.k8s.io", namespace="kube-node-lease"), objects
    )
