"""Objects of our kinds, as they are, and what is written of them."""

from typing import Literal

from pydantic import Field

from sympozium.server.models.base import YAML_LIMIT, ApiModel, KubeObject


class Kind(ApiModel):
    """A kind of ours. `schema` is the OpenAPI schema of its objects, for editors."""

    kind: str
    plural: str
    singular: str
    short_names: list[str]
    namespaced: bool
    description: str
    schema_: KubeObject = Field(alias="schema")


class Namespace(ApiModel):
    """`agents`: whether there are agents that the caller may list."""

    name: str
    agents: bool


class Namespaces(ApiModel):
    """`partial`: the caller may not list namespaces, so these are those with objects of ours that they may list."""

    items: list[Namespace]
    partial: bool


class ObjectPage(ApiModel):
    """`continue` goes into the next request; it is empty on the last page. `remaining` is Kubernetes' estimate."""

    items: list[KubeObject]
    continue_: str = Field(alias="continue")
    remaining: int | None = None


class Written(ApiModel):
    """The object as it was admitted, and what admission warns of."""

    object: KubeObject
    warnings: list[str]


class Deleted(ApiModel):
    """`object` is there while something holds the object up (finalizers, a graceful end); null when it is gone."""

    object: KubeObject | None
    warnings: list[str]


class ApplyOrder(ApiModel):
    """Documents as people keep them in files. `force` takes fields that others manage."""

    yaml: str = Field(min_length=1, max_length=YAML_LIMIT)
    namespace: str = "default"
    dry_run: bool = False
    force: bool = False


class AppliedObject(ApiModel):
    object: KubeObject
    action: Literal["created", "configured", "unchanged"]


class Applied(ApiModel):
    items: list[AppliedObject]
    warnings: list[str]
