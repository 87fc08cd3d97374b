"""What a run inherits from the run that started it, and a schedule from the run that made it.

Whoever creates a run says `parent.runName`, and no more counts: depth, policies and toolPolicies are written from
that run as it is, so a lie about it can only narrow. Runs of a schedule inherit what the schedule holds, which the
controllers wrote when an agent made it, and which nobody changes.
"""

from sympozium.api.base import Object
from sympozium.api.run import TERMINAL, AgentRun
from sympozium.api.shared import Parent
from sympozium.policy import Violation
from sympozium.policy.resolve import MissingReferenceError
from sympozium.webhook import identity
from sympozium.webhook.references import References
from sympozium.webhook.review import Request

_FIELD = "spec.parent.runName"


class LineageError(Exception):
    """The run cannot be a child of what it names."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.violation = Violation(_FIELD, message)


async def inherited(request: Request, references: References) -> Parent | None:
    """The `parent` that a new run must have, or None when it names none. Raises LineageError."""
    name = identity.parent_name(request.object)
    if name is None:
        return None
    if identity.trigger(request.user, request.object).kind == "Schedule":
        # Of the controllers, from the schedule: the run that made it may be long gone.
        return Parent.model_validate(request.object["spec"]["parent"])
    parent = await references.run(request.namespace, name)
    if parent is None:
        raise LineageError(f"AgentRun {name} is not in namespace {request.namespace}")
    if parent.status.phase in TERMINAL or parent.spec.cancel or parent.metadata.deletion_timestamp:
        raise LineageError(f"AgentRun {name} has ended: it starts no runs any more")
    instance = await references.instance(parent.namespace, parent.spec.instance_ref)
    if instance is None:
        raise LineageError(f"SympoziumInstance {parent.spec.instance_ref} of AgentRun {name} is gone")
    try:
        return await references.handed_down(parent, instance)
    except MissingReferenceError as exc:
        raise LineageError(f"AgentRun {name}: instance {instance.name}: {exc}") from exc


async def check(request: Request, run: AgentRun, references: References) -> list[Violation]:
    """The parent that `mutate` wrote, not what another webhook behind it made of it."""
    try:
        expected = await inherited(request, references)
    except LineageError as exc:
        return [exc.violation]
    if run.spec.parent == expected:
        return []
    return [
        Violation(
            "spec.parent", f"is set from the parent run, to {expected and expected.to_json()}; try again"
        )
    ]


def schedule(request: Request) -> list[Violation]:
    """What is wrong with the `parent` of a schedule: the controllers alone write it, and only once."""
    before, after = _parent(request.old), _parent(request.object)
    if before == after:
        return []
    if request.operation == "CREATE" and identity.is_controller(request.user):
        return []
    words = "only the controllers write it, into a schedule that an agent makes, and nobody changes it"
    return [Violation("spec.parent", words)]


def _parent(schedule: Object) -> Object | None:
    spec: Object = schedule.get("spec") or {}
    found: Object | None = spec.get("parent")
    return found
