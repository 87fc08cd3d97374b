"""The strategy of each built-in kind. A kind that is not here is stored as its schema allows."""

from typing import Final

from sympozium.localkube.defaults import (
    cluster,
    configuration,
    crds,
    cronjobs,
    endpoints,
    jobs,
    limits,
    network,
    pods,
    policies,
    rbac,
    scheduling,
    services,
    storage,
    templates,
    webhooks,
    workloadkinds,
)
from sympozium.localkube.defaults.strategy import Strategy

_RBAC = "rbac.authorization.k8s.io"
_ADMISSION = "admissionregistration.k8s.io"

STRATEGIES: Final[dict[tuple[str, str], Strategy]] = {
    ("", "ConfigMap"): configuration.CONFIG_MAP,
    ("", "Endpoints"): endpoints.ENDPOINTS,
    ("", "Event"): cluster.EVENT,
    ("", "Namespace"): cluster.NAMESPACE,
    ("", "Node"): cluster.NODE,
    ("", "PersistentVolumeClaim"): storage.CLAIM,
    ("", "PersistentVolume"): storage.VOLUME,
    ("", "Pod"): pods.POD,
    ("", "PodTemplate"): templates.POD_TEMPLATE,
    ("", "ReplicationController"): workloadkinds.REPLICATION_CONTROLLER,
    ("", "LimitRange"): limits.LIMIT_RANGE,
    ("", "ResourceQuota"): limits.QUOTA,
    ("", "Secret"): configuration.SECRET,
    ("", "Service"): services.SERVICE,
    (_ADMISSION, "MutatingAdmissionPolicy"): policies.MUTATING_POLICY,
    (_ADMISSION, "MutatingAdmissionPolicyBinding"): policies.MUTATING_BINDING,
    (_ADMISSION, "MutatingWebhookConfiguration"): webhooks.MUTATING,
    (_ADMISSION, "ValidatingAdmissionPolicy"): policies.VALIDATING_POLICY,
    (_ADMISSION, "ValidatingAdmissionPolicyBinding"): policies.VALIDATING_BINDING,
    (_ADMISSION, "ValidatingWebhookConfiguration"): webhooks.VALIDATING,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): crds.CRD,
    ("apps", "ControllerRevision"): workloadkinds.CONTROLLER_REVISION,
    ("apps", "DaemonSet"): workloadkinds.DAEMON_SET,
    ("apps", "Deployment"): workloadkinds.DEPLOYMENT,
    ("apps", "ReplicaSet"): workloadkinds.REPLICA_SET,
    ("apps", "StatefulSet"): workloadkinds.STATEFUL_SET,
    ("batch", "CronJob"): cronjobs.CRON_JOB,
    ("batch", "Job"): jobs.JOB,
    ("coordination.k8s.io", "Lease"): cluster.LEASE,
    ("discovery.k8s.io", "EndpointSlice"): endpoints.ENDPOINT_SLICE,
    ("networking.k8s.io", "Ingress"): network.INGRESS,
    ("networking.k8s.io", "NetworkPolicy"): network.NETWORK_POLICY,
    ("node.k8s.io", "RuntimeClass"): scheduling.RUNTIME_CLASS,
    ("policy", "PodDisruptionBudget"): scheduling.DISRUPTION_BUDGET,
    (_RBAC, "ClusterRole"): rbac.CLUSTER_ROLE,
    (_RBAC, "ClusterRoleBinding"): rbac.CLUSTER_ROLE_BINDING,
    (_RBAC, "Role"): rbac.ROLE,
    (_RBAC, "RoleBinding"): rbac.ROLE_BINDING,
    ("scheduling.k8s.io", "PriorityClass"): scheduling.PRIORITY_CLASS,
    ("storage.k8s.io", "StorageClass"): storage.STORAGE_CLASS,
}
"""(group, kind) -> strategy; the served kinds have one version each."""
