"""The resources that tests name."""

from sympozium.kube.resources import Resource

AGENT_RUN = Resource("sympozium.ai", "v1alpha1", "agentruns", "AgentRun")
INSTANCE = Resource("sympozium.ai", "v1alpha1", "sympoziuminstances", "SympoziumInstance")
POLICY = Resource("sympozium.ai", "v1alpha1", "sympoziumpolicies", "SympoziumPolicy")
SKILL_PACK = Resource("sympozium.ai", "v1alpha1", "skillpacks", "SkillPack")
SCHEDULE = Resource("sympozium.ai", "v1alpha1", "sympoziumschedules", "SympoziumSchedule")
PERSONA_PACK = Resource("sympozium.ai", "v1alpha1", "personapacks", "PersonaPack")
APPROVAL_REQUEST = Resource("sympozium.ai", "v1alpha1", "approvalrequests", "ApprovalRequest")
SYMPOZIUM_CONFIG = Resource("sympozium.ai", "v1alpha1", "sympoziumconfigs", "SympoziumConfig")

NAMESPACE = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
NODE = Resource("", "v1", "nodes", "Node", namespaced=False)
POD = Resource("", "v1", "pods", "Pod")
SECRET = Resource("", "v1", "secrets", "Secret")
CONFIG_MAP = Resource("", "v1", "configmaps", "ConfigMap")
EVENT = Resource("", "v1", "events", "Event")
SERVICE_ACCOUNT = Resource("", "v1", "serviceaccounts", "ServiceAccount")
JOB = Resource("batch", "v1", "jobs", "Job")
NETWORK_POLICY = Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")

BY_KIND = {
    resource.kind: resource
    for resource in (
        AGENT_RUN, INSTANCE, POLICY, SKILL_PACK, SCHEDULE, PERSONA_PACK, APPROVAL_REQUEST, SYMPOZIUM_CONFIG,
        NAMESPACE, NODE, POD, SECRET, CONFIG_MAP, EVENT, SERVICE_ACCOUNT, JOB, NETWORK_POLICY,
        Resource("rbac.authorization.k8s.io", "v1", "roles", "Role"),
        Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding"),
        Resource("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", namespaced=False),
        Resource("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False),
    )
}  # fmt: skip
"""What `Client.apply` finds an object's resource by."""
