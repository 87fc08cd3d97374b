"""What all models have: camelCase in JSON, and no field that is not known."""

from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

KubeObject = dict[str, Any]
"""An object of Kubernetes, as it is."""
YAML_LIMIT: Final = 256 * 1024
"""Characters of a text of YAML: reading one takes some hundred times as long as reading JSON of that size."""
T = TypeVar("T")


class ApiModel(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, extra="forbid"
    )


class Items(ApiModel, Generic[T]):
    """A whole list."""

    items: list[T]
