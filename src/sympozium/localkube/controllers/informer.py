"""A cache of one kind that is kept current by a watch.

List, then watch from there; when the watch ends it goes on from the last revision seen, and when that is
too old (410) it lists again. Handlers are called in the order of changes. A controller also
tells the cache what it has written itself (`observe`): so it never acts on a state that lacks its
own last write, and needs no bookkeeping of what it expects to see.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping

from sympozium.localkube.controllers.api import Client, failure
from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import Object

log = logging.getLogger(__name__)

Key = tuple[str, str]
"""Namespace ("" when cluster-scoped) and name."""
Handler = Callable[[Object | None, Object | None], None]
"""Called with (new, old); one of them may be None."""

RETRY = 1.0
TOMBSTONES = 1000


def key_of(obj: Object) -> Key:
    meta = obj["metadata"]
    return meta.get("namespace", ""), meta["name"]


def revision(obj: Object) -> int:
    """Revisions of this API server are integers that grow; other clients must not compare them."""
    return int(obj["metadata"].get("resourceVersion", "0"))


class Informer:
    """One kind's cache. `items` is read-only; `synced` is set after the first list."""

    def __init__(
        self,
        client: Client,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        keep: Callable[[Object], Object] = lambda obj: obj,
    ) -> None:
        """`keep` reduces an object to what the cache is to hold (its metadata must stay)."""
        self._client = client
        self._path = path
        self._query = dict(query or {})
        self._keep = keep
        self._handlers: list[Handler] = []
        self._revision = ""
        self._gone: dict[str, None] = {}
        """Uids that were deleted last: the late answer of an own write must not bring one back."""
        self.items: dict[Key, Object] = {}
        self.synced = asyncio.Event()

    def on_change(self, handler: Handler) -> None:
        """Register before `run`; the first list is a series of additions."""
        self._handlers.append(handler)

    def get(self, namespace: str, name: str) -> Object | None:
        return self.items.get((namespace, name))

    async def run(self) -> None:
        """Follow for ever. A failure is logged and tried again; cancellation ends the watch."""
        while True:
            try:
                if not self._revision:
                    await self._list()
                    self.synced.set()
                await self._follow()
            except ApiError as error:
                self._revision = ""
                if error.code == 410:
                    continue
                log.warning("watch of %s failed: %s", self._path, error)
                await asyncio.sleep(RETRY)

    async def _list(self) -> None:
        answer = await self._client.call("GET", self._path, query=self._query)
        # Items of built-in lists have no kind of their own; those of a watch have.
        kind = {"apiVersion": answer["apiVersion"], "kind": answer["kind"].removesuffix("List")}
        self._replace([{**kind, **item} for item in answer.get("items") or ()])
        self._revision = answer["metadata"]["resourceVersion"]

    def _replace(self, objects: Iterable[Object]) -> None:
        seen = set()
        for obj in objects:
            seen.add(key_of(obj))
            self._put(obj)
        for key in [key for key in self.items if key not in seen]:
            self._drop(key)

    async def _follow(self) -> None:
        query = {**self._query, "resourceVersion": self._revision, "allowWatchBookmarks": "true"}
        async for event in self._client.api.watch(self._path, query=query, user=self._client.user):
            obj = event["object"]
            if event["type"] == "ERROR":
                raise failure(int(obj.get("code", 500)), obj)
            self._revision = obj["metadata"]["resourceVersion"]
            if event["type"] in {"ADDED", "MODIFIED"}:
                self._put(obj)
            elif event["type"] == "DELETED":
                self.forget(obj)

    def observe(self, obj: Object) -> None:
        """Take in the answer of an own write, ahead of the watch."""
        self._put(obj)

    def forget(self, obj: Object) -> None:
        """Take in that an object is gone; ignored when a newer one of that name is known."""
        key = key_of(obj)
        known = self.items.get(key)
        if known is not None and known["metadata"]["uid"] == obj["metadata"]["uid"]:
            self._drop(key)

    def _put(self, obj: Object) -> None:
        key = key_of(obj)
        old = self.items.get(key)
        if obj["metadata"]["uid"] in self._gone or (old is not None and revision(old) >= revision(obj)):
            return
        kept = self.items[key] = self._keep(obj)
        if old is not None and old["metadata"]["uid"] != obj["metadata"]["uid"]:
            self._tell(None, old)
            old = None
        self._tell(kept, old)

    def _drop(self, key: Key) -> None:
        old = self.items.pop(key)
        self._gone[old["metadata"]["uid"]] = None
        if len(self._gone) > TOMBSTONES:
            del self._gone[next(iter(self._gone))]
        self._tell(None, old)

    def _tell(self, new: Object | None, old: Object | None) -> None:
        for handler in self._handlers:
            handler(new, old)
