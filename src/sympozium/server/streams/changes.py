"""What changes among the objects of a kind, for one viewer.

What waits for the viewer is the names of the objects that have changed, each once: the object is looked up when the viewer
can take it, so a viewer that reads slowly skips states and never has an old one last. When too many wait, they are
forgotten and the viewer is told the whole list again.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final, Literal

from sympozium.kube.resources import Object, key_of
from sympozium.server.copies import APPROVALS, RUNS, Copies
from sympozium.server.feed.frames import frame

Key = tuple[str, str]
Type = Literal["ADDED", "MODIFIED", "DELETED"]
Sees = Callable[[str], Awaitable[bool]]
"""Whether the viewer may see the objects of a namespace."""
CHUNK: Final = 64 * 1024
WAITING: Final = 5000
"""Objects that may have changed and wait for a viewer."""
_CACHED: Final = 2000


class Frames:
    """Changes as bytes, kept for the viewers that come for the same one."""

    def __init__(self, copies: Copies) -> None:
        self._copies = copies
        self._cache: OrderedDict[tuple[str, Key, Type], tuple[Object, str | None, bytes]] = OrderedDict()

    def of(self, plural: str, kind: Type, obj: Object) -> bytes:
        waiting = self._copies.waiting_approval(obj) if plural == RUNS else None
        key = plural, key_of(obj), kind
        known = self._cache.get(key)
        if known is not None and known[0] is obj and known[1] == waiting:
            return known[2]
        made = frame("change", {"kind": plural, "type": kind, "object": self._shown(plural, obj)})
        self._cache[key] = obj, waiting, made
        self._cache.move_to_end(key)
        if len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        return made

    def _shown(self, plural: str, obj: Object) -> dict[str, Any]:
        return self._copies.summary(obj).model_dump(mode="json", by_alias=True) if plural == RUNS else obj


class Changes:
    """`listed`: whether what there is comes first. `close` it at the end."""

    ended = False
    patience = None

    def __init__(
        self,
        copies: Copies,
        frames: Frames,
        plural: str,
        *,
        sees: Sees,
        changed: Callable[[], None],
        listed: bool,
        waiting: int = WAITING,
    ) -> None:
        self._informer = copies[plural]
        self._frames = frames
        self._plural = plural
        self._sees = sees
        self._changed = changed
        self._listed = listed
        self._most = waiting
        self._waiting: OrderedDict[Key, tuple[Type, Object]] = OrderedDict()
        self._list: Iterator[Key] | None = None
        self._begun = False
        self._forget = [copies.listen(plural, self._take_change)]
        if plural == RUNS:  # an undecided approval is part of a run's summary
            self._forget.append(copies.listen(APPROVALS, self._take_approval))

    def close(self) -> None:
        for forget in self._forget:
            forget()

    def begin_again(self) -> None:
        """Tell the viewer the whole list: what it has may be wrong."""
        self._waiting.clear()
        self._list = None
        self._begun = False
        self._changed()

    # -- the informer's side

    def _take_change(self, old: Object | None, new: Object | None) -> None:
        obj = new or old
        assert obj is not None, "a change is of an object"
        self._wait(key_of(obj), "ADDED" if old is None else "DELETED" if new is None else "MODIFIED", obj)

    def _take_approval(self, old: Object | None, new: Object | None) -> None:
        approval = new or old
        assert approval is not None, "a change is of an object"
        run = self._informer.get(approval["metadata"]["namespace"], approval["spec"]["runRef"])
        if run is not None:
            self._wait(key_of(run), "MODIFIED", run)

    def _wait(self, key: Key, kind: Type, obj: Object) -> None:
        known = self._waiting.get(key)
        if kind == "MODIFIED" and known is not None and known[0] == "ADDED":
            kind = "ADDED"
        self._waiting[key] = kind, obj
        if len(self._waiting) > self._most:
            self.begin_again()
        self._changed()

    # -- the viewer's side

    async def take(self) -> bytes:
        """About CHUNK bytes of what comes next; nothing when nothing does now."""
        if not self._begun:
            self._begun = True
            self._list = iter([key_of(obj) for obj in self._informer.list()] if self._listed else [])
            return frame("reset", {"kind": self._plural})
        if self._list is not None:
            return await self._next_listed(self._list)
        return await self._next_changed()

    async def _next_listed(self, keys: Iterator[Key]) -> bytes:
        found: list[bytes] = []
        size = 0
        for key in keys:
            obj = self._informer.get(*key)
            if obj is not None and await self._sees(key[0]):
                found.append(self._frames.of(self._plural, "ADDED", obj))
                size += len(found[-1])
            if size >= CHUNK:
                return b"".join(found)
        if self._list is keys:  # and not begun again meanwhile
            self._list = None
            found.append(frame("synced", {"kind": self._plural}))
        return b"".join(found)

    async def _next_changed(self) -> bytes:
        found: list[bytes] = []
        size = 0
        while self._waiting and size < CHUNK:
            key, (kind, obj) = self._waiting.popitem(last=False)
            if await self._sees(key[0]):
                found.append(self._frames.of(self._plural, kind, obj))
                size += len(found[-1])
        return b"".join(found)
