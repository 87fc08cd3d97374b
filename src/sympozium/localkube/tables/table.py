"""The Table object: column definitions and one row an object."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sympozium.localkube.resources import Column, Resource
from sympozium.localkube.tables import builtin
from sympozium.localkube.tables.age import age
from sympozium.localkube.tables.builtin import Cells
from sympozium.localkube.tables.jsonpath import compile_path
from sympozium.localkube.types import Object

NAME = Column(name="Name", format="name", description=builtin.DESCRIPTIONS["Name"])


def partial_metadata(obj: Object, version: str = "v1") -> Object:
    """The PartialObjectMetadata of an object, in a version of meta.k8s.io."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": obj["metadata"],
    }


def definitions(resource: Resource) -> list[Object]:
    return [_definition(column) for column in _layout(resource)[0]]


def table(
    resource: Resource,
    objects: Iterable[Object],
    metadata: Object,
    *,
    include: str = "Metadata",
    headers: bool = True,
    version: str = "v1",
) -> Object:
    """`include` is Metadata, Object or None: what each row carries; watches drop later `headers`."""
    columns, cells = _layout(resource)
    now = datetime.now(UTC)
    rows: list[Object] = []
    for obj in objects:
        row: Object = {"cells": cells(obj, now)}
        if include == "Object":
            row["object"] = obj
        elif include == "None":
            row["object"] = None
        else:
            row["object"] = partial_metadata(obj, version)
        rows.append(row)
    out: Object = {"kind": "Table", "apiVersion": f"meta.k8s.io/{version}", "metadata": metadata}
    out["columnDefinitions"] = [_definition(column) for column in columns] if headers else None
    out["rows"] = rows
    return out


def _layout(resource: Resource) -> tuple[tuple[Column, ...], Cells]:
    if resource.custom:
        return (NAME, *resource.columns), _custom_cells(resource.columns)
    if resource.storage_group is not None:
        return builtin.DEFAULT  # events.k8s.io: its fields have other names than the core table reads
    return builtin.TABLES.get(resource.plural, builtin.DEFAULT)


def _definition(column: Column) -> Object:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description
        or f"Custom resource definition column (in JSONPath format): {column.path}",
        "priority": column.priority,
    }


def _custom_cells(columns: tuple[Column, ...]) -> Cells:
    paths = [(column, compile_path(column.path)) for column in columns]

    def cells(obj: Object, now: datetime) -> list[Any]:
        return [obj["metadata"]["name"], *(_cell(column, path(obj), now) for column, path in paths)]

    return cells


def _cell(column: Column, found: list[Any], now: datetime) -> Any:
    values = [value for value in found if value is not None]
    if not values:
        return None
    value = values[0]
    if column.type == "date":
        return age(value, now)
    if column.type in {"integer", "number"}:
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None
    if column.type == "boolean":
        return value if isinstance(value, bool) else None
    return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    import orjson

    return orjson.dumps(value).decode()
