"""managedFields: who set which field, kept through every write, and server-side apply on top of it.

Pure: `update` and `apply` get the live object and the new or applied one, and give the object with its
managedFields. Rules: https://kubernetes.io/docs/reference/using-api/server-side-apply/, KUBE-API.md 2.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sympozium.localkube.errors import apply_conflict
from sympozium.localkube.patch import fields as sets, lastapplied, typed
from sympozium.localkube.patch.fields import Fields
from sympozium.localkube.schema.node import Node
from sympozium.localkube.schema.shapes import zero
from sympozium.localkube.types import Object

APPLY = "Apply"
UPDATE = "Update"
MAX_UPDATE_ENTRIES = 10
ANCIENT = "ancient-changes"
BEFORE_FIRST_APPLY = "before-first-apply"
KUBECTL = "kubectl"
"""The applier that takes over what `kubectl apply` without --server-side has written."""

_UNOWNED = ("apiVersion", "kind")
_UNOWNED_METADATA = (
    "name",
    "namespace",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
    "uid",
    "generation",
    "managedFields",
    "resourceVersion",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manager:
    """Who writes, how, and when (empty: the record has no time). `reset` names the top-level fields that such a write never owns."""

    name: str
    api_version: str
    time: str
    subresource: str = ""
    reset: tuple[str, ...] = ()
    view: str = ""
    """The API version that conflicts name, where the object is changed through another (a Scale)."""


@dataclass(slots=True)
class _Entry:
    manager: str
    operation: str
    api_version: str
    subresource: str
    time: str
    owned: Fields = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str, str]:
        # An applier keeps its entry when it moves to another version; updaters have one a version.
        version = "" if self.operation == APPLY else self.api_version
        return (self.manager, self.operation, version, self.subresource)

    def encoded(self) -> Object:
        out: Object = {
            "manager": self.manager,
            "operation": self.operation,
            "apiVersion": self.api_version,
            **({"time": self.time} if self.time else {}),
            "fieldsType": "FieldsV1",
            "fieldsV1": sets.encode(self.owned),
        }
        if self.subresource:
            out["subresource"] = self.subresource
        return out


_Key = tuple[str, str, str, str]


def update(old: Object | None, new: Object, node: Node, manager: Manager) -> None:
    """Records in `new` what a create, PUT or patch changed against `old` (None: it is created).

    managedFields that the client sent replace the stored ones on an update of the object itself, and
    `[{}]` clears them.
    """
    entries = _entries_of_update(old, new, manager)
    if old is not None and not entries:
        # Of an object that has no record (it was cleared) none is begun until somebody applies it.
        new["metadata"].pop("managedFields", None)
        return
    before = _empty(node) if old is None else old
    try:
        comparison = typed.Comparison(
            _owned_part(before, manager.reset), _owned_part(new, manager.reset), node
        )
    except typed.UntypedError:
        # Nobody can say who owns what of such an object; the API server then keeps no record at all.
        new["metadata"].pop("managedFields", None)
        return
    changed = sets.union(comparison.added, comparison.modified)
    key = (manager.name, UPDATE, manager.api_version, manager.subresource)
    for entry in entries.values():
        if entry.key != key:
            entry.owned = sets.difference(sets.difference(entry.owned, changed), comparison.removed)
    gained = _placeless(changed)
    mine = entries.setdefault(
        key, _Entry(manager.name, UPDATE, manager.api_version, manager.subresource, manager.time)
    )
    owned = sets.union(sets.difference(mine.owned, comparison.removed), gained)
    if gained or comparison.removed:
        mine.time = manager.time
    mine.owned = owned
    _write(new, entries.values())


def apply(live: Object | None, applied: Object, node: Node, manager: Manager, *, force: bool) -> Object:
    """Server-side apply of `applied` onto `live` (None: nothing is there). Raises ApiError 409.

    The result shares parts with both arguments.
    """
    entries = {} if live is None else _decoded(live)
    key = (manager.name, APPLY, "", manager.subresource)
    mine = entries.get(key)
    last = mine.owned if mine else {}
    wanted = _placeless(typed.fields_of(_owned_part(applied, manager.reset), node))
    if live is None:
        merged = dict(applied)
    else:
        if not entries:
            _before_first_apply(live, node, manager, entries)
        merged = _merged(live, applied, node, manager)
    entry = entries[key] = _Entry(
        manager.name, APPLY, manager.api_version, manager.subresource, manager.time, wanted
    )
    merged = _drop_abandoned(merged, last, entries.values(), node)
    base: Object = {} if live is None else _owned_part(live, manager.reset)
    comparison = typed.Comparison(base, _owned_part(merged, manager.reset), node)
    tolerated: Fields = {}
    if live is not None and not force and manager.name == KUBECTL:
        tolerated = lastapplied.unchanged_fields(live, node, manager.api_version)
    _settle(comparison, entries, key, force=force, tolerated=tolerated, view=manager.view)
    if not comparison:
        entry.time = mine.time if mine else ""  # the object stays as it is, and this dates nothing
    merged["metadata"] = dict(merged.get("metadata") or {})
    if manager.name == KUBECTL:
        lastapplied.renew(merged, applied)
    _write(merged, entries.values())
    return merged


def _merged(live: Object, applied: Object, node: Node, manager: Manager) -> Object:
    sent = {key: value for key, value in applied.items() if key not in manager.reset}
    merged: Object = typed.merge(live, sent, node)
    return merged


def _settle(
    comparison: typed.Comparison,
    entries: dict[_Key, _Entry],
    key: _Key,
    *,
    force: bool,
    tolerated: Fields,
    view: str,
) -> None:
    """Takes from the others what this apply changes, or refuses. Raises ApiError 409.

    Conflicts about `tolerated` fields are none.
    """
    changed = sets.union(comparison.modified, comparison.added)
    conflicts: list[tuple[str, str]] = []
    for entry in entries.values():
        if entry.key == key:
            continue
        contested = sets.intersection(entry.owned, changed)
        refused = sets.difference(contested, tolerated)
        if refused and not force:
            who = f'conflict with "{entry.manager}"'
            if entry.subresource:
                who += f' with subresource "{entry.subresource}"'
            if entry.operation == UPDATE:
                who += f" using {view or entry.api_version}"
            conflicts += [(who, path) for path in sets.paths(refused)]
        entry.owned = sets.difference(sets.difference(entry.owned, contested), comparison.removed)
    if conflicts:
        raise apply_conflict(conflicts)


def _drop_abandoned(merged: Object, last: Fields, entries: Iterable[_Entry], node: Node) -> Object:
    """Removes what this applier owned, does not apply any more, and nobody else owns."""
    if not last:
        return merged
    owned: Fields = {}
    for entry in entries:
        owned = sets.union(owned, entry.owned)
    gone = sets.difference(typed.with_named_parents(last, node), typed.with_named_parents(owned, node))
    if not gone:
        return merged
    removed: Object = typed.remove(merged, gone, node)
    return removed


def _before_first_apply(live: Object, node: Node, manager: Manager, entries: dict[_Key, _Entry]) -> None:
    """An object that nobody manages was still written by somebody."""
    owned = _placeless(typed.fields_of(_owned_part(live, ("status",)), node))
    entry = _Entry(BEFORE_FIRST_APPLY, UPDATE, manager.api_version, "", manager.time, owned)
    if owned:
        entries[entry.key] = entry


def _owned_part(obj: Object, reset: tuple[str, ...]) -> Object:
    """The object without what nobody owns, and without what this write cannot reach (`reset`)."""
    out = {key: value for key, value in obj.items() if key not in _UNOWNED and key not in reset}
    meta = out.get("metadata")
    if isinstance(meta, dict):
        kept = {key: value for key, value in meta.items() if key not in _UNOWNED_METADATA}
        out["metadata"] = kept
        if not kept:
            del out["metadata"]
    return out


def _placeless(fields: Fields) -> Fields:
    """Without `metadata` itself as a member: it is never anybody's."""
    meta = fields.get("f:metadata")
    if meta is None or sets.SELF not in meta:
        return fields
    rest = {element: below for element, below in meta.items() if element != sets.SELF}
    out = {element: below for element, below in fields.items() if element != "f:metadata"}
    return {**out, "f:metadata": rest} if rest else out


def _empty(node: Node) -> Object:
    """What a new object is compared with: built-in types have their structs even when nothing was written, so
    the writer owns what is in them and not the places themselves.
    """
    made: Object | None = zero(node)
    return made or {}


def _entries_of_update(old: Object | None, new: Object, manager: Manager) -> dict[_Key, _Entry]:
    if old is None:
        return {}
    sent = new["metadata"].get("managedFields") if not manager.subresource else None
    if sent is not None:
        if sent in ([], [{}]):
            return {}
        decoded = _decoded(new)
        if decoded:
            return decoded
    return _decoded(old)


def _decoded(obj: Object) -> dict[_Key, _Entry]:
    found: dict[_Key, _Entry] = {}
    for wire in obj["metadata"].get("managedFields") or ():
        if not isinstance(wire, dict) or wire.get("operation") not in {APPLY, UPDATE}:
            continue
        entry = _Entry(
            str(wire.get("manager", "")),
            wire["operation"],
            str(wire.get("apiVersion", "")),
            str(wire.get("subresource", "")),
            str(wire.get("time", "")),
            sets.decode(wire.get("fieldsV1")),
        )
        found[entry.key] = entry
    return found


def _write(obj: Object, entries: Iterable[_Entry]) -> None:
    """Puts the entries into the object: empty ones go, old updates are summed up, in the API server's order."""
    kept = _capped([entry for entry in entries if entry.owned])
    kept.sort(key=lambda e: (e.operation, e.time, e.manager, e.api_version, e.subresource))
    if kept:
        obj["metadata"]["managedFields"] = [entry.encoded() for entry in kept]
    else:
        obj["metadata"].pop("managedFields", None)


def _capped(entries: list[_Entry]) -> list[_Entry]:
    """At most ten updaters: the oldest become one, called ancient-changes."""
    updates = sorted((e for e in entries if e.operation == UPDATE), key=lambda e: (e.time, e.manager))
    extra = len(updates) - MAX_UPDATE_ENTRIES
    if extra <= 0:
        return entries
    merged: dict[str, _Entry] = {}
    old = updates[: extra + 1]
    for entry in old:
        into = merged.setdefault(
            entry.api_version, _Entry(ANCIENT, UPDATE, entry.api_version, "", entry.time)
        )
        into.owned = sets.union(into.owned, entry.owned)
        into.time = max(into.time, entry.time)
    gone = {id(entry) for entry in old}
    return [entry for entry in entries if id(entry) not in gone] + list(merged.values())
