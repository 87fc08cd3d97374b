"""The resources that tests name."""

from typing import Final

from sympozium import resources
from sympozium.kube import resources as built_in
from sympozium.kube.resources import Resource

AGENT_RUN: Final = resources.RUNS
INSTANCE: Final = resources.INSTANCES
POLICY: Final = resources.POLICIES
SKILL_PACK: Final = resources.SKILL_PACKS
SCHEDULE: Final = resources.SCHEDULES
PERSONA_PACK: Final = resources.PERSONA_PACKS
APPROVAL_REQUEST: Final = resources.APPROVALS
SYMPOZIUM_CONFIG: Final = resources.CONFIGS

NAMESPACE: Final = built_in.NAMESPACES
NODE: Final = built_in.NODES
POD: Final = built_in.PODS
SECRET: Final = built_in.SECRETS
CONFIG_MAP: Final = built_in.CONFIG_MAPS
EVENT: Final = built_in.EVENTS
SERVICE_ACCOUNT: Final = built_in.SERVICE_ACCOUNTS
JOB: Final = built_in.JOBS
NETWORK_POLICY: Final = built_in.NETWORK_POLICIES

BY_KIND: Final[dict[str, Resource]] = {
    resource.kind: resource for resource in (*resources.OF_PLURAL.values(), *built_in.BUILT_IN)
}
"""What `Client.apply` finds an object's resource by."""
