"""Stored states as the asked-for version shows them.

Built-in objects are stored in their only version: their bytes go out as they are. Custom resources are
read through the current schema, so that new defaults and pruning hold for old objects, and under
any served version; the result is kept with the state until the schema changes. Events can be read under
two groups.
"""

import orjson

from sympozium.localkube import events
from sympozium.localkube.errors import no_such_resource
from sympozium.localkube.resources import Resource
from sympozium.localkube.store import Entry
from sympozium.localkube.types import Object, TypeInfo, Types


class Presenter:
    def __init__(self, types: Types) -> None:
        self._types = types

    def type_of(self, resource: Resource) -> TypeInfo:
        """The semantics of a resource's stored form. Raises ApiError 404 when its CRD has just gone."""
        group = resource.group if resource.storage_group is None else resource.storage_group
        found = self._types.get(group, resource.version, resource.kind)
        if found is None:
            raise no_such_resource()
        return found

    def view_of(self, resource: Resource) -> TypeInfo:
        """The semantics of the form that clients of a resource see."""
        if resource.storage_group is None:
            return self.type_of(resource)
        found = self._types.get(resource.group, resource.version, resource.kind)
        assert found is not None, "events.k8s.io is built in"
        return found

    def raw(self, entry: Entry, resource: Resource) -> bytes:
        """The encoded object."""
        if resource.custom:
            return self._custom(entry, resource)
        if resource.storage_group is not None:
            return orjson.dumps(self.view_of(resource).prune(events.to_new(entry.object)))
        return entry.raw

    def shared(self, entry: Entry, resource: Resource) -> Object:
        """The decoded object, read-only: it may be the one that access and admission keep."""
        if resource.custom:
            obj: Object = orjson.loads(self._custom(entry, resource))
            return obj
        kept = entry.views.get("object")
        found: Object = entry.object if kept is None else kept
        return found if resource.storage_group is None else events.to_new(found)

    def fresh(self, entry: Entry, resource: Resource) -> Object:
        """A copy to change, in the asked-for version."""
        obj: Object = orjson.loads(self.raw(entry, resource))
        return obj

    def item(self, entry: Entry, resource: Resource) -> bytes:
        """The encoded object as an item of a list: built-in kinds leave out kind and apiVersion."""
        raw = self.raw(entry, resource)
        if resource.custom:
            return raw
        head = _head(resource)
        if raw.startswith(head):
            return b"{" + raw[len(head) :]
        obj = orjson.loads(raw)
        obj.pop("kind", None)
        obj.pop("apiVersion", None)
        return orjson.dumps(obj)

    def _custom(self, entry: Entry, resource: Resource) -> bytes:
        type_info = self.type_of(resource)
        view = ("raw", resource.version)
        kept = entry.views.get(view)
        if kept is not None and kept[0] is type_info:
            return bytes(kept[1])
        obj = entry.object
        obj["apiVersion"] = resource.api_version
        raw = orjson.dumps(type_info.default(type_info.prune(obj)))
        if raw == entry.raw:
            raw = entry.raw  # the usual case: nothing to convert, so nothing more to keep
        entry.views[view] = (type_info, raw)
        return raw


def _head(resource: Resource) -> bytes:
    return f'{{"kind":"{resource.kind}","apiVersion":"{resource.api_version}",'.encode()
