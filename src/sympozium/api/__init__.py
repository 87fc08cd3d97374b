"""The custom resources: one module a kind. CRDs and the field reference are generated from these models."""

from sympozium.api.approval import ApprovalRequest
from sympozium.api.base import Object
from sympozium.api.config import SympoziumConfig
from sympozium.api.instance import SympoziumInstance
from sympozium.api.meta import API_VERSION, GROUP, SYSTEM_NAMESPACE, VERSION, Condition, ObjectMeta
from sympozium.api.personapack import PersonaPack
from sympozium.api.policy import SympoziumPolicy
from sympozium.api.registry import BY_KIND, BY_PLURAL, KINDS, Kind, parse
from sympozium.api.run import AgentRun
from sympozium.api.schedule import SympoziumSchedule
from sympozium.api.skillpack import SkillPack

__all__ = [
    "API_VERSION",
    "BY_KIND",
    "BY_PLURAL",
    "GROUP",
    "KINDS",
    "SYSTEM_NAMESPACE",
    "VERSION",
    "AgentRun",
    "ApprovalRequest",
    "Condition",
    "Kind",
    "Object",
    "ObjectMeta",
    "PersonaPack",
    "SkillPack",
    "SympoziumConfig",
    "SympoziumInstance",
    "SympoziumPolicy",
    "SympoziumSchedule",
    "parse",
]
