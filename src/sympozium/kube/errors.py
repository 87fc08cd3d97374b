"""What a request to the API may raise.

    KubeError
    ├── ConfigError           no usable kubeconfig
    ├── UnreachableError      no answer: connection refused, broken, timed out
    └── ApiError              the server answered with a `Status` of failure
        ├── UnauthorizedError     401
        ├── ForbiddenError        403
        ├── NotFoundError         404
        ├── ConflictError         409, the object has been modified, or another manager owns a field
        │   └── AlreadyExistsError    409 on create
        ├── ExpiredError          410, resourceVersion or continue token is too old
        └── InvalidError          422 and 400: this request can never succeed as it is

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
"""

from typing import Any


class KubeError(Exception):
    """Base of all."""


class ConfigError(KubeError):
    """There is no usable kubeconfig; the text says where it was looked for."""


class UnreachableError(KubeError):
    """The server did not answer. Trying later is right."""


class ApiError(KubeError):
    """The server refused. The message is the server's own."""

    def __init__(
        self, code: int, reason: str, message: str, *, details: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details or {}

    @property
    def retry_after(self) -> float | None:
        """Seconds that the server asked to wait, if it did."""
        seconds = self.details.get("retryAfterSeconds")
        return float(seconds) if seconds else None

    @property
    def causes(self) -> list[dict[str, str]]:
        """`field`, `reason` and `message` of each mistake in an invalid object."""
        causes: list[dict[str, str]] = self.details.get("causes") or []
        return causes


class UnauthorizedError(ApiError):
    """401: the credentials are missing, wrong or expired."""


class ForbiddenError(ApiError):
    """403: authorization or admission said no."""


class NotFoundError(ApiError):
    """404: the object, its namespace or the whole resource is not there."""


class ConflictError(ApiError):
    """409: read again and try again."""


class AlreadyExistsError(ConflictError):
    """409 on create: an object of this name is there."""


class ExpiredError(ApiError):
    """410: start the list or watch anew."""


class InvalidError(ApiError):
    """422 or 400: the object breaks its schema, or the request cannot be understood."""


_BY_CODE: dict[int, type[ApiError]] = {
    400: InvalidError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: ExpiredError,
    422: InvalidError,
}
_MISFIT = "failed to create typed patch object"
"""A field that the kind does not have, in a server-side apply: the sender's mistake, which kube-apiserver answers with 500
(https://github.com/kubernetes/kubernetes/issues/139253). Who takes it for the server's tries again for ever.
"""


def from_status(code: int, status: Any, text: str = "") -> ApiError:
    """The error for a `Status` object, or for an answer that is none (a proxy's page, say)."""
    if not isinstance(status, dict) or status.get("kind") != "Status":
        return _BY_CODE.get(code, ApiError)(code, "Unknown", f"HTTP {code}: {text[:500] or 'empty answer'}")
    code = int(status.get("code") or code)
    reason = str(status.get("reason") or "Unknown")
    if code == 500 and str(status.get("message")).startswith(_MISFIT):
        code, reason = 400, "BadRequest"
    kind = AlreadyExistsError if reason == "AlreadyExists" else _BY_CODE.get(code, ApiError)
    return kind(code, reason, str(status.get("message") or reason), details=status.get("details"))
