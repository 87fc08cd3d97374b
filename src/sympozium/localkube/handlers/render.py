"""Objects and lists in the form that was negotiated: object, metadata alone, or Table; JSON or YAML."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

import orjson

from sympozium.localkube.errors import bad_request
from sympozium.localkube.negotiate import Form
from sympozium.localkube.present import Presenter
from sympozium.localkube.resources import Resource
from sympozium.localkube.store import Entry
from sympozium.localkube.tables.table import partial_metadata, table
from sympozium.localkube.types import Object
from sympozium.localkube.wire import Answer, Request

Result = TypeVar("Result")
TURN = 250
"""Objects that are shown in one turn of the event loop: some milliseconds."""


def encode(value: Object | bytes, form: Form, status: int = 200) -> Answer:
    """`value` is an object, or one that is already JSON."""
    if form.encoding == "yaml":
        from sympozium.localkube import yamlbody

        return Answer(
            status=status,
            body=yamlbody.dump(orjson.loads(value) if isinstance(value, bytes) else value),
            content_type=form.content_type,
        )
    body = value if isinstance(value, bytes) else orjson.dumps(value)
    return Answer(status=status, body=body, content_type=form.content_type)


def include_object(request: Request) -> str:
    """`includeObject` of a Table request. Raises ApiError 400."""
    chosen = request.query.get("includeObject") or "Metadata"
    if chosen not in {"Metadata", "Object", "None"}:
        why = "must be 'Metadata', 'Object', 'None', or empty"
        raise bad_request(
            f'Unable to convert to Table as requested: includeObject: Invalid value: "{chosen}": {why}'
        )
    return chosen


def one(entry: Entry, resource: Resource, presenter: Presenter, form: Form, request: Request) -> Answer:
    """One stored object."""
    if form.form == "object":
        return encode(presenter.raw(entry, resource), form)
    return encode(shaped(presenter.shared(entry, resource), resource, form, request), form)


def shaped(obj: Object, resource: Resource, form: Form, request: Request, *, headers: bool = True) -> Object:
    """An object in its form, still as an object."""
    if form.form == "partial":
        return partial_metadata(obj, form.version)
    if form.form == "table":
        metadata = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
        include = include_object(request)
        return table(resource, [obj], metadata, include=include, headers=headers, version=form.version)
    return obj


async def in_turns(entries: Sequence[Entry], step: Callable[[Entry], Result]) -> list[Result]:
    """`step` of each entry; between some hundreds of them other requests have their turn."""
    done: list[Result] = []
    for start in range(0, len(entries), TURN):
        if start:
            await asyncio.sleep(0)
        done += map(step, entries[start : start + TURN])
    return done


async def many(
    entries: Sequence[Entry],
    metadata: Object,
    resource: Resource,
    presenter: Presenter,
    form: Form,
    request: Request,
) -> Answer:
    """A list; items of built-in kinds have no kind and apiVersion, as the API server writes them."""
    if form.form == "object":
        head = orjson.dumps(
            {"kind": resource.list_kind, "apiVersion": resource.api_version, "metadata": metadata}
        )
        items = await in_turns(entries, lambda entry: presenter.item(entry, resource))
        whole = head[:-1] + b',"items":[' + b",".join(items) + b"]}"
        # YAML is written in Python: a long list of it would stop everything else.
        return (
            await asyncio.to_thread(encode, whole, form) if form.encoding == "yaml" else encode(whole, form)
        )
    if form.form == "table":
        include = include_object(request)
        made = table(resource, (), metadata, include=include, version=form.version)
        for start in range(0, len(entries), TURN):
            await asyncio.sleep(0)
            part = [presenter.shared(entry, resource) for entry in entries[start : start + TURN]]
            rows = table(resource, part, {}, include=include, version=form.version)["rows"]
            made["rows"] += [orjson.Fragment(orjson.dumps(row)) for row in rows]
        return encode(orjson.dumps(made), form)
    listed = {
        "kind": "PartialObjectMetadataList",
        "apiVersion": f"meta.k8s.io/{form.version}",
        "metadata": metadata,
        "items": await in_turns(
            entries, lambda entry: partial_metadata(presenter.shared(entry, resource), form.version)
        ),
    }
    return encode(listed, form)
