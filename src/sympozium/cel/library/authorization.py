"""The authorizer: may the user of this request do something else as well?

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-authorizer-library. What it asks is a callable, so
that the rest of CEL knows nothing of users.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from sympozium.cel.declarations import Overload, method
from sympozium.cel.errors import EvaluationError
from sympozium.cel.types import (
    AUTHORIZER,
    BOOL,
    DECISION,
    GROUP_CHECK,
    PATH_CHECK,
    RESOURCE_CHECK,
    STRING,
)
from sympozium.cel.values import Opaque

Ask = Callable[[dict[str, str]], tuple[bool, str]]
"""From verb, path or group, resource, subresource, namespace, name, fieldSelector and serviceAccount
(`namespace:name`, "" for the user of the request) to (allowed, reason)."""


@dataclass(frozen=True, eq=False)
class AuthorizerValue(Opaque):
    cel_name: ClassVar[str] = AUTHORIZER.name
    ask: Ask
    account: str = ""
    request: dict[str, str] | None = None
    """What the request itself asks, for `authorizer.requestResource`."""

    @property
    def cel_fields(self) -> dict[str, Any]:
        return {} if self.request is None else {"requestResource": ResourceCheck(self, self.request)}


@dataclass(frozen=True, eq=False)
class Check(Opaque):
    """A path, a group or a resource of which something will be asked."""

    authorizer: AuthorizerValue
    asked: dict[str, str] = field(default_factory=dict)

    def with_(self, kind: type["Check"], **more: str) -> "Check":
        return kind(self.authorizer, {**self.asked, **more})


class PathCheck(Check):
    cel_name: ClassVar[str] = PATH_CHECK.name


class GroupCheck(Check):
    cel_name: ClassVar[str] = GROUP_CHECK.name


class ResourceCheck(Check):
    cel_name: ClassVar[str] = RESOURCE_CHECK.name


@dataclass(frozen=True, eq=False)
class Decision(Opaque):
    cel_name: ClassVar[str] = DECISION.name
    allowed: bool
    reason: str


def _path(authorizer: AuthorizerValue, path: str) -> Check:
    if not path.strip():
        raise EvaluationError("path must not be empty")
    return PathCheck(authorizer, {"path": path})


def _resource(check: Check, resource: str) -> Check:
    if not resource.strip():
        raise EvaluationError("resource must not be empty")
    return check.with_(ResourceCheck, resource=resource)


def _account(authorizer: AuthorizerValue, namespace: str, name: str) -> AuthorizerValue:
    label = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
    if len(name) > 253 or not all(label.fullmatch(part) for part in name.split(".")):
        raise EvaluationError("Invalid service account name")
    if len(namespace) > 63 or not label.fullmatch(namespace):
        raise EvaluationError("Invalid service account namespace")
    return replace(authorizer, account=f"{namespace}:{name}")


def _check(check: Check, verb: str) -> Decision:
    allowed, reason = check.authorizer.ask(
        {**check.asked, "verb": verb, "serviceAccount": check.authorizer.account}
    )
    return Decision(allowed, reason)


def _with(key: str) -> Any:
    return lambda check, value: check.with_(ResourceCheck, **{key: value})


OVERLOADS: list[Overload] = [
    method("path", (AUTHORIZER, STRING), PATH_CHECK, _path),
    method(
        "group",
        (AUTHORIZER, STRING),
        GROUP_CHECK,
        lambda authorizer, group: GroupCheck(authorizer, {"group": group}),
    ),
    method("serviceAccount", (AUTHORIZER, STRING, STRING), AUTHORIZER, _account),
    method("resource", (GROUP_CHECK, STRING), RESOURCE_CHECK, _resource),
    *(
        method(key, (RESOURCE_CHECK, STRING), RESOURCE_CHECK, _with(key))
        for key in ("subresource", "namespace", "name", "fieldSelector", "labelSelector")
    ),
    method("check", (PATH_CHECK, STRING), DECISION, _check),
    method("check", (RESOURCE_CHECK, STRING), DECISION, _check),
    method("allowed", (DECISION,), BOOL, lambda decision: decision.allowed),
    method("reason", (DECISION,), STRING, lambda decision: decision.reason),
    method("errored", (DECISION,), BOOL, lambda _decision: False),
    method("error", (DECISION,), STRING, lambda _decision: ""),
]
