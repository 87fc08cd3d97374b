"""One request from its user to its answer: impersonation, authorization, dispatch, errors to Status.

Both HTTPS and the in-process client end here, so there is one place where a request can be refused. An
unexpected exception becomes a 500 with a Status, and a log line with the trace.
"""

import logging
from dataclasses import replace

import orjson

from sympozium.localkube import errors, routes
from sympozium.localkube.errors import ApiError
from sympozium.localkube.handlers.backend import Backend
from sympozium.localkube.handlers.dispatch import Dispatcher
from sympozium.localkube.handlers.health import Counters
from sympozium.localkube.store import UnwritableError
from sympozium.localkube.types import Attributes, Decision
from sympozium.localkube.wire import Answer, Request, Stream, Tunnel

log = logging.getLogger(__name__)

MAX_WARNINGS = 4096
"""Characters of all warnings of an answer before they are cut, as kube-apiserver has it."""
MAX_WARNING = 256
MAX_WARNING_HEADERS = 64
"""Python's HTTP client refuses answers of more than 100 headers."""


class Chain:
    def __init__(self, backend: Backend, dispatcher: Dispatcher, counters: Counters) -> None:
        self._backend = backend
        self._dispatcher = dispatcher
        self._counters = counters

    async def handle(self, request: Request) -> Answer | Stream | Tunnel:
        """Never raises an Exception; cancellation leaves a write either stored or not, never half."""
        verb = request.method.lower()
        try:
            if any(name.startswith("impersonate-") for name in request.headers):
                request = replace(request, user=self._backend.effective_user(request.user, request.headers))
            target = routes.parse(request)
            verb = target.verb if target else verb
            self._authorize(routes.attributes(target, request, request.user))
            answer = await self._dispatcher.dispatch(target, request)
        except ApiError as error:
            answer = refusal(error)
        except UnwritableError as error:
            log.error("%s %s: the store cannot write: %s", request.method, request.path, error)  # noqa: TRY400 - the store logged the trace
            answer = refusal(errors.internal(f"the store cannot write: {error}"))
        except Exception as error:
            log.exception("%s %s failed", request.method, request.path)
            answer = refusal(errors.internal(f"{type(error).__name__}: {error}"))
        self._counters.count(verb, answer.status)
        answer.headers.extend(("warning", f"299 - {quoted(text)}") for text in shortened(request.warnings))
        return answer

    def _authorize(self, attributes: Attributes) -> None:
        decision = self._backend.authorizer.authorize(attributes)
        if not decision.allowed:
            raise forbidden(attributes, decision)


def shortened(warnings: list[str]) -> list[str]:
    """Each warning once; when they are too long together, each is cut and the last ones are left out.

    A client that gets thousands of headers gives up on the whole answer.
    """
    once = list(dict.fromkeys(warnings))
    if sum(map(len, once)) <= MAX_WARNINGS:
        return once[:MAX_WARNING_HEADERS]
    kept, written = [], 0
    for text in once[:MAX_WARNING_HEADERS]:
        if written >= MAX_WARNINGS:
            break
        kept.append(text[:MAX_WARNING])
        written += len(kept[-1])
    return kept


def forbidden(asked: Attributes, decision: Decision) -> ApiError:
    """403 with the sentence that kubectl users know."""
    user = f'User "{asked.user.username}"'
    if asked.path:
        return ApiError(403, f'forbidden: {user} cannot {asked.verb} path "{asked.path}"', details={})
    resource = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
    where = f' in the namespace "{asked.namespace}"' if asked.namespace else " at the cluster scope"
    why = f'{user} cannot {asked.verb} resource "{resource}" in API group "{asked.group}"{where}'
    if decision.reason:
        why = f"{why}: {decision.reason}"
    return errors.forbidden(asked.group, asked.resource, asked.name, why)


def refusal(error: ApiError) -> Answer:
    """The Status of an error."""
    headers = [("retry-after", str(error.retry_after))] if error.retry_after else []
    return Answer(status=error.code, body=orjson.dumps(error.status()), headers=headers)


def quoted(text: str) -> str:
    """A quoted string for a header: what a header cannot hold is escaped."""
    clean = "".join(char if char.isprintable() else " " for char in text)
    escaped = clean.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
