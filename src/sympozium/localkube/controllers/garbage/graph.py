"""Who owns whom: the metadata of every object that can own or be owned.

Fed by watches of many kinds, whose order among each other is not given: a dependent may be seen before
its owner. The graph only says what is worth looking at; the collector asks the API before it deletes.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sympozium.localkube.controllers.discovery import Served
from sympozium.localkube.types import Object

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"


@dataclass(frozen=True, slots=True)
class Owner:
    """One owner reference."""

    api_version: str
    kind: str
    name: str
    uid: str
    blocks: bool


@dataclass(frozen=True, slots=True)
class Node:
    """What is kept of an object."""

    served: Served
    namespace: str
    name: str
    uid: str
    owners: tuple[Owner, ...]
    deleting: bool
    finalizers: frozenset[str]

    @property
    def path(self) -> str:
        return self.served.path(self.namespace, self.name)

    @property
    def waits_for_dependents(self) -> bool:
        return self.deleting and FOREGROUND in self.finalizers

    @property
    def orphans_dependents(self) -> bool:
        return self.deleting and ORPHAN in self.finalizers


def owners_of(obj: Object) -> tuple[Owner, ...]:
    return tuple(
        Owner(ref["apiVersion"], ref["kind"], ref["name"], ref["uid"], bool(ref.get("blockOwnerDeletion")))
        for ref in obj["metadata"].get("ownerReferences") or ()
    )


def node_of(served: Served, obj: Object) -> Node:
    meta = obj["metadata"]
    return Node(
        served=served,
        namespace=meta.get("namespace", ""),
        name=meta["name"],
        uid=meta["uid"],
        owners=owners_of(obj),
        deleting=bool(meta.get("deletionTimestamp")),
        finalizers=frozenset(meta.get("finalizers") or ()),
    )


class Graph:
    """Objects by uid, and their dependents. Each change returns the uids that are worth a look."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self._dependents: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return len(self.nodes)

    def dependents(self, uid: str) -> list[Node]:
        return [self.nodes[child] for child in self._dependents.get(uid, ()) if child in self.nodes]

    def blocking(self, uid: str) -> list[Node]:
        """Dependents that a foreground deletion waits for."""
        return [
            node
            for node in self.dependents(uid)
            if any(owner.uid == uid and owner.blocks for owner in node.owners)
        ]

    def put(self, node: Node) -> Iterable[str]:
        """An object was added or changed."""
        old = self.nodes.get(node.uid)
        if old == node:
            return ()
        self.nodes[node.uid] = node
        before = {owner.uid for owner in old.owners} if old else set()
        after = {owner.uid for owner in node.owners}
        for uid in after - before:
            self._dependents.setdefault(uid, set()).add(node.uid)
        for uid in before - after:
            self._unlink(uid, node.uid)
        look = set()
        if any(uid not in self.nodes for uid in after - before):
            look.add(node.uid)  # an owner that is not known: perhaps it does not exist
        if node.deleting and (node.waits_for_dependents or node.orphans_dependents):
            look.add(node.uid)
        for uid in after | before:
            owner = self.nodes.get(uid)
            if owner is not None and owner.deleting:
                # Made while its owner goes, or it let go of an owner that waits for it.
                look |= {uid, node.uid}
        return look

    def remove(self, uid: str) -> Iterable[str]:
        """An object is gone: its dependents may be garbage, and its owners may be waiting for it."""
        node = self.nodes.pop(uid, None)
        look = {child for child in self._dependents.get(uid, ()) if child in self.nodes}
        if node is not None:
            for owner in node.owners:
                self._unlink(owner.uid, uid)
                known = self.nodes.get(owner.uid)
                if known is not None and known.deleting:
                    look.add(owner.uid)
        return look

    def _unlink(self, owner: str, child: str) -> None:
        children = self._dependents.get(owner)
        if children is not None:
            children.discard(child)
            if not children:
                del self._dependents[owner]
