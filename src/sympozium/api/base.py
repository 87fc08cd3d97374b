"""What all models share: names in JSON, strictness, and the scalar types of the schema.

Field names are Python's in the models and Kubernetes' in JSON: `base_url` is `baseURL`. A field without a
value is absent from JSON, never `null`. Unknown fields are errors, since the API server prunes or refuses
them and a model that took them would hide a typing mistake of ours.

A model carries more than types: the docstring under a field is the text of `kubectl explain`, and
`json_schema_extra` adds what a structural schema knows beyond JSON Schema (list types, formats). The docstrings
are read when the CRDs are generated, not when a process starts (pydantic's own option reads sources at import).
"""

from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from sympozium import durations, names, quantities

Object = dict[str, Any]
"""A Kubernetes object as JSON."""

_INITIALISMS: Final = {"url": "URL", "cpu": "CPU", "dns": "DNS", "rbac": "RBAC", "pid": "PID", "kb": "KB"}
_IRREGULAR: Final = {"trace_id": "traceID"}


def json_name(name: str) -> str:
    """`max_cpu` becomes `maxCPU`; a first word stays in lower case."""
    if name in _IRREGULAR:
        return _IRREGULAR[name]
    first, *rest = name.split("_")
    return first + "".join(_INITIALISMS.get(word, word.capitalize()) for word in rest)


class Model(BaseModel):
    """Base of every part of a resource."""

    model_config = ConfigDict(
        alias_generator=json_name,
        populate_by_name=True,
        extra="forbid",
        protected_namespaces=(),
        defer_build=True,  # a process builds the validators of the kinds that it reads, not of all
    )

    cel: ClassVar[tuple["Rule", ...]] = ()
    """CEL rules of this object, in the CRD's `x-kubernetes-validations`."""

    def to_json(self) -> Object:
        """JSON of this object: what was set, and nothing that is None; the API server fills in defaults."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True)

    def replaced(self, **changes: Any) -> Self:
        """A copy with some fields replaced, checked like a new one."""
        return type(self).model_validate({**dict(self), **changes})


class Rule(BaseModel):
    """One CEL rule (https://kubernetes.io/docs/reference/using-api/cel/)."""

    model_config = ConfigDict(alias_generator=json_name, populate_by_name=True, extra="forbid", frozen=True)

    rule: str
    message: str
    field_path: str | None = None
    reason: str | None = None


def map_list(*keys: str) -> dict[str, Any]:
    """A list whose items are told apart by keys: no duplicates, and server-side apply merges by item."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


SET_LIST: Final[dict[str, Any]] = {"x-kubernetes-list-type": "set"}
"""A list of scalars without duplicates."""


def _duration(text: str) -> str:
    durations.parse(text)
    return text


def _quantity(value: Any) -> Any:
    quantities.parse(value)
    return str(value)


def _label(text: str) -> str:
    if not names.is_label(text):
        raise ValueError(
            f"{text!r} is not a name: lower-case letters, digits and '-', beginning and ending with one of the first two, 63 at most"
        )
    return text


Duration = Annotated[
    str,
    AfterValidator(_duration),
    Field(json_schema_extra={"pattern": durations.PATTERN}),
]
"""A Go duration: `10m`, `1h30m`. `sympozium.durations.parse` gives seconds."""

Quantity = Annotated[
    str,
    BeforeValidator(_quantity),
    Field(json_schema_extra={"x-kubernetes-int-or-string": True, "pattern": quantities.PATTERN}),
]
"""A Kubernetes quantity; a number is taken and kept as its digits."""

Name = Annotated[str, Field(min_length=1, max_length=253)]
"""The name of another object in the same namespace."""

Label = Annotated[
    str, AfterValidator(_label), Field(max_length=63, json_schema_extra={"pattern": names.LABEL})
]
"""A name that becomes part of other names."""

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""RFC 3339, as in `metadata.creationTimestamp`. Kept as text: it is compared and shown, rarely computed."""
