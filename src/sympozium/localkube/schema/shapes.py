"""How the API server's Go types write themselves: what OpenAPI does not say about built-in kinds.

A typed server decodes a body into structs and writes the structs again, which clients see: fields come in the
struct's order, zero values of what is no pointer are left out, structs and some fields are written even when
nobody set them (`spec: {}`, `rules: null`, `status.replicas: 0`), and messages name Go types. The data
(scripts/go_shapes.py) are the struct tags; a `Shape` is what they say about one definition.
"""

import functools
import gzip
from importlib import resources
from typing import Any, Final

from sympozium.localkube.schema.node import (  # fmt: skip
    ANY,
    ARRAY,
    BOOLEAN,
    INT_OR_STRING,
    INTEGER,
    NUMBER,
    OBJECT,
    QUANTITY,
    STRING,
    Node,
)

POINTER: Final = "*"
WRITTEN: Final = "!"
OMITZERO: Final = "0"


class Shape:
    """One definition. `rank` orders the keys; `types` are the Go names of the fields' types; `embedded` has the
    name of the embedded struct, with a dot, of those fields that have one.

    `always` are the fields that are written even when nobody set them, and `zeros` those that are left out
    when they are zero, with their nodes.
    """

    __slots__ = ("always", "embedded", "rank", "types", "zeros")

    def __init__(self, line: str, properties: dict[str, Node]) -> None:
        fields = [(*field.split(":"), "")[:4] for field in line.split(" ")]
        self.rank = {name: index for index, (name, _, _, _) in enumerate(fields)}
        self.types = {name: go for name, _, go, _ in fields}
        self.embedded = {name: via for name, _, _, via in fields if via}
        self.always: list[tuple[str, Node]] = []
        self.zeros: dict[str, Node] = {}
        for name, flags, _, _ in fields:
            child = properties.get(name)
            if child is None or POINTER in flags:
                continue
            if OMITZERO in flags:
                self.zeros[name] = child
            elif WRITTEN in flags or _is_struct(child):
                self.always.append((name, child))
            elif child.type in {STRING, INTEGER, NUMBER, BOOLEAN, ARRAY, OBJECT}:
                self.zeros[name] = child


def _is_struct(node: Node) -> bool:
    """To Go's encoder a struct is never empty."""
    if node.type == OBJECT:
        return node.additional is None
    return node.type in {QUANTITY, INT_OR_STRING, ANY} or (
        node.type == STRING and node.format in {"date-time", "micro-time"}
    )


_ZEROS: Final[dict[str, Any]] = {
    INTEGER: 0,
    NUMBER: 0,
    BOOLEAN: False,
    QUANTITY: "0",
    INT_OR_STRING: 0,
}


def zero(node: Node) -> Any:
    """The zero value of a field's type, as it is written."""
    if node.type == OBJECT and node.additional is None:
        return {} if node.shape is None else {name: zero(child) for name, child in node.shape.always}
    if node.type == STRING:
        return None if node.format in {"date-time", "micro-time"} else ""
    return _ZEROS.get(node.type)


def arrange(value: dict[str, Any], shape: Shape) -> None:
    """Gives a struct, whose fields are done, the form in which it is written."""
    zeros = shape.zeros
    for name in [name for name, inner in value.items() if not inner and name in zeros]:
        del value[name]
    for name, child in shape.always:
        if value.get(name) is None:
            value[name] = zero(child)
    rank = shape.rank
    last = -1
    for name in value:
        place = rank.get(name, last)
        if place < last:
            break
        last = place
    else:
        return
    ordered = sorted(value.items(), key=lambda item: rank.get(item[0], len(rank)))
    value.clear()
    value.update(ordered)


@functools.cache
def shapes() -> dict[str, str]:
    """Definition -> its line of the packaged data."""
    data = resources.files("sympozium.localkube.schema").joinpath("data", "shapes.txt.gz").read_bytes()
    lines = gzip.decompress(data).decode().split("\n")
    return dict(line.split("\t", 1) for line in lines if line)
