"""What a policy says of skill packs, and what a policy that only watches would cut."""

from tests.unit.policy.make import effective, pack, policy

from sympozium.policy import judge_pack, watched
from sympozium.policy.packs import CUT_FIELDS

DELETE = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "delete"]}
HOST = {"hostAccess": {"enabled": True}, "rbac": [DELETE], "clusterRBAC": [DELETE]}
REGISTRY = {"imagePolicy": {"allowedRegistries": ["registry.k8s.io", "docker.io/acme"]}}


def test_a_pack_is_judged_by_image_access_and_rights() -> None:
    found = judge_pack(pack("a", **HOST), effective(**REGISTRY))
    assert [(v.field, v.rule, v.audit) for v in found] == [
        ("spec.sidecar.image", "p: imagePolicy.allowedRegistries", False),
        ("spec.sidecar.hostAccess", "p: sandboxPolicy.allowHostMounts", False),
        ("spec.sidecar.rbac", "p: rbacPolicy.allow", False),
        ("spec.sidecar.clusterRBAC", "p: rbacPolicy.allow", False),
    ]
    assert (
        found[0].message == "image ghcr.io/acme/skill:v1 is in no registry that policy p allows (imagePolicy)"
    )
    assert found[0].instead == "an image of registry.k8s.io, docker.io/acme"
    assert found[1].instead == "a skill pack without hostAccess"
    assert found[2].message.startswith(
        "a may not delete pods: policy p grants reads of what is not sensitive"
    )
    assert [v.field in CUT_FIELDS for v in found] == [False, False, True, True]


def test_a_pack_without_a_container_has_nothing_to_judge() -> None:
    assert judge_pack(pack("a"), effective(**REGISTRY)) == []


def test_every_layer_is_named() -> None:
    floor = policy("floor", **REGISTRY)
    found = judge_pack(pack("a", mountWorkspace=True), effective(floor=floor, **REGISTRY))
    assert [v.rule for v in found] == [
        "p: imagePolicy.allowedRegistries",
        "floor: imagePolicy.allowedRegistries",
    ]


def test_a_policy_that_watches_says_what_it_would_cut() -> None:
    watching = effective(enforcement="Audit", **REGISTRY)
    found = judge_pack(pack("a", **HOST), watching)
    assert len(found) == 4
    assert all(violation.audit for violation in found)
    beside = effective(enforcement="Audit", floor=policy("floor"), rbacPolicy={"deny": [DELETE]})
    rights = [v for v in judge_pack(pack("a", **HOST), beside) if v.field == "spec.sidecar.rbac"]
    assert [(v.message.split(":")[0], v.audit) for v in rights] == [
        ("a may not delete pods", False),
        ("a may not get pods", True),
    ]


def test_what_would_be_cut_is_said_in_words() -> None:
    watching = effective(
        enforcement="Audit",
        networkPolicy={
            "allowDNS": False,
            "allowEventBus": False,
            "allowedEgress": [{"host": "a.example", "port": 443}, {"host": "10.0.0.0/8"}],
        },
        sandboxPolicy={
            "required": True,
            "maxCPU": "2",
            "maxMemory": "1Gi",
            "defaultImage": "x",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        subagentPolicy={"maxConcurrent": 1},
        approvals={"timeout": "5m"},
    )
    assert watched.cuts(watching, {"a": pack("a", rbac=[DELETE])}) == [
        "networkPolicy: egress would be denied but to the model endpoint, a.example:443, 10.0.0.0/8; without name resolution and the event bus",
        "sandboxPolicy.maxCPU: a sandbox that sets no limit would have 2",
        "sandboxPolicy.maxMemory: a sandbox that sets no limit would have 1Gi",
        "sandboxPolicy.required: a run that mentions no sandbox would have one",
        "sandboxPolicy.defaultImage: a sandbox that names no image would have x",
        "sandboxPolicy.seccompProfile: every container would have RuntimeDefault",
        "subagentPolicy.maxConcurrent: policy p would let 1 child runs go at the same time",
        "approvals.timeout: a call would wait 5m for a person",
        "spec.sidecar.rbac: a may not delete pods: policy p grants reads of what is not sensitive, and names nothing more (rbacPolicy.allow)",
    ]


def test_what_binds_already_is_not_said_twice() -> None:
    rules = {"networkPolicy": {}, "sandboxPolicy": {"required": True, "maxCPU": "2"}}
    assert watched.cuts(effective(**rules), {"a": pack("a", rbac=[DELETE])}) == []
    assert watched.cuts(effective(enforcement="Audit", floor=policy("f", **rules), **rules), {}) == []
    dns = effective(enforcement="Audit", networkPolicy={})
    assert watched.cuts(dns, {}) == ["networkPolicy: egress would be denied but to the model endpoint"]
