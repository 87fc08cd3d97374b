"""Built-in kinds: decoding, defaults, what the server owns, what is refused."""

import pytest

from sympozium.localkube.builtin import BUILTIN
from sympozium.localkube.defaults.podspec import pull_policy
from sympozium.localkube.schema.kinds import builtin_type
from unit.localkube_semantics.schemas import copy, created, kind, told, updated

CONFIG = kind("", "v1", "ConfigMap")
SECRET = kind("", "v1", "Secret")
RBAC = "rbac.authorization.k8s.io"
ADMISSION = "admissionregistration.k8s.io"


def named(**more):
    return {"metadata": {"name": "x", "namespace": "n"}, **more}


def wrong(info, obj, old=None):
    return told(info.validate(created(info, obj) if old is None else updated(info, obj, old), old))


def test_every_served_kind_has_a_schema():
    missing = [r.kind for r in BUILTIN if builtin_type(r.group, r.version, r.kind, namespaced=True) is None]
    assert missing == []


@pytest.mark.parametrize(
    ("obj", "text"),
    [
        (
            {"data": 5},
            "json: cannot unmarshal number into Go struct field ConfigMap.data of type map[string]string",
        ),
        (
            {"data": {"a": 5}},
            "json: cannot unmarshal number into Go struct field ConfigMap.data of type string",
        ),
        (
            {"data": {"a": {}}},
            "json: cannot unmarshal object into Go struct field ConfigMap.data of type string",
        ),
        (
            {"immutable": "x"},
            "json: cannot unmarshal string into Go struct field ConfigMap.immutable of type bool",
        ),
        (
            {"metadata": {"labels": []}},
            "json: cannot unmarshal array into Go struct field ObjectMeta.metadata.labels of type map[string]string",
        ),
        ({"binaryData": {"a": "%%"}}, "illegal base64 data at input byte 0"),
        (
            {"metadata": {"creationTimestamp": "now"}},
            'parsing time "now" as "2006-01-02T15:04:05Z07:00": cannot parse "now" as "2006"',
        ),
    ],
)
def test_wrong_types_are_told_as_go_tells_them(obj, text):
    assert CONFIG.type_errors(obj) == [text]


def test_wrong_types_deep_in_a_pod():
    pod = kind("", "v1", "Pod")
    assert pod.type_errors({"spec": {"containers": {}}}) == [
        "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container"
    ]
    assert pod.type_errors({"spec": {"containers": [{"ports": [{"containerPort": "80"}]}]}}) == [
        "json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32"
    ]
    assert pod.type_errors({"spec": {"containers": [{"resources": {"limits": {"cpu": "lots"}}}]}})[
        0
    ].startswith("quantities must match")
    assert pod.type_errors({"spec": {"terminationGracePeriodSeconds": 2**63}}) != []
    probe = {"httpGet": {"port": "http"}}
    assert (
        pod.type_errors(
            {"spec": {"containers": [{"livenessProbe": probe, "resources": {"limits": {"cpu": 1.5}}}]}}
        )
        == []
    )


def test_nulls_empty_lists_and_unknown_fields_go_and_structs_stay():
    pod = kind("", "v1", "Pod")
    obj = named(
        spec={
            "containers": [{"name": "a", "env": [], "command": None, "bogus": 1}],
            "volumes": [{"name": "v", "emptyDir": {}}],
            "nodeSelector": {},
        },
        status={},
    )
    obj["metadata"]["creationTimestamp"] = None
    assert pod.unknown_fields(obj) == ["spec.containers[0].bogus"]
    pruned = pod.prune(obj)
    assert pruned["spec"] == {
        "volumes": [{"name": "v", "emptyDir": {}}],
        "containers": [{"name": "a", "resources": {}}],
    }
    assert list(pruned) == ["metadata", "spec", "status"]
    assert list(pruned["spec"]) == ["volumes", "containers"], "in the order of the Go struct"
    assert pruned["metadata"] == {"name": "x", "namespace": "n"}
    policy = kind("networking.k8s.io", "v1", "NetworkPolicy").prune(
        named(spec={"podSelector": {}, "ingress": [{}]})
    )
    assert policy["spec"] == {"podSelector": {}, "ingress": [{}]}


def test_json_in_a_schema_is_left_alone():
    info = kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
    schema = {
        "type": "object",
        "properties": {"a": {"type": "object", "default": {"x": None, "l": []}, "enum": [None, {}]}},
    }
    obj = {
        "metadata": {"name": "x"},
        "spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]},
    }
    assert info.unknown_fields(obj) == []
    assert info.prune(copy(obj))["spec"]["versions"][0]["schema"]["openAPIV3Schema"] == schema


# Secrets and ConfigMaps


def test_string_data_is_encoded_and_not_kept():
    made = created(SECRET, named(stringData={"k": "v"}, data={"k": "eA==", "o": "eA=="}))
    assert (made["data"], made["type"]) == ({"k": "dg==", "o": "eA=="}, "Opaque")
    assert "stringData" not in made


def test_the_type_of_a_secret_is_immutable_and_needs_its_keys():
    old = created(SECRET, named(stringData={"k": "v"}))
    assert wrong(SECRET, {**old, "type": "x/y"}, old) == ['type: Invalid value: "x/y": field is immutable']
    assert wrong(SECRET, named(type="kubernetes.io/tls", stringData={"tls.crt": "x"})) == [
        "data[tls.key]: Required value"
    ]
    assert (
        wrong(SECRET, named(type="kubernetes.io/dockerconfigjson", stringData={".dockerconfigjson": "x"}))
        != []
    )
    assert (
        wrong(SECRET, named(type="kubernetes.io/dockerconfigjson", stringData={".dockerconfigjson": "{}"}))
        == []
    )


@pytest.mark.parametrize(("info", "value"), [(CONFIG, "2"), (SECRET, "Mg==")])
def test_what_is_immutable_stays(info, value):
    old = created(info, named(data={"a": "MQ=="}, immutable=True))
    text = "Forbidden: field is immutable when `immutable` is set"
    assert wrong(info, {**old, "data": {"a": value}}, old) == [f"data: {text}"]
    assert wrong(info, {**old, "immutable": False}, old) == [f"immutable: {text}"]
    relabelled = copy(old)
    relabelled["metadata"]["labels"] = {"a": "b"}
    assert wrong(info, relabelled, old) == []


def test_keys_and_sizes():
    assert wrong(CONFIG, named(data={"a b": "x"}))[0].startswith(
        'data[a b]: Invalid value: "a b": a valid config key'
    )
    assert wrong(CONFIG, named(data={"a": "x"}, binaryData={"a": "eA=="})) == [
        'data[a]: Invalid value: "a": duplicate of key present in binaryData'
    ]
    assert len(wrong(CONFIG, named(data={"a": "x" * (1024 * 1024 + 1)}))) == 1
    assert wrong(CONFIG, named(data={"a": "x" * 1024 * 1024})) == []


# Namespaces, RBAC and the rest


def test_a_namespace_is_active_and_keeps_its_finalizer():
    info = kind("", "v1", "Namespace")
    made = created(info, {"metadata": {"name": "x"}, "status": {"phase": "Terminating"}})
    assert made["status"] == {"phase": "Active"}
    assert made["spec"] == {"finalizers": ["kubernetes"]}
    assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": "x"}
    assert updated(info, {**copy(made), "spec": {}, "status": {}}, made) == made


def test_roles_and_bindings():
    role, cluster_role, binding = (
        kind(RBAC, "v1", "Role"),
        kind(RBAC, "v1", "ClusterRole"),
        kind(RBAC, "v1", "RoleBinding"),
    )
    urls = {"nonResourceURLs": ["/x"], "verbs": ["get"]}
    assert wrong(role, named(rules=[urls])) == [
        'rules[0].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs'
    ]
    assert wrong(cluster_role, named(rules=[urls])) == []
    assert wrong(role, named(rules=[{"apiGroups": [""], "resources": ["pods"]}])) == [
        "rules[0].verbs: Required value: verbs must contain at least one value"
    ]
    made = created(
        binding,
        named(
            roleRef={"kind": "Role", "name": "r"},
            subjects=[
                {"kind": "User", "name": "u"},
                {"kind": "ServiceAccount", "name": "s", "namespace": "n", "apiGroup": ""},
            ],
        ),
    )
    assert made["roleRef"]["apiGroup"] == RBAC
    assert made["subjects"] == [
        {"kind": "User", "name": "u", "apiGroup": RBAC},
        {"kind": "ServiceAccount", "name": "s", "namespace": "n"},
    ]
    assert binding.validate(made, None) == []
    changed = copy(made)
    changed["roleRef"]["name"] = "other"
    assert wrong(binding, changed, made)[0].endswith("cannot change roleRef")
    assert wrong(
        binding,
        named(roleRef={"kind": "Thing", "name": "r"}, subjects=[{"kind": "ServiceAccount", "name": "s"}]),
    ) == ['roleRef.kind: Unsupported value: "Thing": supported values: "Role", "ClusterRole"']
    assert wrong(binding, named()) == [
        'roleRef.kind: Unsupported value: "": supported values: "Role", "ClusterRole"',
        "roleRef.name: Required value",
    ]


def test_webhook_configurations():
    info = kind(ADMISSION, "v1", "MutatingWebhookConfiguration")
    hook = {
        "name": "a.b.c",
        "clientConfig": {"url": "https://127.0.0.1:1/x"},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "rules": [
            {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
        ],
    }
    made = created(info, named(webhooks=[hook]))["webhooks"][0]
    assert (
        made["failurePolicy"],
        made["matchPolicy"],
        made["timeoutSeconds"],
        made["reinvocationPolicy"],
    ) == ("Fail", "Equivalent", 10, "Never")
    assert (made["namespaceSelector"], made["objectSelector"], made["rules"][0]["scope"]) == ({}, {}, "*")
    assert wrong(info, named(webhooks=[hook])) == []
    for change, field in (
        ({"name": "short"}, "name"),
        ({"sideEffects": "Some"}, "sideEffects"),
        ({"sideEffects": None}, "sideEffects"),
        ({"admissionReviewVersions": ["v7"]}, "admissionReviewVersions"),
        ({"clientConfig": {"url": "http://x/"}}, "clientConfig.url"),
        ({"clientConfig": {}}, "clientConfig"),
        ({"timeoutSeconds": 31}, "timeoutSeconds"),
        ({"failurePolicy": "Shrug"}, "failurePolicy"),
    ):
        found = wrong(info, named(webhooks=[{**hook, **change}]))
        assert [text.partition(":")[0] for text in found] == [f"webhooks[0].{field}"], change


def test_services():
    info = kind("", "v1", "Service")
    made = created(info, named(spec={"ports": [{"port": 80}]}))
    assert made["spec"]["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert (made["spec"]["type"], made["spec"]["sessionAffinity"]) == ("ClusterIP", "None")
    assert made["status"] == {"loadBalancer": {}}
    assert wrong(info, named(spec={})) == ["spec.ports: Required value"]
    assert wrong(info, named(spec={"clusterIP": "None"})) == []
    assert wrong(info, named(spec={"ports": [{"port": 80}, {"port": 81}]})) == [
        "spec.ports[0].name: Required value",
        "spec.ports[1].name: Required value",
    ]


def test_network_policies():
    info = kind("networking.k8s.io", "v1", "NetworkPolicy")
    made = created(info, named(spec={"podSelector": {}, "egress": [{"ports": [{"port": 53}]}]}))
    assert made["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert made["spec"]["egress"][0]["ports"] == [{"port": 53, "protocol": "TCP"}]
    bad = {
        "podSelector": {},
        "egress": [
            {
                "to": [
                    {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/9"]}},
                    {},
                    {"ipBlock": {"cidr": "x"}},
                ]
            }
        ],
    }
    assert [text.partition(":")[0] for text in wrong(info, named(spec=bad))] == [
        "spec.egress[0].to[0].ipBlock.except[0]",
        "spec.egress[0].to[1]",
        "spec.egress[0].to[2].ipBlock.cidr",
    ]


def test_leases_events_and_priority_classes():
    lease = kind("coordination.k8s.io", "v1", "Lease")
    assert wrong(lease, named(spec={"leaseDurationSeconds": 0})) == [
        "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"
    ]
    event = kind("", "v1", "Event")
    assert wrong(event, named(involvedObject={"namespace": "other"}))[0].endswith(
        "does not match event.namespace"
    )
    assert wrong(event, named(involvedObject={"namespace": "n"})) == []
    priority = kind("scheduling.k8s.io", "v1", "PriorityClass")
    old = created(priority, {"metadata": {"name": "x"}, "value": 5})
    assert wrong(priority, {**old, "value": 6}, old) == ["value: Forbidden: may not be changed in an update."]


def test_deployments():
    info = kind("apps", "v1", "Deployment")
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    old = created(info, named(spec={"selector": {"matchLabels": {"a": "b"}}, "template": template}))
    spec = old["spec"]
    assert (spec["replicas"], spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (1, 10, 600)
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
    }
    assert (old["metadata"]["generation"], old["status"]) == (1, {})
    new = copy(old)
    new["spec"]["replicas"] = 3
    assert updated(info, new, old)["metadata"]["generation"] == 2
    new["spec"]["selector"] = {"matchLabels": {"a": "c"}}
    assert [text.partition(":")[0] for text in wrong(info, new, old)] == [
        "spec.template.metadata.labels",
        "spec.selector",
    ]
    assert wrong(info, named(spec={"template": template}))[0] == "spec.selector: Required value"


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("busybox", "Always"),
        ("busybox:latest", "Always"),
        ("busybox:1.36", "IfNotPresent"),
        ("localhost:5000/busybox", "Always"),
        ("localhost:5000/busybox:1", "IfNotPresent"),
        ("busybox@sha256:abc", "IfNotPresent"),
    ],
)
def test_the_pull_policy_follows_the_tag(image, policy):
    assert pull_policy(image) == policy


def test_the_status_is_apart_exactly_where_it_is_a_subresource():
    differing = [
        r.kind
        for r in BUILTIN
        if "update" in r.verbs
        and r.storage_group is None
        and kind(r.group, r.version, r.kind).status_subresource != (r.subresource("status") is not None)
    ]
    assert differing == []


def test_labels_through_a_status_write_stay_for_nodes_and_go_for_deployments():
    node = kind("", "v1", "Node")
    old = created(node, {"metadata": {"name": "n"}})
    sent = copy(old)
    sent["metadata"]["labels"] = {"a": "b"}
    assert updated(node, sent, old, "status")["metadata"]["labels"] == {"a": "b"}
    claim = kind("", "v1", "PersistentVolumeClaim")
    old = created(
        claim, named(spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}})
    )
    assert claim.validate(old, None) == []
    sent = copy(old)
    sent["metadata"]["labels"] = {"a": "b"}
    assert "labels" not in updated(claim, sent, old, "status")["metadata"]
    assert wrong(claim, named(spec={})) == [
        "spec.accessModes: Required value: at least 1 access mode is required",
        "spec.resources[storage]: Required value",
    ]
