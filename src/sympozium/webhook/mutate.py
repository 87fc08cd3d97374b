"""What the webhook writes into objects: the filled spec of a run, the author of a decision.

It runs before the schema is checked, so an object that cannot be understood is passed on unchanged: the API server
then says what is wrong with it in the words that people know, and the validating webhook refuses what is left.
"""

from collections.abc import Mapping

from pydantic import ValidationError

from sympozium.api.base import Object
from sympozium.api.meta import ANNOTATION_TRACEPARENT, LABEL_PACK, LABEL_PERSONA, now
from sympozium.api.run import AgentRun
from sympozium.policy import fill, keys
from sympozium.policy.resolve import MissingReferenceError
from sympozium.telemetry import tracecontext
from sympozium.webhook import forks, identity, lineage
from sympozium.webhook.patch import difference
from sympozium.webhook.references import References
from sympozium.webhook.review import Answer, Request, allow, invalid, unknown

_TEAM = (LABEL_PACK, LABEL_PERSONA)


async def mutate(request: Request, references: References) -> Answer:
    """What to write into an object. Nothing else is sent here, so anything else is not understood, and refused."""
    match (request.kind, request.subresource, request.operation):
        case ("AgentRun", "", "CREATE"):
            return await _run(request, references)
        case ("ApprovalRequest", "status", "UPDATE"):
            return _decision(request)
        case _:
            return unknown(request)


async def _run(request: Request, references: References) -> Answer:
    """Fill a run from its instance, and say what caused it and what it inherits."""
    spec: Object = request.object.get("spec") or {}
    try:
        parent = await lineage.inherited(request, references)
        written = {**spec, "parent": parent.to_json()} if parent else spec
        if (fork := await forks.pinned(request, references)) is not None:
            written = {**written, "forkFrom": fork}
        run = AgentRun.model_validate({**request.object, "spec": written})
    except lineage.LineageError as exc:
        return invalid([exc.violation])
    except ValidationError:
        return allow()
    if not run.namespace:
        run.metadata.namespace = request.namespace
    wanted = {**written, "trigger": identity.trigger(request.user, request.object).to_json()}
    instance = await references.instance(request.namespace, run.spec.instance_ref)
    given: list[Object] = []
    if instance is not None:
        config = references.config()
        given = _given(request, keys.annotation(instance, config), instance.metadata.labels)
        try:
            policy = await references.policy(instance, config, run.spec.parent)
        except MissingReferenceError:
            return allow(patch=[*given, *difference(spec, wanted, "/spec")])
        wanted |= fill(run, instance, config, policy).to_json() | {"trigger": wanted["trigger"]}
    return allow(patch=[*given, *difference(spec, wanted, "/spec")])


def _given(request: Request, secrets: str, instance_labels: Mapping[str, str]) -> list[Object]:
    """Write down which Secrets a run is admitted with, of which team its agent is (lists and usage ask by that), and which
    trace it is part of.
    """
    meta: Object = request.object.get("metadata") or {}
    annotations = {**(meta.get("annotations") or {}), keys.ANNOTATION: secrets}
    context = tracecontext.current()
    if context is not None and tracecontext.parse(annotations.get(ANNOTATION_TRACEPARENT)) is None:
        annotations[ANNOTATION_TRACEPARENT] = str(context)  # nobody says what caused it: its admission does
    wanted = {**meta, "annotations": annotations}
    team = {label: instance_labels[label] for label in _TEAM if label in instance_labels}
    if team:
        wanted["labels"] = {**(meta.get("labels") or {}), **team}
    return difference(meta, wanted, "/metadata")


def _decision(request: Request) -> Answer:
    """Write who decided, and when, over whatever the client wrote there."""
    status: Object = request.object.get("status") or {}
    before: Object = request.old.get("status") or {}
    if not status.get("decision") or before.get("decision"):
        return allow()
    wanted = {"scope": "once", **status, "decidedBy": request.user.name, "decidedAt": now()}
    return allow(patch=difference(status, wanted, "/status"))
