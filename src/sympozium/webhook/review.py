"""AdmissionReview in and out, as values. No I/O.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#request
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from sympozium.api.base import Object
from sympozium.policy.verdict import Violation

_API_VERSION: Final = "admission.k8s.io/v1"
_WARNING_LIMIT: Final = 250
"""Characters of a warning; kube-apiserver cuts longer ones, so they are cut here, where it can be seen."""


class ReviewError(Exception):
    """The body is no AdmissionReview."""


@dataclass(frozen=True, slots=True)
class User:
    """Who makes the request, as the API server authenticated them."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def service_account(self) -> tuple[str, str] | None:
        """(namespace, name) of a ServiceAccount, None for others."""
        prefix, _, rest = self.name.partition("system:serviceaccount:")
        namespace, separator, name = rest.partition(":")
        return (namespace, name) if not prefix and separator else None


@dataclass(frozen=True, slots=True)
class Request:
    """What the API server is about to do."""

    uid: str
    kind: str
    namespace: str
    name: str
    operation: str
    subresource: str
    user: User
    object: Object
    old: Object

    @classmethod
    def parse(cls, review: Any) -> Self:
        """Raises ReviewError that says what is missing."""
        try:
            request = review["request"]
            info = request.get("userInfo") or {}
            return cls(
                uid=request["uid"],
                kind=request["kind"]["kind"],
                namespace=request.get("namespace") or "",
                name=request.get("name") or "",
                operation=request["operation"],
                subresource=request.get("subResource") or "",
                user=User(
                    info.get("username") or "",
                    info.get("uid") or "",
                    tuple(info.get("groups") or ()),
                    info.get("extra") or {},
                ),
                object=request.get("object") or {},
                old=request.get("oldObject") or {},
            )
        except (KeyError, TypeError, AttributeError) as exc:
            raise ReviewError(f"not an AdmissionReview of {_API_VERSION}: {exc!r}") from exc


@dataclass(frozen=True, slots=True)
class Answer:
    """What the webhook says: allowed or not, warnings, and a JSON patch when it mutates."""

    allowed: bool
    code: int = 200
    reason: str = ""
    message: str = ""
    causes: tuple[Violation, ...] = ()
    warnings: tuple[str, ...] = ()
    patch: tuple[Object, ...] = ()

    def to_review(self, uid: str) -> Object:
        response: Object = {"uid": uid, "allowed": self.allowed}
        if not self.allowed:
            status: Object = {
                "status": "Failure",
                "code": self.code,
                "reason": self.reason,
                "message": self.message,
            }
            if self.causes:
                status["details"] = {
                    "causes": [
                        {"reason": "FieldValueInvalid", "field": c.field, "message": c.message}
                        for c in self.causes
                    ]
                }
            response["status"] = status
        if self.warnings:
            response["warnings"] = [_shortened(warning) for warning in self.warnings]
        if self.patch:
            from base64 import b64encode

            import orjson

            response["patchType"] = "JSONPatch"
            response["patch"] = b64encode(orjson.dumps(list(self.patch))).decode()
        return {"apiVersion": _API_VERSION, "kind": "AdmissionReview", "response": response}


def allow(*, warnings: Sequence[str] = (), patch: Sequence[Object] = ()) -> Answer:
    return Answer(allowed=True, warnings=tuple(warnings), patch=tuple(patch))


def invalid(violations: Sequence[Violation]) -> Answer:
    """The object is wrong: 422 with the path of each field."""
    return _refused(422, "Invalid", violations)


def forbidden(violations: Sequence[Violation]) -> Answer:
    """The object is well-formed, and a rule does not allow it: 403."""
    return _refused(403, "Forbidden", violations)


def failed(message: str) -> Answer:
    """The webhook cannot decide: 500. Refusing is the only safe answer."""
    return Answer(allowed=False, code=500, reason="InternalError", message=message)


def _refused(code: int, reason: str, violations: Sequence[Violation]) -> Answer:
    return Answer(
        allowed=False,
        code=code,
        reason=reason,
        message="; ".join(str(violation) for violation in violations),
        causes=tuple(violations),
    )


def _shortened(warning: str) -> str:
    line = " ".join(warning.split())
    return line if len(line) <= _WARNING_LIMIT else line[: _WARNING_LIMIT - 4] + " ..."
