"""The built-in resources (KUBE-API.md 1.3), as data.

Ingresses and the like are stored and validated, but no controller acts on them on one machine.
"""

from typing import Any

from sympozium.localkube.resources import FULL, Resource, ScalePaths, Subresource

STATUS = "status"
SCALE = ScalePaths(spec="spec.replicas", status="status.replicas", selector="spec.selector")
RBAC = "rbac.authorization.k8s.io"
REVIEW = ("create",)


def _resource(group_version: str, plural: str, kind: str, **more: Any) -> Resource:
    group, _, version = group_version.rpartition("/")
    subs: list[Subresource] = []
    for sub in more.pop("subs", ()):
        if sub == STATUS:
            subs.append(Subresource(name=STATUS, kind=kind))
        elif sub == "scale":
            subs.append(Subresource(name="scale", kind="Scale", group="autoscaling", version="v1"))
            more["scale"] = SCALE
        else:
            subs.append(sub)
    more.setdefault("namespaced", True)
    more.setdefault("singular", kind.lower())
    more.setdefault("list_kind", kind + "List")
    more.setdefault("storage_version", version)
    return Resource(group=group, version=version, plural=plural, kind=kind, subresources=tuple(subs), **more)


def _create_only(name: str, kind: str, group: str | None = None, version: str | None = None) -> Subresource:
    return Subresource(name=name, kind=kind, verbs=("create",), group=group, version=version)


POD_SUBS = (
    STATUS,
    Subresource(name="log", kind="Pod", verbs=("get",)),
    Subresource(name="attach", kind="PodAttachOptions", verbs=("create", "get")),
    Subresource(name="exec", kind="PodExecOptions", verbs=("create", "get")),
    Subresource(name="portforward", kind="PodPortForwardOptions", verbs=("create", "get")),
    _create_only("binding", "Binding"),
    _create_only("eviction", "Eviction", "policy", "v1"),
)
POD_FIELDS = (
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.podIPs",
    "status.nominatedNodeName",
)
EVENT_FIELDS = (
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
)

CORE = (
    _resource("v1", "bindings", "Binding", verbs=REVIEW),
    _resource("v1", "configmaps", "ConfigMap", short_names=("cm",)),
    _resource(
        "v1",
        "endpoints",
        "Endpoints",
        short_names=("ep",),
        create_on_update=True,
        deprecation="v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
    ),
    _resource("v1", "events", "Event", short_names=("ev",), selectable=EVENT_FIELDS, create_on_update=True),
    _resource("v1", "limitranges", "LimitRange", short_names=("limits",), create_on_update=True),
    _resource(
        "v1",
        "namespaces",
        "Namespace",
        namespaced=False,
        short_names=("ns",),
        subs=(STATUS, Subresource(name="finalize", kind="Namespace", verbs=("update",))),
        verbs=tuple(verb for verb in FULL if verb != "deletecollection"),
        name_rule="label",
        selectable=("status.phase",),
    ),
    _resource(
        "v1",
        "nodes",
        "Node",
        namespaced=False,
        short_names=("no",),
        subs=(STATUS,),
        selectable=("spec.unschedulable",),
    ),
    _resource("v1", "persistentvolumeclaims", "PersistentVolumeClaim", short_names=("pvc",), subs=(STATUS,)),
    _resource(
        "v1",
        "persistentvolumes",
        "PersistentVolume",
        namespaced=False,
        short_names=("pv",),
        subs=(STATUS,),
    ),
    _resource(
        "v1", "pods", "Pod", short_names=("po",), categories=("all",), subs=POD_SUBS, selectable=POD_FIELDS
    ),
    _resource("v1", "podtemplates", "PodTemplate"),
    _resource(
        "v1",
        "replicationcontrollers",
        "ReplicationController",
        short_names=("rc",),
        categories=("all",),
        subs=(STATUS, "scale"),
        selectable=("status.replicas",),
    ),
    _resource("v1", "resourcequotas", "ResourceQuota", short_names=("quota",), subs=(STATUS,)),
    _resource("v1", "secrets", "Secret", selectable=("type",)),
    _resource(
        "v1",
        "serviceaccounts",
        "ServiceAccount",
        short_names=("sa",),
        subs=(_create_only("token", "TokenRequest", "authentication.k8s.io", "v1"),),
    ),
    _resource(
        "v1",
        "services",
        "Service",
        short_names=("svc",),
        categories=("all",),
        subs=(STATUS,),
        name_rule="label1035",
        selectable=("spec.clusterIP", "spec.type"),
        create_on_update=True,
    ),
)

NAMED = (
    _resource(
        "admissionregistration.k8s.io/v1",
        "mutatingadmissionpolicies",
        "MutatingAdmissionPolicy",
        namespaced=False,
        categories=("api-extensions",),
    ),
    _resource(
        "admissionregistration.k8s.io/v1",
        "mutatingadmissionpolicybindings",
        "MutatingAdmissionPolicyBinding",
        namespaced=False,
        categories=("api-extensions",),
    ),
    _resource(
        "admissionregistration.k8s.io/v1",
        "validatingadmissionpolicies",
        "ValidatingAdmissionPolicy",
        namespaced=False,
        categories=("api-extensions",),
        subs=(STATUS,),
    ),
    _resource(
        "admissionregistration.k8s.io/v1",
        "validatingadmissionpolicybindings",
        "ValidatingAdmissionPolicyBinding",
        namespaced=False,
        categories=("api-extensions",),
    ),
    _resource(
        "admissionregistration.k8s.io/v1",
        "mutatingwebhookconfigurations",
        "MutatingWebhookConfiguration",
        namespaced=False,
        categories=("api-extensions",),
    ),
    _resource(
        "admissionregistration.k8s.io/v1",
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
        namespaced=False,
        categories=("api-extensions",),
    ),
    _resource(
        "apiextensions.k8s.io/v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        namespaced=False,
        short_names=("crd", "crds"),
        categories=("api-extensions",),
        subs=(STATUS,),
        unconditional_update=False,
    ),
    _resource("apps/v1", "controllerrevisions", "ControllerRevision"),
    _resource("apps/v1", "daemonsets", "DaemonSet", short_names=("ds",), categories=("all",), subs=(STATUS,)),
    _resource(
        "apps/v1",
        "deployments",
        "Deployment",
        short_names=("deploy",),
        categories=("all",),
        subs=(STATUS, "scale"),
    ),
    _resource(
        "apps/v1",
        "replicasets",
        "ReplicaSet",
        short_names=("rs",),
        categories=("all",),
        subs=(STATUS, "scale"),
    ),
    _resource(
        "apps/v1",
        "statefulsets",
        "StatefulSet",
        short_names=("sts",),
        name_rule="label",
        categories=("all",),
        subs=(STATUS, "scale"),
    ),
    _resource(
        "authentication.k8s.io/v1", "selfsubjectreviews", "SelfSubjectReview", namespaced=False, verbs=REVIEW
    ),
    _resource("authentication.k8s.io/v1", "tokenreviews", "TokenReview", namespaced=False, verbs=REVIEW),
    _resource(
        "authorization.k8s.io/v1", "localsubjectaccessreviews", "LocalSubjectAccessReview", verbs=REVIEW
    ),
    _resource(
        "authorization.k8s.io/v1",
        "selfsubjectaccessreviews",
        "SelfSubjectAccessReview",
        namespaced=False,
        verbs=REVIEW,
    ),
    _resource(
        "authorization.k8s.io/v1",
        "selfsubjectrulesreviews",
        "SelfSubjectRulesReview",
        namespaced=False,
        verbs=REVIEW,
    ),
    _resource(
        "authorization.k8s.io/v1",
        "subjectaccessreviews",
        "SubjectAccessReview",
        namespaced=False,
        verbs=REVIEW,
    ),
    _resource("batch/v1", "cronjobs", "CronJob", short_names=("cj",), categories=("all",), subs=(STATUS,)),
    _resource(
        "batch/v1", "jobs", "Job", categories=("all",), subs=(STATUS,), selectable=("status.successful",)
    ),
    _resource("coordination.k8s.io/v1", "leases", "Lease", create_on_update=True, unconditional_update=False),
    _resource("discovery.k8s.io/v1", "endpointslices", "EndpointSlice"),
    _resource(
        "events.k8s.io/v1",
        "events",
        "Event",
        short_names=("ev",),
        storage_group="",
        create_on_update=True,
        selectable=(
            "regarding.kind",
            "regarding.namespace",
            "regarding.name",
            "regarding.uid",
            "reason",
            "reportingController",
            "type",
        ),
    ),
    _resource("networking.k8s.io/v1", "ingresses", "Ingress", short_names=("ing",), subs=(STATUS,)),
    _resource("networking.k8s.io/v1", "networkpolicies", "NetworkPolicy", short_names=("netpol",)),
    _resource("node.k8s.io/v1", "runtimeclasses", "RuntimeClass", namespaced=False),
    _resource(
        "policy/v1", "poddisruptionbudgets", "PodDisruptionBudget", short_names=("pdb",), subs=(STATUS,)
    ),
    _resource(
        f"{RBAC}/v1",
        "clusterrolebindings",
        "ClusterRoleBinding",
        namespaced=False,
        name_rule="path",
        create_on_update=True,
    ),
    _resource(
        f"{RBAC}/v1", "clusterroles", "ClusterRole", namespaced=False, name_rule="path", create_on_update=True
    ),
    _resource(f"{RBAC}/v1", "rolebindings", "RoleBinding", name_rule="path", create_on_update=True),
    _resource(f"{RBAC}/v1", "roles", "Role", name_rule="path", create_on_update=True),
    _resource(
        "scheduling.k8s.io/v1",
        "priorityclasses",
        "PriorityClass",
        namespaced=False,
        short_names=("pc",),
    ),
    _resource("storage.k8s.io/v1", "storageclasses", "StorageClass", namespaced=False, short_names=("sc",)),
)

BUILTIN: tuple[Resource, ...] = CORE + NAMED
