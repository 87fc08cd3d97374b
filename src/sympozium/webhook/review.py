"""AdmissionReview in and out, as values. No I/O.

A review is believed only where it is exactly what an API server sends: whatever is missing or of another type is a
ReviewError, which is HTTP 400 and therefore a refusal.
https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#request
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import orjson

from sympozium.api.base import Object
from sympozium.policy.verdict import Violation

_API_VERSION: Final = "admission.k8s.io/v1"
_WARNING_LIMIT: Final = 250
"""Characters of a warning; kube-apiserver cuts longer ones, so they are cut here, where it can be seen."""
_CAUSES: Final = 100
_MESSAGE_LIMIT: Final = 16_384
"""Of a refusal: what is left out is counted at its end."""
AUDIT_ANNOTATION: Final = "policy-audit"
"""In the API server's audit log `<webhook>/policy-audit`: what policies under `enforcement: Audit` would have refused."""


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
    group: str
    version: str
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
        body = _Reader(review, "")
        if (body.text("apiVersion"), body.text("kind")) != (_API_VERSION, "AdmissionReview"):
            raise ReviewError(f"not an AdmissionReview of {_API_VERSION}")
        request = body.map("request")
        kind, info = request.map("kind"), request.map("userInfo")
        return cls(
            uid=request.text("uid"),
            group=kind.text("group"),
            version=kind.text("version"),
            kind=kind.text("kind"),
            namespace=request.text("namespace", ""),
            name=request.text("name", ""),
            operation=request.text("operation"),
            subresource=request.text("subResource", ""),
            user=User(
                info.text("username"),
                info.text("uid", ""),
                tuple(info.texts("groups")),
                info.map("extra", optional=True).lists(),
            ),
            object=_object(request, "object"),
            old=_object(request, "oldObject"),
        )

    @property
    def what(self) -> str:
        """For logs and messages: `CREATE AgentRun ns/name`."""
        kind = f"{self.kind}/{self.subresource}" if self.subresource else self.kind
        return f"{self.operation} {kind} {self.namespace}/{self.name}"


class _Reader:
    """A JSON object of whose fields each is checked for its type when it is read."""

    def __init__(self, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise ReviewError(f"not an AdmissionReview: {path or 'the body'} is no object")
        self.value: Object = value
        self._path = path

    def text(self, key: str, default: str | None = None) -> str:
        """A field that is not empty, or `default` where it may be absent."""
        found = self.value.get(key)
        if (found is None or found == "") and default is not None:
            return default
        if not isinstance(found, str) or not found:
            raise self._wrong(key, "a text")
        return found

    def texts(self, key: str) -> list[str]:
        found = self.value.get(key)
        if found is None:
            return []
        if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
            raise self._wrong(key, "a list of texts")
        return found

    def map(self, key: str, *, optional: bool = False) -> "_Reader":
        found = self.value.get(key)
        if found is None and optional:
            return _Reader({}, self._at(key))
        if not isinstance(found, dict):
            raise self._wrong(key, "an object")
        return _Reader(found, self._at(key))

    def lists(self) -> dict[str, list[str]]:
        return {key: self.texts(key) for key in self.value}

    def require_texts(self, key: str) -> None:
        """A field that may be absent, and is an object of texts otherwise."""
        found = self.value.get(key)
        if found is not None and not (
            isinstance(found, dict) and all(isinstance(value, str) for value in found.values())
        ):
            raise self._wrong(key, "an object of texts")

    def require_maps(self, key: str) -> None:
        """A field that may be absent, and is a list of objects otherwise."""
        found = self.value.get(key)
        if found is not None and not (isinstance(found, list) and all(isinstance(i, dict) for i in found)):
            raise self._wrong(key, "a list of objects")

    def _at(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def _wrong(self, key: str, what: str) -> ReviewError:
        return ReviewError(f"not an AdmissionReview of {_API_VERSION}: {self._at(key)} is not {what}")


def _object(request: _Reader, key: str) -> Object:
    """An object with metadata that an API server could have read: it decodes them before it asks anybody."""
    found = request.map(key, optional=True)
    metadata = found.map("metadata", optional=True)
    for name in ("labels", "annotations"):
        metadata.require_texts(name)
    metadata.require_maps("ownerReferences")
    return found.value


@dataclass(frozen=True, slots=True)
class Answer:
    """What the webhook says: allowed or not, warnings, and a JSON patch when it mutates."""

    allowed: bool
    code: int = 200
    reason: str = ""
    message: str = ""
    causes: tuple[Violation, ...] = ()
    warnings: tuple[str, ...] = ()
    audited: tuple[Violation, ...] = ()
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
                        for c in self.causes[:_CAUSES]
                    ]
                }
            response["status"] = status
        warnings = [*(f"audit: {sentence(v)}" for v in self.audited), *self.warnings]
        if warnings:
            response["warnings"] = [_shortened(warning) for warning in warnings]
        if self.audited:
            response["auditAnnotations"] = {AUDIT_ANNOTATION: _sentences(self.audited)}
        if self.patch:
            response["patchType"] = "JSONPatch"
            response["patch"] = b64encode(orjson.dumps(list(self.patch))).decode()
        return {"apiVersion": _API_VERSION, "kind": "AdmissionReview", "response": response}


def allow(
    *, warnings: Sequence[str] = (), audited: Sequence[Violation] = (), patch: Sequence[Object] = ()
) -> Answer:
    return Answer(allowed=True, warnings=tuple(warnings), audited=tuple(audited), patch=tuple(patch))


def invalid(violations: Sequence[Violation]) -> Answer:
    """The object is wrong: 422 with the path of each field."""
    return _refused(422, "Invalid", violations)


def forbidden(violations: Sequence[Violation]) -> Answer:
    """The object is well-formed, and a rule does not allow it: 403."""
    return _refused(403, "Forbidden", violations)


def unknown(request: Request) -> Answer:
    """Nothing that this webhook knows how to judge: 400. What is not understood is not allowed."""
    message = f"the sympozium webhook does not judge {request.what} of {request.group}/{request.version}: is it older than the CRDs, or are the webhook configurations changed?"
    return Answer(allowed=False, code=400, reason="BadRequest", message=message)


def failed(message: str) -> Answer:
    """The webhook cannot decide: 500. Refusing is the only safe answer."""
    return Answer(allowed=False, code=500, reason="InternalError", message=message)


def sentence(violation: Violation) -> str:
    """A violation with the rule that it breaks, and what would be allowed."""
    text = str(violation)
    if violation.rule and violation.rule not in text:
        text += f" ({violation.rule})"
    return f"{text}; {violation.instead}" if violation.instead and violation.instead not in text else text


def _refused(code: int, reason: str, violations: Sequence[Violation]) -> Answer:
    return Answer(
        allowed=False, code=code, reason=reason, message=_sentences(violations), causes=tuple(violations)
    )


def _sentences(violations: Sequence[Violation]) -> str:
    """As many as fit, and how many did not."""
    text = ""
    for index, violation in enumerate(violations):
        more = ("; " if text else "") + sentence(violation)
        if text and len(text) + len(more) > _MESSAGE_LIMIT:
            return f"{text}; and {len(violations) - index} more"
        text += more[:_MESSAGE_LIMIT]
    return text


def _shortened(warning: str) -> str:
    line = " ".join(warning.split())
    return line if len(line) <= _WARNING_LIMIT else line[: _WARNING_LIMIT - 4] + " ..."
