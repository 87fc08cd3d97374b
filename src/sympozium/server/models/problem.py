"""An error, as RFC 9457 has it. `problems` makes them; this is what the document of the API says of them."""

from typing import Any, Final

from pydantic import Field

from sympozium.server.models.base import ApiModel

CONTENT_TYPE: Final = "application/problem+json"


class Cause(ApiModel):
    """One mistake, and where it is."""

    field: str = ""
    reason: str = ""
    message: str = ""
    line: str | None = None
    """Of the text that was sent, from 1, where the mistake is in a text."""


class Problem(ApiModel):
    type: str
    title: str
    status: int
    detail: str
    """For a person: what was wrong, where, and what to do."""
    reason: str
    """A word that a program can switch on; Kubernetes' own where the refusal is Kubernetes'."""
    causes: list[Cause] = Field(default_factory=list)


RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    "default": {
        "description": "A problem (RFC 9457).",
        "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}
"""Every route may answer with a problem."""


def described(document: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI document with what every route shares: problems, and how a request says who sends it."""
    components = document.setdefault("components", {})
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    components.setdefault("schemas", {}).update({**schema.pop("$defs"), "Problem": schema})
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "A Kubernetes bearer token."},
        "trigger": {"type": "http", "scheme": "bearer", "description": "The token of a SympoziumTrigger."},
    }
    document["security"] = [{"token": []}]
    return document
