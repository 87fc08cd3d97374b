"""Errors as `application/problem+json` (RFC 9457), whatever raised them.

`reason` is a word that a program can switch on: Kubernetes' own (`NotFound`, `Forbidden`, `Conflict`) where the refusal
is Kubernetes', so that clients know it already.
https://www.rfc-editor.org/rfc/rfc9457
"""

import logging
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from sympozium.actions.errors import ActionError, MissingError, StaleError, UnavailableError, UsageError
from sympozium.bus.errors import BusError
from sympozium.kube import ApiError, KubeError, UnreachableError

log = logging.getLogger(__name__)
CONTENT_TYPE: Final = "application/problem+json"
_REASONS: Final[Mapping[int, str]] = {
    400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 405: "MethodNotAllowed",
    408: "Timeout", 409: "Conflict", 413: "RequestEntityTooLarge", 414: "URITooLong", 415: "UnsupportedMediaType", 422: "Invalid",
    429: "TooManyRequests", 503: "ServiceUnavailable", 504: "Timeout",
}  # fmt: skip


class Problem(Exception):  # noqa: N818 - RFC 9457's word
    """A refusal with words: what was wrong, where, and what to do."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        reason: str | None = None,
        causes: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.reason = reason or _REASONS.get(status, "Unknown")
        self.causes = [dict(cause) for cause in causes]
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        return {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "reason": self.reason,
            "causes": self.causes,
        }

    def response(self) -> JSONResponse:
        return JSONResponse(self.body(), self.status, headers=self.headers, media_type=CONTENT_TYPE)


def of_kubernetes(error: KubeError) -> Problem:
    """What the Kubernetes API said, as our answer."""
    if isinstance(error, UnreachableError):
        return Problem(
            503, f"the Kubernetes API does not answer: {error}; try again", headers={"Retry-After": "2"}
        )
    if isinstance(error, ApiError):
        status = error.code if error.code in _STATUSES else 502
        causes = [
            {k: str(cause.get(k, "")) for k in ("field", "reason", "message")} for cause in error.causes
        ]
        headers = {"Retry-After": f"{error.retry_after:.0f}"} if error.retry_after else {}
        return Problem(status, error.message, reason=error.reason, causes=causes, headers=headers)
    return Problem(502, str(error))


def line_of(words: str) -> tuple[int, str]:
    """The line of a text that an error is about (`yaml:3:5: what is wrong`), and the rest of its words."""
    found = _LINE.match(words)
    return (int(found[1]), words[found.end() :]) if found else (1, words)


def of_action(error: ActionError) -> Problem:
    """Why an action was not done, as our answer."""
    status = next((status for kind, status in _OF_ACTIONS if isinstance(error, kind)), 409)
    return Problem(status, str(error), headers={"Retry-After": "2"} if status == 503 else {})


_OF_ACTIONS: Final = ((UsageError, 400), (MissingError, 404), (StaleError, 409), (UnavailableError, 503))
_LINE: Final = re.compile(r"^yaml:(\d+)(?::\d+)?: ")
_STATUSES: Final = frozenset(HTTPStatus)


def install(app: FastAPI) -> None:
    """Give every error that a route may raise its answer."""

    @app.exception_handler(Problem)
    async def problem(_request: Request, error: Problem) -> JSONResponse:
        return error.response()

    @app.exception_handler(KubeError)
    async def kubernetes(_request: Request, error: KubeError) -> JSONResponse:
        return of_kubernetes(error).response()

    @app.exception_handler(ActionError)
    async def action(_request: Request, error: ActionError) -> JSONResponse:
        return of_action(error).response()

    @app.exception_handler(BusError)
    async def bus(_request: Request, error: BusError) -> JSONResponse:
        return Problem(503, f"{error}; try again", headers={"Retry-After": "2"}).response()

    @app.exception_handler(HTTPException)
    async def http(_request: Request, error: HTTPException) -> JSONResponse:
        return Problem(error.status_code, str(error.detail), headers=error.headers).response()

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        causes = [_cause(e) for e in error.errors()]
        words = "; ".join(f"{cause['field']}: {cause['message']}" for cause in causes[:5])
        return Problem(422, f"the request is not valid: {words}", causes=causes).response()

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return Problem(
            500, "something went wrong inside; the log of the API server has the details"
        ).response()


def _cause(error: Mapping[str, Any]) -> dict[str, str]:
    """Of pydantic's error; FastAPI's for a body that is no JSON has the place for a field, and the reason apart."""
    where, words = error["loc"], error["msg"]
    if error["type"] == "json_invalid":
        where, words = where[:1], f"not JSON: {error['ctx']['error']}, at character {where[1]}"
    return {"field": _path(where), "reason": error["type"], "message": words}


def _path(location: Sequence[Any]) -> str:
    """`body.spec.items[2].name` of pydantic's ("body", "spec", "items", 2, "name")."""
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path
