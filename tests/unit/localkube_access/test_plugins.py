"""The built-in admission plugins."""

import asyncio

import pytest

from sympozium.localkube.access.rbac import RBAC
from sympozium.localkube.access.union import Union
from sympozium.localkube.admission import escalation, namespaces, pods
from sympozium.localkube.admission.serviceaccounts import MOUNT_PATH, ServiceAccountAdmission
from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import AdmissionRequest, UserInfo

RBAC_GROUP = "rbac.authorization.k8s.io"


def write(
    resource,
    obj=None,
    *,
    old=None,
    operation="CREATE",
    user=None,
    group="",
    namespace="ns",
    name="x",
    kind="K",
):
    return AdmissionRequest(
        user=user or UserInfo(username="u"), operation=operation, group=group, version="v1", kind=kind,
        resource=resource, subresource="", namespace=namespace, name=name, obj=obj, old=old, options={},
        dry_run=False,
    )  # fmt: skip


def pod(**spec):
    return {"metadata": {"name": "p", "namespace": "ns"}, "spec": {"containers": [{"name": "c"}]} | spec}


# -- namespaces


def test_nothing_is_created_without_a_namespace_or_in_one_that_goes(objects):
    with pytest.raises(ApiError, match='namespaces "ns" not found') as refused:
        namespaces.check(write("configmaps"), objects)
    assert refused.value.code == 404
    objects.put("", "namespaces", {"metadata": {"name": "ns"}})
    namespaces.check(write("configmaps"), objects)
    objects.put("", "namespaces", {"metadata": {"name": "ns", "deletionTimestamp": "2026-01-01T00:00:00Z"}})
    with pytest.raises(ApiError, match="because it is being terminated") as refused:
        namespaces.check(write("configmaps"), objects)
    assert (refused.value.code, refused.value.causes[0].reason) == (403, "NamespaceTerminating")
    namespaces.check(write("configmaps", operation="DELETE"), objects)


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public", "kube-node-lease"])
def test_four_namespaces_stay(objects, name):
    with pytest.raises(ApiError, match="this namespace may not be deleted"):
        namespaces.check(write("namespaces", operation="DELETE", name=name), objects)
    namespaces.check(write("namespaces", operation="DELETE", name="mine"), objects)


# -- service accounts


async def test_a_pod_gets_its_account_and_its_token_volume_once(objects):
    meta = {"name": "default", "namespace": "ns"}
    objects.put("", "serviceaccounts", {"metadata": meta, "imagePullSecrets": [{"name": "reg"}]})
    plugin = ServiceAccountAdmission(objects)
    request = write(
        "pods",
        pod(initContainers=[{"name": "i", "volumeMounts": [{"mountPath": MOUNT_PATH, "name": "own"}]}]),
    )
    await plugin.mutate(request)
    spec = request.obj["spec"]
    assert spec["serviceAccountName"] == spec["serviceAccount"] == "default"
    assert spec["imagePullSecrets"] == [{"name": "reg"}]
    (volume,) = spec["volumes"]
    assert volume["name"].startswith("kube-api-access-")
    assert [next(iter(source)) for source in volume["projected"]["sources"]] == [
        "serviceAccountToken",
        "configMap",
        "downwardAPI",
    ]
    assert spec["containers"][0]["volumeMounts"] == [
        {"name": volume["name"], "readOnly": True, "mountPath": MOUNT_PATH}
    ]
    assert spec["initContainers"][0]["volumeMounts"] == [{"mountPath": MOUNT_PATH, "name": "own"}]
    # Again, after a webhook added a container: the same volume.
    spec["containers"].append({"name": "injected"})
    await plugin.mutate(request)
    assert len(spec["volumes"]) == 1
    assert spec["containers"][1]["volumeMounts"][0]["name"] == volume["name"]


@pytest.mark.parametrize(
    ("of_pod", "of_account", "mounted"),
    [
        (None, None, True),
        (False, None, False),
        (None, False, False),
        (True, False, True),
        (False, True, False),
    ],
)
async def test_the_pods_word_on_the_token_goes_before_the_accounts(objects, of_pod, of_account, mounted):
    account = {"metadata": {"name": "default", "namespace": "ns"}}
    if of_account is not None:
        account["automountServiceAccountToken"] = of_account
    objects.put("", "serviceaccounts", account)
    request = write("pods", pod() if of_pod is None else pod(automountServiceAccountToken=of_pod))
    await ServiceAccountAdmission(objects).mutate(request)
    assert bool(request.obj["spec"].get("volumes")) is mounted


async def test_a_missing_account_is_named(objects):
    with pytest.raises(
        ApiError, match=r'error looking up service account ns/bot: serviceaccount "bot" not found'
    ):
        await ServiceAccountAdmission(objects).mutate(write("pods", pod(serviceAccountName="bot")))


async def test_a_pod_waits_for_the_default_account_of_a_new_namespace(objects):
    plugin = ServiceAccountAdmission(objects)
    request = write("pods", pod())
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(plugin.mutate(request))
        await asyncio.sleep(0)
        assert not waiting.done()
        objects.put("", "serviceaccounts", {"metadata": {"name": "default", "namespace": "ns"}})
    assert request.obj["spec"]["volumes"]


async def test_it_does_not_wait_for_ever(objects, monkeypatch):
    monkeypatch.setattr("sympozium.localkube.admission.serviceaccounts.DEFAULT_WAIT", 0)
    with pytest.raises(ApiError, match="not found"):
        await ServiceAccountAdmission(objects).mutate(write("pods", pod()))


# -- tolerations and priority


def test_tolerations_are_added_unless_the_pod_has_its_own(objects):
    own = {
        "key": "node.kubernetes.io/not-ready",
        "effect": "NoExecute",
        "operator": "Exists",
        "tolerationSeconds": 5,
    }
    request = write("pods", pod(tolerations=[own]))
    pods.mutate(request, objects)
    pods.mutate(request, objects)
    added = request.obj["spec"]["tolerations"]
    assert [(t["key"], t["tolerationSeconds"]) for t in added] == [
        ("node.kubernetes.io/not-ready", 5),
        ("node.kubernetes.io/unreachable", 300),
    ]
    request = write("pods", pod(tolerations=[{"operator": "Exists"}]))
    pods.mutate(request, objects)
    assert request.obj["spec"]["tolerations"] == [{"operator": "Exists"}]


def test_priority_comes_from_the_class(objects):
    request = write("pods", pod())
    pods.mutate(request, objects)
    assert (request.obj["spec"]["priority"], request.obj["spec"]["preemptionPolicy"]) == (
        0,
        "PreemptLowerPriority",
    )
    objects.put("scheduling.k8s.io", "priorityclasses", {"metadata": {"name": "high"}, "value": 1000})
    request = write("pods", pod(priorityClassName="high"))
    pods.mutate(request, objects)
    assert request.obj["spec"]["priority"] == 1000
    with pytest.raises(ApiError, match="no PriorityClass with name none was found"):
        pods.mutate(write("pods", pod(priorityClassName="none")), objects)
    with pytest.raises(ApiError, match=r"integer value of priority \(7\) must not be provided"):
        pods.mutate(write("pods", pod(priority=7)), objects)
    objects.put(
        "scheduling.k8s.io",
        "priorityclasses",
        {"metadata": {"name": "std"}, "value": 5, "globalDefault": True},
    )
    request = write("pods", pod())
    pods.mutate(request, objects)
    assert (request.obj["spec"]["priority"], request.obj["spec"]["priorityClassName"]) == (5, "std")


# -- escalation

GET_PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
ALL = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}


@pytest.fixture
def holder(objects, alice):
    """Alice holds `get pods` in ns."""
    objects.role("r", GET_PODS, namespace="ns")
    objects.bind("r", "User/alice", namespace="ns")
    rbac = RBAC(objects)
    return lambda request: escalation.check(request, rbac, Union(rbac))


def role(*rules, **rest):
    return {"metadata": {"name": "x", "namespace": "ns"}, "rules": list(rules)} | rest


def binding(kind, name, *subjects):
    return {"metadata": {"name": "b"}, "roleRef": {"kind": kind, "name": name}, "subjects": list(subjects)}


def test_nobody_writes_a_role_with_more_than_they_hold(holder, alice):
    holder(write("roles", role(GET_PODS), user=alice, group=RBAC_GROUP))
    with pytest.raises(ApiError) as refused:
        holder(write("roles", role(GET_PODS | {"verbs": ["get", "list"]}), user=alice, group=RBAC_GROUP))
    assert refused.value.code == 403
    assert refused.value.message == (
        'roles.rbac.authorization.k8s.io "x" is forbidden: user "alice" (groups=["devs" "system:authenticated"])'
        ' is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["pods"], Verbs:["list"]}'
    )
    holder(
        write("roles", role(ALL), user=UserInfo(username="r", groups=("system:masters",)), group=RBAC_GROUP)
    )


def test_an_update_that_gives_nothing_new_passes(holder, alice):
    old = role(ALL)
    changed = role(ALL) | {"metadata": {"name": "x", "labels": {"a": "b"}}}
    holder(write("roles", changed, old=old, operation="UPDATE", user=alice, group=RBAC_GROUP))
    with pytest.raises(ApiError):
        holder(write("roles", role(ALL, GET_PODS), old=old, operation="UPDATE", user=alice, group=RBAC_GROUP))


def test_cluster_wide_rules_need_cluster_wide_rights(holder, alice):
    with pytest.raises(ApiError, match="not currently held"):
        holder(write("clusterroles", role(GET_PODS), user=alice, group=RBAC_GROUP, namespace=""))
    aggregated = role(aggregationRule={"clusterRoleSelectors": []})
    with pytest.raises(ApiError, match="must have cluster-admin privileges"):
        holder(write("clusterroles", aggregated, user=alice, group=RBAC_GROUP, namespace=""))


def test_escalate_and_bind_are_rights_of_their_own(objects, holder, alice):
    objects.role(
        "free",
        {"apiGroups": [RBAC_GROUP], "resources": ["roles"], "verbs": ["escalate", "bind"]},
        namespace="ns",
    )
    objects.bind("free", "User/alice", namespace="ns")
    objects.role("big", ALL, namespace="ns")
    objects.role("wide", ALL)
    holder(write("roles", role(ALL), user=alice, group=RBAC_GROUP))
    holder(write("rolebindings", binding("Role", "big"), user=alice, group=RBAC_GROUP))
    with pytest.raises(ApiError, match="not currently held"):
        holder(write("rolebindings", binding("ClusterRole", "wide"), user=alice, group=RBAC_GROUP))


def test_nobody_binds_a_role_that_holds_more_than_they_do(objects, holder, alice):
    objects.role("big", ALL, namespace="ns")
    holder(write("rolebindings", binding("Role", "r"), user=alice, group=RBAC_GROUP))
    with pytest.raises(ApiError, match="not currently held"):
        holder(write("rolebindings", binding("Role", "big"), user=alice, group=RBAC_GROUP))
    with pytest.raises(ApiError, match=r'roles\.rbac\.authorization\.k8s\.io "none" not found') as refused:
        holder(write("rolebindings", binding("Role", "none"), user=alice, group=RBAC_GROUP))
    assert refused.value.code == 404
    old = binding("Role", "big")
    holder(
        write(
            "rolebindings", binding("Role", "big"), old=old, operation="UPDATE", user=alice, group=RBAC_GROUP
        )
    )
    more = binding("Role", "big", {"kind": "User", "name": "bob"})
    with pytest.raises(ApiError):
        holder(write("rolebindings", more, old=old, operation="UPDATE", user=alice, group=RBAC_GROUP))
