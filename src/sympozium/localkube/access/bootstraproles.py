"""The default roles as data.

The names and what they are for are those of
https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings, with the
resources of a cluster, whether localkube serves them or not. `subjects` become a binding of the same name. admin, edit and view are
aggregated, so a CRD's author extends them by a label.
"""

from collections.abc import Iterator

from sympozium.localkube.types import Object

READ = ("get", "list", "watch")
WRITE = ("create", "delete", "deletecollection", "patch", "update")
ALL = "*"
RBAC = "rbac.authorization.k8s.io"
AGGREGATE = f"{RBAC}/aggregate-to-"
DISCOVERY = ("/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", "/version", "/version/")
HEALTH = ("/healthz", "/livez", "/readyz", "/version", "/version/")


def rule(verbs: tuple[str, ...], groups: str, resources: str, names: tuple[str, ...] = ()) -> Object:
    """A PolicyRule; `groups` and `resources` are separated by spaces, `core` is the core group."""
    out: Object = {
        "verbs": list(verbs),
        "apiGroups": ["" if group == "core" else group for group in groups.split()],
        "resources": resources.split(),
    }
    return out | {"resourceNames": list(names)} if names else out


def role(
    name: str, *rules: Object, subjects: tuple[str, ...] = (), labels: dict[str, str] | None = None
) -> Object:
    return {
        "metadata": {"name": name, "labels": labels or {}},
        "rules": list(rules),
        "subjects": subjects,
    }


def aggregated(name: str, *selected: str, labels: dict[str, str] | None = None) -> Object:
    selectors = [{"matchLabels": {AGGREGATE + part: "true"}} for part in selected]
    return role(name, labels=labels) | {"aggregationRule": {"clusterRoleSelectors": selectors}}


def to(*targets: str) -> dict[str, str]:
    return {AGGREGATE + target: "true" for target in targets}


EVENTS = rule(("get", "create", "patch", "update"), "core events.k8s.io", "events")
CHANGED = (
    "configmaps persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets serviceaccounts"
    " services services/proxy"
)
POD_WAYS = "pods/attach pods/exec pods/portforward pods/proxy"
APPS = (
    "daemonsets deployments deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale"
)
LEGACY = "daemonsets deployments deployments/scale ingresses networkpolicies replicasets replicasets/scale"
"""The extensions group is gone, and its rules are still in the roles: people compare them."""


def cluster_roles() -> Iterator[Object]:
    """Every ClusterRole, with the subjects of its binding."""
    yield from _basics()
    yield from _people()
    yield from _parts()
    for name, rules in controllers().items():
        subject = f"ServiceAccount/kube-system/{name}"
        yield role(f"system:controller:{name}", *rules, subjects=(subject,))


def _basics() -> Iterator[Object]:
    both = ("Group/system:authenticated", "Group/system:unauthenticated")
    known = ("Group/system:authenticated",)
    yield role(
        "cluster-admin",
        rule((ALL,), ALL, ALL),
        {"verbs": [ALL], "nonResourceURLs": [ALL]},
        subjects=("Group/system:masters",),
    )
    yield role(
        "system:basic-user",
        rule(("create",), "authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews"),
        rule(("create",), "authentication.k8s.io", "selfsubjectreviews"),
        subjects=known,
    )
    yield role(
        "system:discovery", {"verbs": ["get"], "nonResourceURLs": [*DISCOVERY, *HEALTH[:3]]}, subjects=known
    )
    yield role(
        "system:public-info-viewer", {"verbs": ["get"], "nonResourceURLs": list(HEALTH)}, subjects=both
    )
    yield role(
        "system:monitoring",
        {"verbs": ["get"], "nonResourceURLs": ["/healthz", "/healthz/*", "/livez", "/livez/*", "/readyz", "/readyz/*", "/metrics", "/metrics/slis", "/flagz", "/statusz"]},
        rule(("get",), "core", "nodes/metrics"),
        subjects=("Group/system:monitoring",),
    )  # fmt: skip
    yield role(
        "system:auth-delegator",
        rule(("create",), "authentication.k8s.io", "tokenreviews"),
        rule(("create",), "authorization.k8s.io", "subjectaccessreviews"),
    )


def _people() -> Iterator[Object]:
    yield aggregated("admin", "admin")
    yield aggregated("edit", "edit", labels=to("admin"))
    yield aggregated("view", "view", labels=to("edit"))
    yield _viewing()
    yield _editing()
    yield role(
        "system:aggregate-to-admin",
        rule(("create",), "authorization.k8s.io", "localsubjectaccessreviews"),
        rule((*READ, *WRITE), RBAC, "roles rolebindings"),
        labels=to("admin"),
    )


def _viewing() -> Object:
    return role(
        "system:aggregate-to-view",
        rule(
            READ,
            "core",
            "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers"
            " replicationcontrollers/scale serviceaccounts services services/status",
        ),
        rule(
            READ,
            "core",
            "bindings limitranges namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas"
            " resourcequotas/status",
        ),
        rule(READ, "core", "namespaces"),
        rule(READ, "core events.k8s.io", "events"),
        rule(READ, "discovery.k8s.io", "endpointslices"),
        rule(
            READ,
            "apps",
            "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status"
            " replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status",
        ),
        rule(READ, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"),
        rule(READ, "batch", "cronjobs cronjobs/status jobs jobs/status"),
        rule(
            READ,
            "extensions",
            "daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses ingresses/status"
            " networkpolicies replicasets replicasets/scale replicasets/status replicationcontrollers/scale",
        ),
        rule(READ, "policy", "poddisruptionbudgets poddisruptionbudgets/status"),
        rule(READ, "networking.k8s.io", "ingresses ingresses/status networkpolicies"),
        rule(READ, "resource.k8s.io", "resourceclaims resourceclaims/status resourceclaimtemplates"),
        labels=to("view"),
    )


def _editing() -> Object:
    return role(
        "system:aggregate-to-edit",
        rule(READ, "core", f"{POD_WAYS} secrets services/proxy"),
        rule(("impersonate",), "core", "serviceaccounts"),
        rule(WRITE, "core", f"pods {POD_WAYS}"),
        rule(("create",), "core", "pods/eviction"),
        rule(WRITE, "core", CHANGED),
        rule(("create",), "core", "serviceaccounts/token"),
        rule(WRITE, "core events.k8s.io", "events"),
        rule(WRITE, "apps", f"{APPS} deployments/rollback"),
        rule(WRITE, "autoscaling", "horizontalpodautoscalers"),
        rule(WRITE, "batch", "cronjobs jobs"),
        rule(WRITE, "extensions", f"{LEGACY} deployments/rollback replicationcontrollers/scale"),
        rule(WRITE, "policy", "poddisruptionbudgets"),
        rule(WRITE, "networking.k8s.io", "ingresses networkpolicies"),
        rule((*READ, *WRITE), "coordination.k8s.io", "leases"),
        rule(WRITE, "resource.k8s.io", "resourceclaims resourceclaimtemplates"),
        labels=to("edit"),
    )


def _parts() -> Iterator[Object]:
    """The parts of a cluster. Nodes are the node authorizer's; this role says what they may."""
    yield role(
        "system:node",
        rule(("create",), "authentication.k8s.io", "tokenreviews"),
        rule(("create",), "authorization.k8s.io", "subjectaccessreviews localsubjectaccessreviews"),
        rule(READ, "core", "services pods nodes secrets configmaps"),
        rule(("get",), "core", "endpoints persistentvolumeclaims persistentvolumes serviceaccounts"),
        rule(READ, "node.k8s.io", "runtimeclasses"),
        rule(("create", "patch", "update"), "core", "nodes"),
        rule(("patch", "update"), "core", "nodes/status pods/status"),
        rule(("create", "delete"), "core", "pods"),
        rule(("create",), "core", "pods/eviction serviceaccounts/token"),
        rule(("create", "delete", "get", "patch", "update"), "coordination.k8s.io", "leases"),
        EVENTS,
    )
    yield role(
        "system:kube-scheduler",
        rule(READ, "core", "nodes namespaces services replicationcontrollers persistentvolumes"),
        rule((*READ, "update", "patch"), "core", "persistentvolumeclaims"),
        rule(READ, "apps", "replicasets statefulsets"),
        rule(READ, "policy", "poddisruptionbudgets"),
        rule(READ, "storage.k8s.io", "storageclasses"),
        rule(("get", "list", "watch", "delete"), "core", "pods"),
        rule(("create",), "core", "bindings pods/binding"),
        rule(("patch", "update"), "core", "pods/status"),
        EVENTS,
        subjects=("User/system:kube-scheduler",),
    )
    yield role(
        "system:kube-controller-manager",
        rule(("list", "watch"), ALL, ALL),
        subjects=("User/system:kube-controller-manager",),
    )


def controllers() -> dict[str, tuple[Object, ...]]:
    """Rules of the built-in controllers, by ServiceAccount of kube-system."""
    return {
        "generic-garbage-collector": (rule((*READ, "delete", "patch", "update"), ALL, ALL),),
        "namespace-controller": (
            rule(("get", "list", "watch", "delete"), "core", "namespaces"),
            rule(("patch", "update"), "core", "namespaces/finalize namespaces/status"),
            rule(("get", "list", "watch", "delete", "deletecollection"), ALL, ALL),
        ),
        "service-account-controller": (
            rule(READ, "core", "namespaces"),
            rule((*READ, "create"), "core", "serviceaccounts"),
        ),
        "root-ca-cert-publisher": (
            rule(READ, "core", "namespaces"),
            rule((*READ, "create", "update"), "core", "configmaps"),
        ),
        "job-controller": (
            rule((*READ, "patch", "update"), "batch", "jobs"),
            rule(("patch", "update"), "batch", "jobs/status jobs/finalizers"),
            rule((*READ, "create", "delete", "patch"), "core", "pods"),
            EVENTS,
        ),
        "deployment-controller": (
            rule((*READ, "update", "patch"), "apps", "deployments"),
            rule(("update", "patch"), "apps", "deployments/status deployments/finalizers"),
            rule((*READ, "create", "update", "patch", "delete"), "apps", "replicasets"),
            rule(READ, "core", "pods"),
            EVENTS,
        ),
        "replicaset-controller": (
            rule(READ, "apps", "replicasets"),
            rule(("update", "patch"), "apps", "replicasets/status replicasets/finalizers"),
            rule((*READ, "create", "delete", "patch"), "core", "pods"),
            EVENTS,
        ),
        "replication-controller": (
            rule(READ, "core", "replicationcontrollers"),
            rule(
                ("update", "patch"), "core", "replicationcontrollers/status replicationcontrollers/finalizers"
            ),
            rule((*READ, "create", "delete", "patch"), "core", "pods"),
            EVENTS,
        ),
        "statefulset-controller": (
            rule(READ, "apps", "statefulsets"),
            rule(("update", "patch"), "apps", "statefulsets/status statefulsets/finalizers"),
            rule((*READ, "create", "delete", "patch", "update"), "core", "pods"),
            rule((*READ, "create", "delete", "patch", "update"), "apps", "controllerrevisions"),
            rule((*READ, "create", "delete", "patch", "update"), "core", "persistentvolumeclaims"),
            EVENTS,
        ),
        "daemon-set-controller": (
            rule(READ, "apps", "daemonsets"),
            rule(("update", "patch"), "apps", "daemonsets/status daemonsets/finalizers"),
            rule(READ, "core", "nodes"),
            rule((*READ, "create", "delete", "patch"), "core", "pods"),
            rule((*READ, "create", "delete", "patch", "update"), "apps", "controllerrevisions"),
            EVENTS,
        ),
        "cronjob-controller": (
            rule((*READ, "update", "patch"), "batch", "cronjobs"),
            rule(("update", "patch"), "batch", "cronjobs/status cronjobs/finalizers"),
            rule((*READ, "create", "update", "delete", "patch"), "batch", "jobs"),
            EVENTS,
        ),
        "disruption-controller": (
            rule(READ, "policy", "poddisruptionbudgets"),
            rule(("update", "patch"), "policy", "poddisruptionbudgets/status"),
            rule(("get",), ALL, "*/scale"),
            rule(READ, "apps", "deployments replicasets statefulsets"),
            rule(READ, "core", "pods replicationcontrollers"),
            rule(("update", "patch"), "core", "pods/status"),
            EVENTS,
        ),
        "endpoint-controller": (
            rule(READ, "core", "services pods"),
            rule((*READ, "create", "delete", "update"), "core", "endpoints"),
            rule(("create",), "core", "endpoints/restricted"),
            EVENTS,
        ),
        "endpointslice-controller": (
            rule(READ, "core", "services pods nodes"),
            rule(("update",), "core", "services/finalizers"),
            rule((*READ, "create", "delete", "update"), "discovery.k8s.io", "endpointslices"),
            EVENTS,
        ),
        "endpointslicemirroring-controller": (
            rule(READ, "core", "services endpoints"),
            rule(("update",), "core", "services/finalizers endpoints/finalizers"),
            rule((*READ, "create", "delete", "update"), "discovery.k8s.io", "endpointslices"),
            EVENTS,
        ),
        "persistent-volume-binder": (
            rule((*READ, "create", "update", "delete", "patch"), "core", "persistentvolumes"),
            rule(("update", "patch"), "core", "persistentvolumes/status persistentvolumeclaims/status"),
            rule((*READ, "update", "patch"), "core", "persistentvolumeclaims"),
            rule(READ, "storage.k8s.io", "storageclasses"),
            rule(READ, "core", "pods nodes"),
            EVENTS,
        ),
        "ttl-after-finished-controller": (rule((*READ, "delete"), "batch", "jobs"), EVENTS),
        "node-controller": (
            rule((*READ, "patch", "update"), "core", "nodes"),
            rule(("patch", "update"), "core", "nodes/status pods/status"),
            rule((*READ, "delete"), "core", "pods"),
            rule(READ, "coordination.k8s.io", "leases"),
            EVENTS,
        ),
        "clusterrole-aggregation-controller": (
            rule((*READ, "patch", "update", "escalate"), RBAC, "clusterroles"),
        ),
        "event-ttl-controller": (rule((*READ, "delete"), "core", "events"),),
        "crd-cleanup-controller": (
            rule((*READ, "patch", "update"), "apiextensions.k8s.io", "customresourcedefinitions"),
            rule(("patch", "update"), "apiextensions.k8s.io", "customresourcedefinitions/status"),
            rule(("get", "list", "delete", "deletecollection"), ALL, ALL),
        ),
    }


def namespaced_roles() -> Iterator[tuple[str, Object]]:
    """(namespace, Role): what may be read by everybody who is known."""
    yield (
        "kube-system",
        role(
            "extension-apiserver-authentication-reader",
            rule(READ, "core", "configmaps", ("extension-apiserver-authentication",)),
        ),
    )
