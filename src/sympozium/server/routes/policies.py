"""Policies: what there is, mistakes in one, a call tried out, and past runs judged by another. `/api/v1/policies`."""

import asyncio
from datetime import UTC, datetime
from typing import Final

from fastapi import APIRouter

from sympozium import yamlio
from sympozium.actions.errors import ActionError
from sympozium.actions.policies import backtest, check, sources, trial
from sympozium.actions.policies.sources import KIND, Sourced
from sympozium.api.policy import SympoziumPolicy
from sympozium.kube.resources import Object, key_of
from sympozium.server.access import Attributes, CallerOf
from sympozium.server.copies import RUNS
from sympozium.server.govern.judged import Judged
from sympozium.server.govern.sight import Sight
from sympozium.server.models.base import Items
from sympozium.server.models.govern import (
    BacktestAnswer,
    BacktestChange,
    BacktestOrder,
    LayerAnswer,
    PolicyAnswer,
    PolicyFinding,
    PolicyFindings,
    PolicySummary,
    PolicyText,
    PolicyTrial,
)
from sympozium.server.names import NamespaceQuery
from sympozium.server.parts import PartsOf
from sympozium.server.problems import Problem, line_of

router = APIRouter(tags=["policies"])
_POLICIES: Final = "sympoziumpolicies"
_SECONDS: Final = 50.0
"""Of a backtest: below what proxies wait for an answer."""


@router.get("/policies")
async def list_policies(
    caller: CallerOf, parts: PartsOf, namespace: NamespaceQuery = None
) -> Items[PolicySummary]:
    """Policies of the namespaces that the caller may list them in."""
    found = await Sight(caller, parts, namespace).of(_POLICIES)
    return Items(items=[_summary(obj) for obj in sorted(found, key=key_of)])


@router.post("/policies/check")
async def check_policy(caller: CallerOf, text: PolicyText) -> PolicyFindings:
    """Mistakes that admission would refuse, and what it would let pass and nobody means."""
    await caller.user()  # for everybody who is somebody: nothing of the cluster is looked at
    try:
        documents = await asyncio.to_thread(sources.documents, text.yaml, "yaml")
    except ActionError as error:
        line, words = line_of(str(error))
        return PolicyFindings(findings=[PolicyFinding(severity="error", line=line, path="", message=words)])
    findings = []
    for document in documents:
        findings += await asyncio.to_thread(_findings, document)
    if not any(document.obj.get("kind") == KIND for document in documents):
        words = f"there is no {KIND} in this text"
        findings.append(PolicyFinding(severity="error", line=1, path="kind", message=words))
    return PolicyFindings(findings=findings)


@router.post("/policies/try")
async def try_call(caller: CallerOf, asked: PolicyTrial) -> PolicyAnswer:
    """What would be decided about a call that nobody has made. Policies, instance and floor are read as the caller."""
    await caller.user()  # for everybody who is somebody: reading a text costs time
    judged = await Judged.of(caller.kube, asked)
    found = await asyncio.to_thread(trial.attempt, judged.call(asked), judged.effective(), judged.narrowing)
    return PolicyAnswer(
        action=found.verdict.action,
        rule=found.verdict.rule,
        reason=found.verdict.reason,
        instead=found.verdict.instead,
        layers=[
            LayerAnswer(
                policy=layer.policy,
                source=layer.source,
                index=layer.index,
                rule=layer.verdict.rule,
                reason=layer.verdict.reason,
                action=layer.verdict.action,
                watches=layer.watches,
            )
            for layer in found.layers
        ],
        unread=judged.unread,
    )


@router.post("/policies/backtest")
async def backtest_policy(caller: CallerOf, parts: PartsOf, order: BacktestOrder) -> BacktestAnswer:
    """The calls of past runs, judged by another policy: what would newly be denied, asked, allowed.

    For who may list the runs and read what they said (`agentruns/log`).
    """
    await caller.require(Attributes("get", RUNS, order.namespace or "", "", "log"))
    judged = await Judged.for_backtest(caller.kube, order)
    seen = await Sight(caller, parts, order.namespace).of(RUNS)
    begin = datetime.now(UTC) - backtest.since(order.since)
    runs, left = backtest.newest(seen, begin=begin, instance=order.instance, limit=order.limit)
    try:
        async with asyncio.timeout(_SECONDS):
            result = await backtest.backtest(judged.policy, judged.floor, runs, parts.bus.transcript)
    except TimeoutError as error:
        words = f"{len(runs)} runs cannot be judged within {_SECONDS:.0f} s: ask for fewer (`limit`)"
        raise Problem(504, words) from error
    changes = [
        BacktestChange(
            namespace=one.run.namespace,
            run=one.run.name,
            call_id=one.call.id,
            tool=one.call.tool,
            target=one.call.target,
            args=one.call.args,
            before=one.call.verdict["action"],
            after=one.verdict.action,
            rule=one.verdict.rule,
            reason=one.verdict.reason,
        )
        for one in result.judged
        if one.changed
    ]
    return BacktestAnswer(
        runs=result.runs,
        calls=len(result.judged),
        changes=changes,
        unread=[*judged.unread, *result.unread],
        left=left,
        partial=result.partial,
    )


def _findings(document: Sourced) -> list[PolicyFinding]:
    if document.obj.get("kind") != KIND:
        return []
    return [
        PolicyFinding(
            severity="error" if found.level == "error" else "warning",
            line=found.line,
            path=found.path,
            message=found.message,
            hint=found.cure or None,
        )
        for found in check.of(document)
    ]


def _summary(obj: Object) -> PolicySummary:
    policy = SympoziumPolicy.model_validate(obj)
    return PolicySummary(
        namespace=policy.namespace,
        name=policy.name,
        object=obj,
        bound_instances=policy.status.bound_instances or 0,
        effective=yamlio.dump(policy.spec.model_dump(mode="json", by_alias=True, exclude_none=True)),
    )
