"""Built-in kinds: the `TypeInfo` that packaged schemas and strategies give together."""

from sympozium.localkube.defaults.strategy import PLAIN
from sympozium.localkube.defaults.table import STRATEGIES
from sympozium.localkube.patch.strategic import strategic_merge
from sympozium.localkube.schema import gotext
from sympozium.localkube.schema.amounts import canonical
from sympozium.localkube.schema.builtin import definitions
from sympozium.localkube.schema.decoding import type_errors
from sympozium.localkube.schema.equality import same
from sympozium.localkube.schema.node import Node
from sympozium.localkube.schema.prune import tidy, unknown_fields
from sympozium.localkube.types import Cause, Object

_APART = {"metadata", "status"}


class BuiltinType:
    """`namespaced` is what the registry of resources says; the schema does not know it."""

    custom = False

    def __init__(self, group: str, version: str, kind: str, node: Node, *, namespaced: bool) -> None:
        self.group = group
        self.version = version
        self.kind = kind
        self.namespaced = namespaced
        self.node = node
        self._strategy = STRATEGIES.get((group, kind), PLAIN)
        self.status_subresource = self._strategy.status

    def unknown_fields(self, obj: Object) -> list[str]:
        return unknown_fields(obj, self.node)

    def type_errors(self, obj: Object) -> list[str]:
        return type_errors(obj, self.node, self.kind)

    def prune(self, obj: Object) -> Object:
        """Also gives it the form in which the API server's own types write themselves."""
        tidy(obj, self.node, canonical)
        return obj

    def default(self, obj: Object) -> Object:
        self._strategy.default(obj)
        return obj

    def prepare_create(self, obj: Object) -> Object:
        if self._strategy.generation:
            obj["metadata"]["generation"] = 1
        self._strategy.create(obj)
        return self.prune(obj)

    def prepare_update(self, obj: Object, old: Object, subresource: str) -> Object:
        strategy = self._strategy
        if strategy.status:
            obj = self._status(obj, old) if subresource == "status" else self._main(obj, old)
        strategy.update(obj, old, subresource)
        if strategy.generation:
            # Anew after admission, which may have taken a change back.
            before = old["metadata"].get("generation", 0)
            obj["metadata"]["generation"] = before if same(_spec(obj), _spec(old)) else before + 1
        return self.prune(obj)

    def _status(self, obj: Object, old: Object) -> Object:
        made = {**old, "metadata": obj["metadata"]}
        if not self._strategy.status_metadata:
            made["metadata"] = dict(old["metadata"])
            if "managedFields" in obj["metadata"]:
                made["metadata"]["managedFields"] = obj["metadata"]["managedFields"]
        if "status" in obj:
            made["status"] = obj["status"]
        else:
            made.pop("status", None)
        return made

    @staticmethod
    def _main(obj: Object, old: Object) -> Object:
        obj.pop("status", None)
        if "status" in old:
            obj["status"] = old["status"]
        return obj

    def validate(self, obj: Object, old: Object | None, subresource: str = "") -> list[Cause]:
        missing = _missing(obj, self.node)
        if missing:
            return missing
        return self._strategy.check(obj, old, subresource)

    def warnings(self, obj: Object, old: Object | None, subresource: str = "") -> list[str]:
        """What a valid object is warned of."""
        return [] if subresource else self._strategy.warn(obj, old)

    def strategic_merge(self, current: Object, patch: Object) -> Object:
        return strategic_merge(current, patch, self.node)


def _spec(obj: Object) -> Object:
    return {key: value for key, value in obj.items() if key not in _APART}


def _missing(obj: Object, node: Node) -> list[Cause]:
    """Required top-level parts (`spec`, `roleRef`): the strategies read them without looking."""
    return [gotext.required(key) for key in node.required if obj.get(key) is None and key != "webhooks"]


def builtin_type(group: str, version: str, kind: str, *, namespaced: bool) -> BuiltinType | None:
    """None for a kind that the packaged schemas do not have."""
    name = definitions().of_kind(group, version, kind)
    if name is None:
        return None
    return BuiltinType(group, version, kind, definitions().node(name), namespaced=namespaced)
