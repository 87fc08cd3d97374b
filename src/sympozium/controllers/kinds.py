"""Our kinds as resources of `sympozium.kube`."""

from typing import Final

from sympozium.api.registry import BY_KIND
from sympozium.kube.resources import Resource


def _resource(kind: str) -> Resource:
    known = BY_KIND[kind]
    return Resource(known.group, known.version, known.plural, known.kind)


RUNS: Final = _resource("AgentRun")
INSTANCES: Final = _resource("SympoziumInstance")
POLICIES: Final = _resource("SympoziumPolicy")
SKILL_PACKS: Final = _resource("SkillPack")
SCHEDULES: Final = _resource("SympoziumSchedule")
PERSONA_PACKS: Final = _resource("PersonaPack")
APPROVALS: Final = _resource("ApprovalRequest")
CONFIGS: Final = _resource("SympoziumConfig")
