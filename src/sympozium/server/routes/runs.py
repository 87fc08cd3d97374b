"""Runs: listed, searched, looked at, made and changed. `/api/v1/runs`, `/api/v1/namespaces/{ns}/runs`.

Lists are answered from the copies, after an access review; a single run is read, and everything is written, as the caller.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query as Parameter
from pydantic import AwareDatetime

from sympozium.actions import runs as actions
from sympozium.api.run import Phase
from sympozium.kube import Client
from sympozium.kube.resources import Object
from sympozium.resources import RUNS
from sympozium.server.access import Attributes, Caller, CallerOf
from sympozium.server.models.inspection import Fork
from sympozium.server.models.runlists import Match, NewRun, RunDetail, RunItem, RunPage, RunTree, RunWritten
from sympozium.server.names import NamePath, NamespacePath, NamespaceQuery
from sympozium.server.once import OnceOf
from sympozium.server.parts import Parts, PartsOf
from sympozium.server.problems import Problem
from sympozium.server.runs import family
from sympozium.server.runs.query import Query, Sort
from sympozium.server.runs.scope import scope

router = APIRouter(tags=["runs"])
Name = Annotated[str, Parameter(max_length=253)]
_SEARCHED: Final = 200
"""Characters of what is searched for."""


@router.get("/runs")
async def list_runs(
    caller: CallerOf,
    parts: PartsOf,
    namespace: NamespaceQuery = None,
    phase: Annotated[list[Phase], Parameter()] = [],  # noqa: B006 - FastAPI copies it
    instance: Name = "",
    pack: Name = "",
    persona: Name = "",
    schedule: Name = "",
    trigger: Name = "",
    labels: Annotated[str, Parameter(max_length=1000)] = "",
    q: Annotated[str, Parameter(max_length=_SEARCHED)] = "",
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    sort: Sort = "-created",
    limit: Annotated[int, Parameter(ge=1, le=200)] = 50,
    cursor: Annotated[str, Parameter(max_length=1000)] = "",
) -> RunPage:
    """Runs of the namespaces that the caller may list runs in.

    `q` is searched for in name, task, result, error and instance (of each the first 16,384 characters): all words, the last
    one may be the beginning of a word. `labels` is a label selector, `trigger` a kind of trigger or the name of what
    triggered; `since` and `until` are about the creation.
    """
    seen = await scope(caller, namespace, parts.listing.namespaces)
    query = Query(
        namespaces=seen.namespaces, phases=phase, instance=instance, pack=pack, persona=persona, schedule=schedule,
        trigger=trigger, labels=labels, words=q, since=_milliseconds(since), until=_milliseconds(until), sort=sort,
        limit=limit, cursor=cursor,
    )  # fmt: skip
    try:
        page = await parts.listing.page(query)
    except ValueError as error:
        raise Problem(400, str(error)) from error
    items = [
        RunItem(
            **dict(run),
            match=[Match(field=p.field, before=p.before, hit=p.hit, after=p.after) for p in pieces],
        )
        for run, pieces in page.items
    ]
    return RunPage(
        items=items, cursor=page.cursor, total=page.total, facets=page.facets, partial=seen.partial
    )


@router.post("/namespaces/{namespace}/runs", status_code=201)
async def create_run(
    caller: CallerOf, parts: PartsOf, once: OnceOf, namespace: NamespacePath, wanted: NewRun
) -> RunWritten:
    """Create an AgentRun as the caller; admission decides, and what it warns of is handed on."""
    order = actions.Wanted(
        instance=wanted.instance, task=wanted.task, model=wanted.model, timeout=wanted.timeout,
        system_prompt=wanted.system_prompt, keep=wanted.keep, labels=wanted.labels, name=wanted.name,
    )  # fmt: skip
    return await _written(caller, parts, lambda kube: actions.start(kube, namespace, order, once=once))


@router.get("/namespaces/{namespace}/runs/{name}")
async def get_run(caller: CallerOf, parts: PartsOf, namespace: NamespacePath, name: NamePath) -> RunDetail:
    """One run, read as the caller."""
    run = await caller.kube.get(RUNS, name, namespace)
    run["metadata"].pop("managedFields", None)
    may_list = await caller.may(Attributes("list", RUNS.plural, namespace))
    children = family.children(parts.copies, namespace, name) if may_list else []
    return RunDetail(
        summary=parts.copies.summary(run),
        object=run,
        conditions=(run.get("status") or {}).get("conditions") or [],
        children=len(children),
    )


@router.get("/namespaces/{namespace}/runs/{name}/tree")
async def run_tree(caller: CallerOf, parts: PartsOf, namespace: NamespacePath, name: NamePath) -> RunTree:
    """The family of a run: from the first run that led to it, with all that were started from there."""
    await caller.require(Attributes("list", RUNS.plural, namespace))
    found = family.tree(parts.copies, namespace, name)
    if found is None:
        raise Problem(404, f"no agentrun {name!r} in namespace {namespace}")
    return _tree(parts, found)


@router.post("/namespaces/{namespace}/runs/{name}/cancel")
async def cancel_run(
    caller: CallerOf, parts: PartsOf, namespace: NamespacePath, name: NamePath
) -> RunWritten:
    """Order its end; it is Cancelled when its pod is gone. 409 for a run that has ended."""
    return await _written(caller, parts, lambda kube: actions.cancel(kube, namespace, name))


@router.post("/namespaces/{namespace}/runs/{name}/suspend")
async def suspend_run(
    caller: CallerOf, parts: PartsOf, namespace: NamespacePath, name: NamePath
) -> RunWritten:
    """Order that nothing begins in it any more. 409 for a run that has ended."""
    return await _written(caller, parts, lambda kube: actions.suspend(kube, namespace, name))


@router.post("/namespaces/{namespace}/runs/{name}/resume")
async def resume_run(
    caller: CallerOf, parts: PartsOf, namespace: NamespacePath, name: NamePath
) -> RunWritten:
    """Let it go on. 409 for a run that has ended."""
    return await _written(caller, parts, lambda kube: actions.resume(kube, namespace, name))


@router.post("/namespaces/{namespace}/runs/{name}/retry", status_code=201)
async def retry_run(
    caller: CallerOf, parts: PartsOf, once: OnceOf, namespace: NamespacePath, name: NamePath
) -> RunWritten:
    """A new run of the same spec, created by the caller; the answer is that one. 409 for a run that has not ended."""
    return await _written(caller, parts, lambda kube: actions.retry(kube, namespace, name, once=once))


@router.post("/namespaces/{namespace}/runs/{name}/fork", status_code=201)
async def fork_run(
    caller: CallerOf, parts: PartsOf, once: OnceOf, namespace: NamespacePath, name: NamePath, wanted: Fork
) -> RunWritten:
    """A new run, created by the caller, that begins with the conversation of this one up to a step; the answer is that one."""
    return await _written(
        caller,
        parts,
        lambda kube: actions.fork(kube, namespace, name, step=wanted.step, task=wanted.task, once=once),
    )


async def _written(caller: Caller, parts: Parts, write: Callable[[Client], Awaitable[Object]]) -> RunWritten:
    warnings: list[str] = []
    caller.kube.on_warning = warnings.append  # the client is this request's own
    return RunWritten(run=parts.copies.summary(await write(caller.kube)), warnings=warnings)


def _tree(parts: Parts, found: family.Tree) -> RunTree:
    children = [_tree(parts, child) for child in found.children]
    return RunTree(run=parts.copies.summary(found.run), children=children, hidden=found.hidden)


def _milliseconds(time: Any) -> int | None:
    return None if time is None else int(time.timestamp() * 1000)
