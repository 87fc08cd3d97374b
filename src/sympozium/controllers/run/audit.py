"""What the controllers put on a run's record by themselves: that it was created, under what it was admitted, how it ended.

Everything else on it are the messages of the bus, which the bus's own side writes before anybody handles them
(docs/record.md). A record is opened before a run gets its Job, and closed when its users of the bus are cut off.
"""

from collections.abc import Mapping
from typing import Any, Final

from sympozium.api.base import Object
from sympozium.api.run import MUTABLE, AgentRun
from sympozium.bus.audit.entry import digest
from sympozium.bus.audit.facts import text
from sympozium.controllers.run.plan import Inputs
from sympozium.controllers.run.port import AuditEnd, Bus, Ref
from sympozium.policy import admit as policy_admit

_UNENDED: Final = "Deleted"
"""Phase on the record of a run that was deleted before it had ended."""


def status(end: AuditEnd) -> Object:
    """`status.audit`."""
    return {"entries": end.entries, "hash": end.hash}


async def begin(bus: Bus, obj: Object, run: AgentRun) -> AuditEnd:
    """Open the record, where it is not open. Raises BusError."""
    return await bus.audit_open(_ref(run), created(obj, run), time=obj["metadata"]["creationTimestamp"])


async def admit(bus: Bus, inputs: Inputs, *, time: str) -> AuditEnd:
    """Say under what the run is started. Raises BusError."""
    return await bus.audit_admit(_ref(inputs.run), admitted(inputs), time=time)


async def end(bus: Bus, obj: Object, run: AgentRun) -> AuditEnd:
    """Close the record of a run that has ended or is deleted, and that nothing speaks for any more. Raises BusError."""
    await begin(bus, obj, run)
    meta = obj["metadata"]
    time = run.status.completed_at or meta.get("deletionTimestamp") or meta["creationTimestamp"]
    return await bus.audit_close(_ref(run), ended(run), time=time)


def created(obj: Object, run: AgentRun) -> dict[str, Any]:
    """Who or what started it, and what it was to do."""
    spec, trigger, parent = run.spec, run.spec.trigger, run.spec.parent
    fixed = {name: value for name, value in obj["spec"].items() if name not in MUTABLE}
    made: dict[str, Any] = {
        "instance": spec.instance_ref,
        "specDigest": digest(_numbers_as_text(fixed)),
        "taskDigest": digest(spec.task),
        "trigger": {"kind": "unknown"} if trigger is None else _texts(trigger.to_json()),
    }
    if parent is not None:
        made["parent"] = {"runName": parent.run_name, "spawnDepth": parent.spawn_depth}
    if (fork := spec.fork_from) is not None:
        made["forkFrom"] = {"runName": fork.run_name, "step": fork.step, "uid": text(fork.uid or "")}
    return made


def admitted(inputs: Inputs) -> dict[str, Any]:
    """The policies that hold together, each with its generation and content; and what those that only watch would refuse."""
    policy = inputs.policy
    found = policy_admit(inputs.run, inputs.instance, policy, inputs.packs)
    return {
        "policy": {"name": policy.name, "generation": policy.generation, "digest": policy.digest},
        "layers": [
            {
                "name": layer.name,
                "source": layer.source,
                "enforcement": layer.spec.enforcement,
                "generation": layer.generation,
                "digest": digest(_numbers_as_text(layer.spec.to_json())),
            }
            for layer in policy.layers
        ],
        "audited": [{"field": v.field, "message": text(v.message), "rule": v.rule} for v in found if v.audit],
    }


def ended(run: AgentRun) -> dict[str, Any]:
    found = run.status
    made: dict[str, Any] = {
        "phase": found.phase if found.completed_at else _UNENDED,
        "reason": found.reason or "",
        "error": text(found.error or ""),
        "resultDigest": digest(found.result or ""),
    }
    if found.token_usage is not None:
        made["usage"] = found.token_usage.to_json()
    return made


def _ref(run: AgentRun) -> Ref:
    return Ref(run.namespace, run.name, run.metadata.uid)


def _texts(found: Mapping[str, Any]) -> dict[str, str]:
    return {name: text(value) for name, value in found.items()}


def _numbers_as_text(value: Any) -> Any:
    """JSON writes one number in several ways; its digest must not depend on which."""
    if isinstance(value, dict):
        return {key: _numbers_as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers_as_text(item) for item in value]
    return repr(value) if isinstance(value, float) else value
