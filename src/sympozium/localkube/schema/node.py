"""One place in a schema, ready to be walked.

Built-in kinds and custom resources share this shape, so that merging, field ownership and pruning exist
once. Nodes are made once, are shared, and never change afterwards; kinds that contain themselves
(JSONSchemaProps) are cycles of nodes. Where a schema says nothing (`type` empty), any JSON is allowed.
"""

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sympozium.localkube.schema.shapes import Shape

ANY: Final = ""
OBJECT: Final = "object"
ARRAY: Final = "array"
STRING: Final = "string"
INTEGER: Final = "integer"
NUMBER: Final = "number"
BOOLEAN: Final = "boolean"
INT_OR_STRING: Final = "int-or-string"
QUANTITY: Final = "quantity"

ATOMIC: Final = "atomic"
SET: Final = "set"
MAP: Final = "map"
GRANULAR: Final = "granular"


def is_whole(value: float) -> bool:
    """Whether a JSON number with a point or exponent is an integer; beyond 2**53 none is, as in Go's validation."""
    return value.is_integer() and abs(value) < 2**53


class Node:
    """`additional` is the node of further keys (None: there are none unless `preserve`).

    `default` is the default as JSON bytes, None without one. `raw` is the schema it was made from. `fills`
    says whether a default is somewhere below; `lists` whether list types, and `rules` (CEL) whether rules
    are at this place.
    """

    __slots__ = (
        "additional",
        "checks",
        "default",
        "embedded",
        "fills",
        "format",
        "items",
        "list_type",
        "map_keys",
        "map_type",
        "merge_key",
        "name",
        "nullable",
        "preserve",
        "properties",
        "raw",
        "required",
        "rules",
        "shape",
        "strategies",
        "type",
    )

    def __init__(self, type_: str = ANY, *, raw: dict[str, Any] | None = None) -> None:
        self.type = type_
        self.raw: dict[str, Any] = {} if raw is None else raw
        self.name = ""
        """The Go name of a built-in definition, as `v1.PodSpec`, for messages."""
        self.format = ""
        self.properties: dict[str, Node] = {}
        self.additional: Node | None = None
        self.items: Node | None = None
        self.required: tuple[str, ...] = ()
        self.nullable = False
        self.preserve = False
        self.embedded = False
        self.default: bytes | None = None
        self.fills = False
        self.list_type = ATOMIC
        self.map_type = GRANULAR
        self.map_keys: tuple[str, ...] = ()
        self.merge_key = ""
        self.strategies: tuple[str, ...] = ()
        self.checks: tuple[Any, ...] = ()
        self.rules: tuple[Any, ...] = ()
        self.shape: Shape | None = None
        """How a built-in struct is written; None for maps and custom resources."""

    def copy(self) -> "Node":
        """Another node that shares the children."""
        made = Node.__new__(Node)
        for slot in Node.__slots__:
            setattr(made, slot, getattr(self, slot))
        return made

    def child(self, key: str) -> "Node | None":
        """The node of a key of an object; None when the schema does not know it."""
        found = self.properties.get(key)
        return self.additional if found is None else found

    @property
    def is_map(self) -> bool:
        """A map of strings to values, where an object has named fields."""
        return self.additional is not None

    def __repr__(self) -> str:
        return f"<Node {self.type or 'any'} {self.name}>"


FREE: Final = Node()
"""Any JSON at all."""

ITEM_KEY_DEFAULTS: Final = {"protocol": "TCP"}
"""Keys of built-in map lists that may be left out (ports): Kubernetes' own schema gives them this default."""
