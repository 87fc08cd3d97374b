"""Reading values: fields, items, rounds of a loop; and the maps that expressions make."""

from collections.abc import Iterable
from typing import Any, Final

from sympozium.cel.errors import EvaluationError
from sympozium.cel.values import NONE, Optional, go_name, key_of, type_name, unkeyed

MISSING: Final = object()


def field_of(value: Any, field: str) -> Any:
    if isinstance(value, dict):
        found = value.get(field, MISSING)
        if found is not MISSING:
            return found
    elif isinstance(value, list):
        raise bad_index(field, value)
    elif field in (known := getattr(value, "cel_fields", {})):
        return known[field]
    raise EvaluationError(f"no such key: {field}")


def optional_field_of(value: Optional, field: str) -> Optional:
    if not value.present:
        return NONE
    if value.value is None:
        return NONE
    if isinstance(value.value, dict):
        found = value.value.get(field, MISSING)
        return NONE if found is MISSING else Optional(found)
    return Optional(field_of(value.value, field))


def bad_index(key: Any, value: Any) -> EvaluationError:
    return EvaluationError(f"unsupported index type '{type_name(key)}' in {type_name(value)}")


def item_of(value: Any, key: Any) -> Any:
    if isinstance(value, dict):
        found = value.get(key_of(key), MISSING)
        if found is not MISSING:
            return found
        raise EvaluationError(f"no such key: {shown(key)}")
    if isinstance(value, list):
        at = position(value, key)
        if 0 <= at < len(value):
            return value[at]
        raise EvaluationError(f"index out of bounds: {at}")
    raise EvaluationError(f"no such key: {shown(key)}")


def position(value: list[Any], key: Any) -> int:
    if type(key) is bool or not isinstance(key, int | float):
        raise bad_index(key, value)
    if isinstance(key, float) and not key.is_integer():
        raise bad_index(key, value)
    return int(key)


def shown(key: Any) -> str:
    return str(key).lower() if type(key) is bool else str(key)


def optional_item_of(value: Any, key: Any) -> Optional:
    if type(value) is Optional:
        return optional_item_of(value.value, key) if value.present else NONE
    if isinstance(value, dict):
        found = value.get(key_of(key), MISSING)
        return NONE if found is MISSING else Optional(found)
    if isinstance(value, list):
        at = position(value, key)
        return Optional(value[at]) if 0 <= at < len(value) else NONE
    raise EvaluationError(f"no such key: {shown(key)}")


def dict_of(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    for key, value in pairs:
        known = key_of(key)
        if known in made:
            raise EvaluationError(f"Failed with repeated key: {key}")
        made[known] = value
    return made


def rounds_of(value: Any, first: str, second: str) -> Iterable[dict[str, Any]]:
    """The variables of each round."""
    if isinstance(value, list):
        if second:
            return ({first: index, second: item} for index, item in enumerate(value))
        return ({first: item} for item in value)
    if isinstance(value, dict):
        if second:
            return ({first: unkeyed(key), second: item} for key, item in value.items())
        return ({first: unkeyed(key)} for key in value)
    raise EvaluationError(f"got '{go_name(value)}', expected iterable type")


class StructValue(dict[str, Any]):
    """`Name{...}`: a map that knows its name."""

    __slots__ = ("cel_name",)

    def __init__(self, name: str, fields: Iterable[tuple[str, Any]]) -> None:
        super().__init__(fields)
        self.cel_name = name
