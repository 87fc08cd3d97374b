"""What one run did: its timing, what was decided about its calls, its record. Read as `get agentruns/log` allows."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query as Parameter, Response

from sympozium.actions import records
from sympozium.actions.bus import Records
from sympozium.actions.policies import explain, rules
from sympozium.actions.policies.calls import Recorded
from sympozium.actions.policies.explain import Explanation
from sympozium.actions.records import BrokenRecordError
from sympozium.api.run import TERMINAL, AgentRun
from sympozium.bus.audit.store import Store
from sympozium.bus.connection import Reconnections
from sympozium.bus.errors import BusError
from sympozium.bus.subjects import RunRef
from sympozium.kube import ForbiddenError
from sympozium.kube.resources import PODS, Object
from sympozium.resources import RUNS
from sympozium.server.access import Attributes, Caller, CallerOf
from sympozium.server.models.inspection import (
    AppliedPolicy,
    CallOutcome,
    Decided,
    Decision,
    Decisions,
    Place,
    Timing,
    Verdict,
)
from sympozium.server.names import NamePath, NamespacePath
from sympozium.server.parts import Parts, PartsOf
from sympozium.server.runs import timing
from sympozium.server.runs.messages import Said, said

router = APIRouter(tags=["runs"])
NDJSON: Final = "application/x-ndjson"
_HOLDS: Final = "X-Sympozium-Record"


@router.get("/namespaces/{namespace}/runs/{name}/timing")
async def run_timing(caller: CallerOf, parts: PartsOf, namespace: NamespacePath, name: NamePath) -> Timing:
    """Where its time went, as spans of a waterfall. 503 while the bus is away."""
    run, found = await _read(caller, parts, namespace, name)
    pod, note = await _pod(caller, run)
    return Timing(spans=timing.spans(run, pod, found.messages), complete=found.complete, note=note)


@router.get("/namespaces/{namespace}/runs/{name}/decisions")
async def run_decisions(
    caller: CallerOf, parts: PartsOf, namespace: NamespacePath, name: NamePath
) -> Decisions:
    """Each tool call with the verdict, its rule, where that stands, and who approved. 503 while the bus is away."""
    run, found = await _read(caller, parts, namespace, name)
    explanation = await explain.of_messages(caller.kube, AgentRun.model_validate(run), found.messages)
    enforced = explanation.run.status.policy
    return Decisions(
        policy=_policy(enforced.to_json()) if enforced else None,
        policy_now=explanation.generations,
        applied=[_policy(applied) for applied in explanation.applied],
        decisions=[_decision(call, explanation) for call in explanation.calls],
        complete=found.complete,
    )


@router.get(
    "/namespaces/{namespace}/runs/{name}/record",
    response_class=Response,
    responses={200: {"content": {NDJSON: {}}, "description": "The record, one entry a line"}},
)
async def run_record(
    caller: CallerOf,
    parts: PartsOf,
    namespace: NamespacePath,
    name: NamePath,
    uid: Annotated[
        str | None, Parameter(max_length=100, description="Which of several runs that had this name.")
    ] = None,
) -> Response:
    """The signed record of a run as it is stored, also of one that is gone (`sympozium audit verify` proves it).

    The header `X-Sympozium-Record` says whether it holds: `holds`, `open` (it holds so far, the run has not ended), or `broken`.
    """
    await _may_read(caller, namespace, name)
    if parts.bus.connection is None or parts.bus.record_key is None or not parts.bus.connected:
        raise BusError("the bus, where records are, does not answer")
    opened = Records(Store(parts.bus.connection, Reconnections()), parts.bus.record_key)
    found = await records.from_store(opened, parts.kube, namespace, name, uid=uid)
    try:
        verified = found.verified()
        found.compare()
        state = "holds" if verified.ended else "open"
    except BrokenRecordError:
        state = "broken"
    headers = {
        _HOLDS: state,
        "Content-Disposition": f'attachment; filename="{name}-{found.uid}.ndjson"',
    }
    return Response(found.text, media_type=NDJSON, headers=headers)


async def _may_read(caller: Caller, namespace: str, name: str) -> None:
    await caller.require(Attributes("get", RUNS.plural, namespace, name, subresource="log"))


async def _read(caller: Caller, parts: Parts, namespace: str, name: str) -> tuple[Object, Said]:
    """The run, read as the caller, and what it has said."""
    await _may_read(caller, namespace, name)
    run = await caller.kube.get(RUNS, name, namespace)
    return run, await said(parts.bus, RunRef(namespace, name, run["metadata"]["uid"]))


async def _pod(caller: Caller, run: Object) -> tuple[Object | None, str | None]:
    """Its pod as the caller may see it, else why there is none."""
    name = (run.get("status") or {}).get("podName")
    if not name:
        return None, None
    try:
        pod = await caller.kube.find(PODS, name, run["metadata"]["namespace"])
    except ForbiddenError:
        return None, f"pod {name} is not shown: you may not read pods"
    return pod, None if pod else f"pod {name} is gone, and with it when it was created"


def _policy(found: Any) -> AppliedPolicy:
    return AppliedPolicy(name=found["name"], generation=found["generation"], digest=found.get("digest"))


def _decision(call: Recorded, explanation: Explanation) -> Decision:
    place = rules.find(call.verdict["rule"], explanation.policies)
    outcome = call.outcome
    return Decision(
        call_id=call.id,
        time=call.time,
        tool=call.tool,
        target=call.target,
        args=call.args,
        verdict=_verdict(call.verdict),
        place=Place(where=place.where, line=place.line, text=place.text) if place else None,
        approvals=[
            Decided(state=d["state"], decided_by=d.get("decidedBy"), comment=d.get("comment"))
            for d in call.decisions
        ],
        waits=call.waits and explanation.run.status.phase not in TERMINAL,
        outcome=CallOutcome(
            ok=outcome["ok"], denied=bool(outcome.get("denied")), duration_ms=outcome["durationMs"]
        )
        if outcome
        else None,
    )


def _verdict(found: Any) -> Verdict:
    """Without what a later version of the tool server may say beside it."""
    known = {key: found[key] for key in ("action", "rule", "reason", "instead") if key in found}
    audited = found.get("audited")
    if audited:
        known["audited"] = {key: audited[key] for key in ("action", "rule", "reason")}
    return Verdict.model_validate(known)
