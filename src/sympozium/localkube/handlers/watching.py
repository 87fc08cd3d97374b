"""Watches: what is there, then what changes, without a gap between the two.

The watcher is registered in the same turn of the event loop in which the present state is read. Selectors
filter transitions: an object that comes to match is ADDED, one that ceases to match is DELETED, with its
last matching state under the new revision. An encoded event is kept with the change for all watchers
that want the same thing (KUBE-API.md 1.6).
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Iterable, Iterator
from dataclasses import dataclass, replace

import orjson

from sympozium.localkube import negotiate
from sympozium.localkube.errors import ApiError, expired
from sympozium.localkube.feed import Change, Watcher
from sympozium.localkube.handlers import render
from sympozium.localkube.handlers.backend import Backend
from sympozium.localkube.handlers.listing import reach
from sympozium.localkube.handlers.options import ListOptions, list_options
from sympozium.localkube.negotiate import Form
from sympozium.localkube.resources import Resource
from sympozium.localkube.routes import Target
from sympozium.localkube.selectors import FieldSelector, FieldTerm
from sympozium.localkube.store import CompactedError, Entry
from sympozium.localkube.types import Object
from sympozium.localkube.wire import Request, Stream

BOOKMARK_SECONDS = 60.0
LAST_BOOKMARK_SECONDS = 2.0
CHUNK = 128
END_ANNOTATION = "k8s.io/initial-events-end"


@dataclass(slots=True)
class _Watch:
    """One watch and how its events look."""

    backend: Backend
    resource: Resource
    request: Request
    options: ListOptions
    form: Form
    headers_sent: bool = False

    def matches(self, entry: Entry) -> bool:
        if not self.options.selective:
            return True
        return self.options.matches(self.backend.presenter.shared(entry, self.resource))

    def line(self, kind: str, entry: Entry, *, rev: int | None = None) -> bytes:
        """One event. `rev` replaces the object's own revision."""
        presenter = self.backend.presenter
        if self.form.form == "object":
            raw = presenter.raw(entry, self.resource)
            if rev is not None:
                obj = orjson.loads(raw)
                obj["metadata"]["resourceVersion"] = str(rev)
                raw = orjson.dumps(obj)
        else:
            obj = presenter.fresh(entry, self.resource)
            if rev is not None:
                obj["metadata"]["resourceVersion"] = str(rev)
            headers, self.headers_sent = not self.headers_sent, True
            raw = orjson.dumps(render.shaped(obj, self.resource, self.form, self.request, headers=headers))
        return b'{"type":"' + kind.encode() + b'","object":' + raw + b"}\n"

    def change(self, change: Change) -> bytes | None:
        """The event that this watch sees of a change, None for nothing."""
        new = change.type != "DELETED" and self.matches(change.entry)
        old = change.old is not None and self.matches(change.old)
        if not new and not old:
            return None
        if new:
            return self._cached("MODIFIED" if old else "ADDED", change)
        if change.type == "DELETED":
            return self._cached("DELETED", change)
        assert change.old is not None, "an object that ceased to match has a state before"
        return self.line("DELETED", change.old, rev=change.rev)

    def _cached(self, kind: str, change: Change) -> bytes:
        if self.form.form != "object":
            return self.line(kind, change.entry)
        key = (kind, self.resource.group, self.resource.version)
        found = change.encoded.get(key)
        if found is None:
            found = change.encoded[key] = self.line(kind, change.entry)
        return bytes(found)

    def bookmark(self, rev: int, *, end_of_initial: bool = False) -> bytes:
        metadata: Object = {"resourceVersion": str(rev), "creationTimestamp": None}
        if end_of_initial:
            metadata["annotations"] = {END_ANNOTATION: "true"}
        kind, version = self.resource.kind, self.resource.api_version
        if self.form.form == "partial":
            kind, version = "PartialObjectMetadata", f"meta.k8s.io/{self.form.version}"
        obj: Object = {"kind": kind, "apiVersion": version, "metadata": metadata}
        if self.form.form == "table":
            meta = f"meta.k8s.io/{self.form.version}"
            obj = {
                "kind": "Table",
                "apiVersion": meta,
                "metadata": {"resourceVersion": str(rev)},
                "columnDefinitions": None,
                "rows": [
                    {
                        "cells": [],
                        "object": {**obj, "kind": "PartialObjectMetadata", "apiVersion": meta},
                    }
                ],
            }
        return orjson.dumps({"type": "BOOKMARK", "object": obj}) + b"\n"


async def watch(backend: Backend, resource: Resource, target: Target, request: Request) -> Stream:
    form = negotiate.choose(request.accept, table=True, partial=True)
    if form.encoding != "json":
        # There is no framing of YAML documents that clients know.
        accepted = "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"
        raise ApiError(406, f"only the following media types are accepted: {accepted}")
    options = list_options(request, resource, watch=True)
    if target.watched:
        one = FieldTerm("metadata.name", negated=False, value=target.watched)
        options = replace(options, fields=FieldSelector((*options.fields.terms, one)))
    seen = _Watch(backend, resource, request, options, form)
    if options.initial_events and options.revision:
        await reach(backend.store, options.revision)
    wants_state = options.revision in {None, 0} if options.initial_events is None else options.initial_events
    since = backend.store.revision if wants_state or not options.revision else options.revision
    try:
        watcher = backend.store.watch(resource.bucket, since, target.namespace)
    except CompactedError:
        error = expired(f"too old resource version: {since} ({backend.store.oldest})")
        return Stream(chunks=_only(error.status()), content_type=form.content_type)
    # Entries never change, so this list is a snapshot whatever happens while it is sent.
    initial = list(backend.store.scan(resource.bucket, target.namespace)) if wants_state else []
    return Stream(
        chunks=_events(seen, watcher, initial, since),
        content_type=form.content_type,
        on_close=watcher.close,
    )


async def _only(status: Object) -> AsyncGenerator[bytes, None]:
    yield orjson.dumps({"type": "ERROR", "object": status}) + b"\n"


def _chunks(lines: Iterable[bytes]) -> Iterator[bytes]:
    batch: list[bytes] = []
    for line in lines:
        batch.append(line)
        if len(batch) == CHUNK:
            yield b"".join(batch)
            batch = []
    if batch:
        yield b"".join(batch)


async def _events(
    seen: _Watch, watcher: Watcher, initial: list[Entry], since: int
) -> AsyncGenerator[bytes, None]:
    """The stream; ends at the deadline, when the client is gone, and when the watcher was too slow."""
    loop = asyncio.get_running_loop()
    options = seen.options
    deadline = loop.time() + (options.timeout or random.randint(1800, 3600))  # noqa: S311 - spreads reconnects
    try:
        for chunk in _chunks(seen.line("ADDED", entry) for entry in initial if seen.matches(entry)):
            yield chunk
        if options.initial_events and options.bookmarks:
            yield seen.bookmark(since, end_of_initial=True)
        next_bookmark = loop.time() + BOOKMARK_SECONDS
        last = deadline - LAST_BOOKMARK_SECONDS
        while not watcher.closed or watcher.pending:
            until = min(deadline, next_bookmark if options.bookmarks else deadline)
            changes = await watcher.batch(max(until - loop.time(), 0.0))
            for chunk in _chunks(line for line in map(seen.change, changes) if line is not None):
                yield chunk
            at = loop.time()
            if at >= deadline:
                return
            if options.bookmarks and at >= next_bookmark and not watcher.pending and not watcher.closed:
                yield seen.bookmark(seen.backend.store.revision)
                next_bookmark = at + BOOKMARK_SECONDS
                if at < last < next_bookmark:
                    next_bookmark = last
    except ApiError as error:
        # The resource has gone from under the watch: say so, as the last event.
        yield orjson.dumps({"type": "ERROR", "object": error.status()}) + b"\n"
    finally:
        watcher.close()
