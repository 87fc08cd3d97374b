"""Our kinds as resources of `sympozium.kube`: the one place where a kind's model meets the path that serves it."""

from typing import Final

from sympozium.api.base import Object
from sympozium.api.meta import ANNOTATION_TRACEPARENT
from sympozium.api.registry import BY_KIND, KINDS
from sympozium.kube.resources import Resource
from sympozium.telemetry import tracecontext


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


def caused(run: Object) -> Object:
    """The manifest of a run that is about to be made, with the span that makes it where there is one."""
    context = tracecontext.current()
    if context is None:
        return run
    meta = run["metadata"]
    annotations = {ANNOTATION_TRACEPARENT: str(context), **(meta.get("annotations") or {})}
    return {**run, "metadata": {**meta, "annotations": annotations}}
