"""Who owns what: an index over a shared cache, and what an owner is to adopt and to let go.

A child belongs to the object whose uid is in its controller reference. One without a controller is adopted by
whoever selects it; one whose labels no longer fit its owner's selector is let go.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sympozium.localkube.controllers.apps.pods import deleting
from sympozium.localkube.controllers.informer import Informer, Key, key_of
from sympozium.localkube.controllers.owners import controller_of
from sympozium.localkube.defaults.labels import matches
from sympozium.localkube.types import Object


class Children:
    """The objects of a cache by the uid of their controller, and those without one by namespace."""

    def __init__(self, cache: Informer) -> None:
        self.cache = cache
        self._owned: dict[str, dict[Key, Object]] = {}
        self._loose: dict[str, dict[Key, Object]] = {}
        cache.on_change(self._changed)

    def _changed(self, new: Object | None, old: Object | None) -> None:
        if old is not None:
            group, name = self._place(old)
            objects = group.get(name, {})
            objects.pop(key_of(old), None)
            if not objects:
                group.pop(name, None)
        if new is not None:
            group, name = self._place(new)
            group.setdefault(name, {})[key_of(new)] = new

    def _place(self, obj: Object) -> tuple[dict[str, dict[Key, Object]], str]:
        owner = controller_of(obj)
        if owner is not None:
            return self._owned, str(owner["uid"])
        return self._loose, str(obj["metadata"].get("namespace", ""))

    def of(self, owner: Object) -> list[Object]:
        return list(self._owned.get(owner["metadata"]["uid"], {}).values())

    def loose(self, namespace: str) -> list[Object]:
        return list(self._loose.get(namespace, {}).values())


@dataclass(slots=True)
class Claims:
    """`mine` stay; `adopt` and `release` need a write first."""

    mine: list[Object] = field(default_factory=list)
    adopt: list[Object] = field(default_factory=list)
    release: list[Object] = field(default_factory=list)


def labels_of(obj: Object) -> Object:
    return obj["metadata"].get("labels") or {}


def selector_of(owner: Object) -> Object:
    """A ReplicationController has plain labels where the others have a label selector."""
    selector: Object = owner["spec"].get("selector") or {}
    return {"matchLabels": selector} if owner["kind"] == "ReplicationController" else selector


def selects(owner: Object, obj: Object) -> bool:
    """An empty selector selects nothing here: it would adopt everything."""
    selector = selector_of(owner)
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        return False
    return matches(selector, labels_of(obj))


def claim(
    owner: Object,
    owned: Iterable[Object],
    loose: Iterable[Object],
    belongs: Callable[[Object], bool] = lambda _obj: True,
) -> Claims:
    """What belongs to `owner`; `belongs` is a further test beside the selector. One being deleted adopts nothing."""
    found = Claims()
    for obj in owned:
        if selects(owner, obj) and belongs(obj):
            found.mine.append(obj)
        elif not deleting(owner):
            found.release.append(obj)
    if not deleting(owner):
        found.adopt = [obj for obj in loose if not deleting(obj) and selects(owner, obj) and belongs(obj)]
    return found
