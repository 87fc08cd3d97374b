"""GET of a collection: selectors, revisions, and pages of one consistent snapshot.

A page's `continue` token holds the revision of the first page and the last key, so later pages read the
history at that revision: what was created meanwhile is not in them. When that history is compacted the
answer is 410 with a token that goes on from the same key at the present state.
"""

import asyncio
import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from itertools import islice

import orjson

from sympozium.localkube import negotiate
from sympozium.localkube.errors import ApiError, bad_request, expired, future_revision
from sympozium.localkube.handlers import render
from sympozium.localkube.handlers.backend import Backend
from sympozium.localkube.handlers.options import ListOptions, list_options
from sympozium.localkube.resources import Resource
from sympozium.localkube.routes import Target
from sympozium.localkube.store import CompactedError, Entry, Key, Store
from sympozium.localkube.types import Object
from sympozium.localkube.wire import Answer, Request

WAIT_FOR_FUTURE = 3.0
_BAD_CONTINUE = "invalid continue token: continue key is not valid"
EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without"
    " the continue parameter, or use the continue token in this response to retrieve the remainder of the results."
    " Continuing with the provided token results in an inconsistent list - objects that were created, modified, or"
    " deleted between the time the first chunk was returned and now may show up in the list."
)


async def reach(store: Store, rev: int) -> None:
    """Waits up to three seconds for a revision that a client has seen elsewhere; then 504."""
    if rev > store.revision and not await store.reached(rev, WAIT_FOR_FUTURE):
        raise future_revision(rev, store.revision)


async def list_(backend: Backend, resource: Resource, target: Target, request: Request) -> Answer:
    form = negotiate.choose(request.accept, table=True, partial=True)
    options = list_options(request, resource, watch=False)
    store = backend.store
    if options.revision:
        await reach(store, options.revision)
    snapshot, after = _start(store, options, target)
    try:
        found = _entries(store, resource, target, options, snapshot, after)
    except CompactedError as error:
        raise _too_old(options, after, target) from error
    page, more = await _page(backend, resource, options, found)
    metadata: Object = {"resourceVersion": str(snapshot)}
    if resource.custom and form.form == "object":
        # As the API server writes unstructured lists.
        metadata["continue"] = ""
    if more:
        last = page[-1]
        metadata["continue"] = encode_token(snapshot, (last.namespace, last.name), target)
        if not options.selective:
            metadata["remainingItemCount"] = _remaining(store, resource, target, snapshot, last)
    return await render.many(page, metadata, resource, backend.presenter, form, request)


def _start(store: Store, options: ListOptions, target: Target) -> tuple[int, Key | None]:
    """The revision to read at, and the key to go on after."""
    if options.continue_:
        rev, after = decode_token(options.continue_, target)
        return (store.revision if rev < 0 else rev), after
    if options.match == "Exact" and options.revision:
        return options.revision, None
    return store.revision, None


def _entries(
    store: Store, resource: Resource, target: Target, options: ListOptions, rev: int, after: Key | None
) -> Iterable[Entry]:
    name = options.fields.exact("metadata.name")
    if name is not None and rev == store.revision and (target.namespace or not resource.namespaced):
        entry = store.get(resource.bucket, target.namespace or "", name)
        return [entry] if entry else []
    if rev == store.revision:
        return store.scan(resource.bucket, target.namespace, after=after)
    return store.scan_at(resource.bucket, rev, target.namespace, after=after)


async def _page(
    backend: Backend, resource: Resource, options: ListOptions, found: Iterable[Entry]
) -> tuple[list[Entry], bool]:
    """At most `limit` matching entries, and whether there are more."""
    # kube-apiserver answers "any revision" out of its cache, which knows no pages.
    whole = options.limit <= 0 or (options.revision == 0 and not options.continue_)
    wanted = None if whole else min(options.limit, 2**31) + 1
    page = (
        await _matching(backend, resource, options, list(found), wanted)
        if options.selective
        else list(islice(found, wanted))
    )
    if whole:
        return page, False
    return page[: options.limit], len(page) > options.limit


async def _matching(
    backend: Backend, resource: Resource, options: ListOptions, entries: list[Entry], wanted: int | None
) -> list[Entry]:
    """The first `wanted` that the selectors let through; other requests have their turn meanwhile."""
    shared = backend.presenter.shared
    page: list[Entry] = []
    for start in range(0, len(entries), render.TURN):
        if start:
            await asyncio.sleep(0)
        part = entries[start : start + render.TURN]
        page += [entry for entry in part if options.matches(shared(entry, resource))]
        if wanted is not None and len(page) >= wanted:
            return page[:wanted]
    return page


def _remaining(store: Store, resource: Resource, target: Target, rev: int, last: Entry) -> int:
    after = (last.namespace, last.name)
    if rev == store.revision:
        return store.count(resource.bucket, target.namespace, after=after)
    return sum(1 for _ in store.scan_at(resource.bucket, rev, target.namespace, after=after))


def encode_token(rev: int, last: Key, target: Target) -> str:
    """The `continue` of a page that ended with the key `last`."""
    start = last[1] if target.namespace else "/".join(part for part in last if part)
    raw = orjson.dumps({"v": "meta.k8s.io/v1", "rv": rev, "start": f"{start}\0"})
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode_token(text: str, target: Target) -> tuple[int, Key]:
    """Revision (-1 for the present) and last key. Raises ApiError 400."""
    try:
        raw = orjson.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        version, rev = raw.get("v", ""), int(raw.get("rv", 0))
        start = str(raw.get("start", "")).removesuffix("\0")
    except (binascii.Error, ValueError, TypeError, AttributeError) as error:
        raise bad_request(f"{_BAD_CONTINUE}: {error}") from error
    if version != "meta.k8s.io/v1":
        raise bad_request(f"{_BAD_CONTINUE}: server does not recognize this encoded version {version}")
    if not start:
        raise bad_request(f"{_BAD_CONTINUE}: empty start key")
    if rev == 0 or not -1 <= rev < 2**63:
        raise bad_request(f"{_BAD_CONTINUE}: incorrect encoded start resourceVersion (version {version})")
    if target.namespace:
        return rev, (target.namespace, start)
    namespace, slash, name = start.partition("/")
    return rev, ((namespace, name) if slash else ("", start))


def _too_old(options: ListOptions, after: Key | None, target: Target) -> ApiError:
    if options.continue_ and after is not None:
        return expired(EXPIRED, metadata={"continue": encode_token(-1, after, target)})
    return expired("The resourceVersion for the provided list is too old.")
