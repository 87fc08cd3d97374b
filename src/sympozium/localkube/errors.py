"""Errors as the API server words them: one exception, and a builder for each refusal.

Clients match on `reason`, `code` and sometimes on the text (kubectl prints it, client-go parses
causes), so the texts are those of a kube-apiserver and are written in one place. An `ApiError` is raised
anywhere below the HTTP layer and becomes a `Status` there (KUBE-API.md 1.1; meta/v1 Status).

`details.kind` is the plural resource for 404, 409 and 403, and the Kind for 422 and for delete
preconditions: that is the real server's habit, not ours.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sympozium.localkube.types import Cause, Object

REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    409: "Conflict",
    410: "Expired",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


class ApiError(Exception):
    """A refusal with everything that its Status needs.

    `details` is the Status' details object, None leaves it out; `causes` are put into it.
    `retry_after` (seconds) also becomes a header. `metadata` is the Status' ListMeta (continue tokens).
    """

    def __init__(
        self,
        code: int,
        message: str,
        *,
        reason: str | None = None,
        details: Object | None = None,
        causes: Sequence[Cause] = (),
        retry_after: int = 0,
        metadata: Object | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = REASONS.get(code, "") if reason is None else reason
        self.details = details
        self.causes = tuple(causes)
        self.retry_after = retry_after
        self.metadata = metadata

    def status(self) -> Object:
        """The meta/v1 Status object."""
        out: Object = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata or {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            out["reason"] = self.reason
        details = None if self.details is None else dict(self.details)
        if self.causes:
            details = {} if details is None else details
            details["causes"] = [_cause(cause) for cause in self.causes]
        if self.retry_after:
            details = {} if details is None else details
            details["retryAfterSeconds"] = self.retry_after
        if details is not None:
            out["details"] = details
        out["code"] = self.code
        return out


def _cause(cause: Cause) -> Object:
    out = {"reason": cause.reason, "message": cause.message, "field": cause.field}
    return {key: value for key, value in out.items() if value}


def qualified(group: str, resource: str) -> str:
    """`jobs.batch`, and for the core group `pods`."""
    return f"{resource}.{group}" if group else resource


def details_of(group: str, kind: str, name: str = "", uid: str = "") -> Object:
    """Status details; empty parts are left out, as omitempty does."""
    parts = {"name": name, "group": group, "kind": kind, "uid": uid}
    return {key: value for key, value in parts.items() if value}


def bad_request(message: str) -> ApiError:
    return ApiError(400, message)


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized")


def forbidden(group: str, resource: str, name: str, why: str, *, causes: Sequence[Cause] = ()) -> ApiError:
    """`configmaps "y" is forbidden: <why>`; without a name `configmaps is forbidden: <why>`."""
    subject = qualified(group, resource)
    if name:
        subject = f'{subject} "{name}"'
    return ApiError(
        403, f"{subject} is forbidden: {why}", details=details_of(group, resource, name), causes=causes
    )


def not_found(group: str, resource: str, name: str) -> ApiError:
    return ApiError(
        404, f'{qualified(group, resource)} "{name}" not found', details=details_of(group, resource, name)
    )


def no_such_resource() -> ApiError:
    return ApiError(404, "the server could not find the requested resource", details={})


def method_not_allowed() -> ApiError:
    return ApiError(405, "the server does not allow this method on the requested resource", details={})


def already_exists(group: str, resource: str, name: str) -> ApiError:
    return ApiError(
        409,
        f'{qualified(group, resource)} "{name}" already exists',
        reason="AlreadyExists",
        details=details_of(group, resource, name),
    )


MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def conflict(group: str, resource: str, name: str, why: str = MODIFIED) -> ApiError:
    """`Operation cannot be fulfilled on <resource> "<name>": <why>`."""
    return ApiError(
        409,
        f'Operation cannot be fulfilled on {qualified(group, resource)} "{name}": {why}',
        details=details_of(group, resource, name),
    )


def apply_conflict(conflicts: Sequence[tuple[str, str]]) -> ApiError:
    """Server-side apply met other owners: pairs of (`conflict with "m1" using v1`, field path)."""
    causes = [Cause(field, "FieldManagerConflict", who) for who, field in conflicts]
    if len(conflicts) == 1:
        who, field = conflicts[0]
        text = f"Apply failed with 1 conflict: {who}: {field}"
    else:
        lines: list[str] = []
        last = ""
        for who, field in conflicts:
            if who != last:
                lines.append(f"{who.replace('conflict with', 'conflicts with', 1)}:")
                last = who
            lines.append(f"- {field}")
        text = f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)
    return ApiError(409, text, details={}, causes=causes)


def invalid(group: str, kind: str, name: str, causes: Iterable[Cause]) -> ApiError:
    """422: `Kind.group "name" is invalid: field: message`, several in brackets."""
    found = list(causes)
    texts = [f"{cause.field}: {cause.message}" if cause.field else cause.message for cause in found]
    joined = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    return ApiError(
        422,
        f'{qualified(group, kind)} "{name}" is invalid: {joined}',
        details=details_of(group, kind, name),
        causes=found,
    )


def invalid_options(kind: str, causes: Iterable[Cause]) -> ApiError:
    """422 for ListOptions, CreateOptions, PatchOptions, DeleteOptions (group meta.k8s.io)."""
    return invalid("meta.k8s.io", kind, "", causes)


def unprocessable_patch() -> ApiError:
    """A JSON patch whose test or path failed: 422 without details."""
    return ApiError(422, "the server rejected our request due to an error in our request", details={})


def unsupported_media_type(accepted: Sequence[str]) -> ApiError:
    return ApiError(
        415,
        "the body of the request was in an unknown format - accepted media types include: "
        + ", ".join(accepted),
    )


def unknown_media_type() -> ApiError:
    return ApiError(415, "415: Unsupported Media Type", details={})


def not_acceptable(available: Sequence[str]) -> ApiError:
    return ApiError(406, "406: Not Acceptable\n\nAvailable representations: " + ", ".join(available))


def expired(message: str, *, metadata: Object | None = None) -> ApiError:
    return ApiError(410, message, metadata=metadata)


def too_large(limit: int = 3145728) -> ApiError:
    return ApiError(413, f"Request entity too large: limit is {limit}")


def internal(message: str) -> ApiError:
    return ApiError(
        500,
        f"Internal error occurred: {message}",
        causes=[Cause("", "", message)],
        details={},
    )


def future_revision(asked: int, current: int) -> ApiError:
    """504 after waiting: the client has seen a revision that this server has not reached."""
    return ApiError(
        504,
        f"Timeout: Too large resource version: {asked}, current: {current}",
        causes=[Cause("", "ResourceVersionTooLarge", "Too large resource version")],
        retry_after=1,
    )


def success(*, code: int | None = None, details: dict[str, Any] | None = None) -> Object:
    """The Status of a deletion (with details) or of a binding (with code 201)."""
    out: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    if details is not None:
        out["details"] = details
    if code is not None:
        out["code"] = code
    return out
