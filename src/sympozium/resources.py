"""Our kinds as resources of `sympozium.kube`: the one place where a kind's model meets the path that serves it."""

from typing import Final

from sympozium.api.registry import BY_KIND, KINDS
from sympozium.kube.resources import Resource


def resource(kind: str) -> Resource:
    """Where a kind of ours is served, by its name. Raises KeyError for what is none of ours."""
    known = BY_KIND[kind]
    return Resource(known.group, known.version, known.plural, known.kind)


RUNS: Final = resource("AgentRun")
INSTANCES: Final = resource("SympoziumInstance")
POLICIES: Final = resource("SympoziumPolicy")
SKILL_PACKS: Final = resource("SkillPack")
SCHEDULES: Final = resource("SympoziumSchedule")
TRIGGERS: Final = resource("SympoziumTrigger")
PERSONA_PACKS: Final = resource("PersonaPack")
APPROVALS: Final = resource("ApprovalRequest")
CONFIGS: Final = resource("SympoziumConfig")

OF_PLURAL: Final[dict[str, Resource]] = {kind.plural: resource(kind.kind) for kind in KINDS}
"""Every kind of ours by its plural."""
