"""Live: the events of a run, its transcript, and what changes (docs/streams.md)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Response

from sympozium.bus.errors import BusError
from sympozium.bus.subjects import RunRef
from sympozium.server.access import Attributes, Caller, CallerOf
from sympozium.server.copies import AGENT_RUN, RESOURCES, RUNS
from sympozium.server.feed.feed import Feed
from sympozium.server.feed.frames import data_of
from sympozium.server.feed.view import CHUNK, RunView
from sympozium.server.models.streams import Transcript
from sympozium.server.names import NamePath, Namespace, NamespacePath
from sympozium.server.parts import Parts, PartsOf
from sympozium.server.problems import Problem
from sympozium.server.streams.changes import Changes
from sympozium.server.streams.response import EventStream
from sympozium.server.streams.scope import Scope
from sympozium.server.streams.viewer import Check, Source, Viewer

router = APIRouter(tags=["streams"])
PAGE: Final = 4 * 1024 * 1024
"""Bytes of a transcript in one answer, about."""
_BUS_SECONDS: Final = 10.0
_EVENTS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "Server-Sent Events (docs/streams.md)", "content": {"text/event-stream": {}}}
}
After = Annotated[int, Query(ge=0, description="Place in the stream after which to go on.")]
LastEventId = Annotated[
    int | None, Header(ge=0, description="The same, as browsers say it; wins over `after`.")
]


@router.get(
    "/namespaces/{namespace}/runs/{name}/events",
    response_class=EventStream,
    status_code=200,
    responses=_EVENTS,
)
async def run_events(
    namespace: NamespacePath,
    name: NamePath,
    parts: PartsOf,
    caller: CallerOf,
    after: After = 0,
    last_event_id: LastEventId = None,
) -> EventStream:
    """What a run says: all that is stored after the given place, then live, until the run has ended."""
    ref = await _run(parts, caller, namespace, name)
    opened = _opened(parts, caller, ref, _place(after, last_event_id), (), listed=False)
    return EventStream(opened, send_seconds=parts.settings.stream_stall)


@router.get("/stream", response_class=EventStream, status_code=200, responses=_EVENTS)
async def stream(
    parts: PartsOf,
    caller: CallerOf,
    run: Annotated[str, Query(description="NAMESPACE/NAME of a run whose events to send.")] = "",
    watch: Annotated[
        list[str] | None,
        Query(description="Kinds, by plural, whose changes to send; with commas or repeated."),
    ] = None,
    namespace: Annotated[
        list[Namespace] | None, Query(description="Namespaces of those; without, all that you may see.")
    ] = None,
    listed: Annotated[
        bool, Query(alias="list", description="Whether what there is of those kinds comes first.")
    ] = True,
    after: After = 0,
    last_event_id: LastEventId = None,
) -> EventStream:
    """What a page needs in one connection: the events of a run, and changes of kinds."""
    plurals = list(dict.fromkeys(part for text in watch or () for part in text.split(",") if part))
    if unknown := [plural for plural in plurals if plural not in RESOURCES]:
        raise Problem(
            422, f"watch: {', '.join(unknown)} is no kind; there are: {', '.join(sorted(RESOURCES))}"
        )
    if not plurals and not run:
        raise Problem(422, "say what to watch: `run=NAMESPACE/NAME`, `watch=KIND`, or both")
    ref = None
    if run:
        where, _, name = run.partition("/")
        if not where or not name:
            raise Problem(422, "run: expected NAMESPACE/NAME")
        ref = await _run(parts, caller, where, name)
    scopes = [Scope(caller, plural, namespace or []) for plural in plurals]
    for scope in scopes:
        await scope.open()
    opened = _opened(parts, caller, ref, _place(after, last_event_id), scopes, listed=listed)
    return EventStream(opened, send_seconds=parts.settings.stream_stall)


@router.get("/namespaces/{namespace}/runs/{name}/transcript", response_model=Transcript)
async def transcript(
    namespace: NamespacePath, name: NamePath, parts: PartsOf, caller: CallerOf, after: After = 0
) -> Response:
    """What a run has said so far, in pages. 503 while the bus is away."""
    ref = await _run(parts, caller, namespace, name)
    async with parts.hub.look(ref, lambda: None) as feed:
        try:
            async with asyncio.timeout(_BUS_SECONDS):
                await feed.complete.wait()
            events, complete = await _page(feed, after)
        except (TimeoutError, BusError) as exc:
            raise Problem(
                503,
                "the bus, where transcripts are, does not answer: try again",
                headers={"Retry-After": "2"},
            ) from exc
        body = b'{"events":[%b],"complete":%b,"dropped":%d}' % (
            b",".join(events),
            b"true" if complete else b"false",
            feed.dropped,
        )
    return Response(body, media_type="application/json")


async def _page(feed: Feed, after: int) -> tuple[list[bytes], bool]:
    """About PAGE bytes of events, and whether they are all up to now. Raises BusError."""
    head, found, size = feed.log.head, [], 0
    while after < head and size < PAGE:
        entries = feed.log.after(after, CHUNK) or await feed.older(after, CHUNK)
        if not entries:
            break
        after = entries[-1].place
        found += [data_of(entry.frame) for entry in entries]
        size += sum(len(entry.frame) for entry in entries)
    return found, after >= head


def _log(namespace: str, name: str) -> Attributes:
    return Attributes("get", RUNS, namespace, name, "log")


async def _run(parts: Parts, caller: Caller, namespace: str, name: str) -> RunRef:
    """The run, for who may read what it says. Raises Problem 403, and NotFoundError."""
    await caller.require(_log(namespace, name))
    # A run that was made just now may not be in the copy yet.
    found = parts.copies[RUNS].get(namespace, name) or await parts.kube.get(AGENT_RUN, name, namespace)
    return RunRef(namespace, name, found["metadata"]["uid"])


def _place(after: int, last_event_id: int | None) -> int:
    return after if last_event_id is None else last_event_id


@asynccontextmanager
async def _opened(
    parts: Parts,
    caller: Caller,
    ref: RunRef | None,
    after: int,
    scopes: "list[Scope] | tuple[()]",
    *,
    listed: bool,
) -> AsyncIterator[Viewer]:
    """The stream's sources, as long as it lasts. Raises Problem when there is no room."""
    async with AsyncExitStack() as stack:
        stack.enter_context(parts.streams.room(caller.credential.key))
        viewer = await stack.enter_async_context(parts.streams.viewer())
        sources: list[Source] = []
        if ref is not None:
            feed = await stack.enter_async_context(parts.hub.look(ref, viewer.wake))
            sources.append(RunView(feed, parts.copies, after))
        for scope in scopes:
            changes = Changes(
                parts.copies, parts.frames, scope.plural, sees=scope.sees, changed=viewer.wake, listed=listed
            )
            stack.callback(changes.close)
            scope.narrowed = changes.begin_again
            sources.append(changes)
        viewer.sources = sources
        viewer.check = _check(caller, ref, scopes)
        yield viewer


def _check(caller: Caller, ref: RunRef | None, scopes: "list[Scope] | tuple[()]") -> Check:
    async def check() -> None:
        if ref is not None:
            await caller.require(_log(ref.namespace, ref.name))
        for scope in scopes:
            await scope.check()

    return check
