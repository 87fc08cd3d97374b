"""Who is asked in which order, and what their answers do.

Mutating webhooks are asked one after the other, in the order of their configurations' names, each
with what the one before it left. When a later one changed the object, those with reinvocationPolicy
IfNeeded are asked once more. Validating webhooks are asked at the same time; the first refusal in
order of configuration is the answer. A webhook that cannot be asked refuses (failurePolicy Fail) or is
passed over with a log line and a count (Ignore).
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace

import orjson

from sympozium.cel.requests import decided
from sympozium.localkube.access.objects import Objects
from sympozium.localkube.admission.policies.expressions import (
    ConditionError,
    authorizer_of,
    conditions_hold,
)
from sympozium.localkube.admission.webhooks import review
from sympozium.localkube.admission.webhooks.conditions import condition
from sympozium.localkube.admission.webhooks.hook import Hook, parse
from sympozium.localkube.admission.webhooks.matching import (
    GROUP,
    exempt,
    matched_version,
    namespace_of,
    selectors_match,
    served_versions,
)
from sympozium.localkube.admission.webhooks.transport import CallError, Transport
from sympozium.localkube.errors import ApiError, forbidden, internal
from sympozium.localkube.types import AdmissionRequest, AdmissionResult, Authorizer, Object

log = logging.getLogger(__name__)

JsonPatch = Callable[[Object, list[Object]], Object]
Again = Callable[[AdmissionRequest], Awaitable[AdmissionRequest]]


class Webhooks:
    """The dynamic part of the admission chain. `counts` has calls, denials and failures by webhook name."""

    def __init__(self, objects: Objects, authorizer: Authorizer, *, json_patch: JsonPatch) -> None:
        self._objects = objects
        self._authorizer = authorizer
        self._json_patch = json_patch
        self._transport = Transport(objects)
        self._mutating = _Configurations(objects, "mutatingwebhookconfigurations")
        self._validating = _Configurations(objects, "validatingwebhookconfigurations")
        self.counts: Counter[tuple[str, str]] = Counter()

    async def mutate(self, request: AdmissionRequest, again: Again) -> AdmissionResult:
        """Asks the mutating webhooks; `again` runs the built-in plugins after a change of theirs."""
        result = AdmissionResult(request.obj)
        hooks = [] if exempt(request) else self._mutating.hooks()
        last = -1
        for index, hook in enumerate(hooks):
            if await self._mutate_one(hook, request, result):
                last = index
                request = replace(request, obj=result.obj)
        if last < 0:
            return result
        request = await again(request)
        result.obj = request.obj
        for hook in hooks[:last]:
            if hook.reinvoke and await self._mutate_one(hook, request, result):
                request = await again(replace(request, obj=result.obj))
                result.obj = request.obj
        return result

    async def validate(self, request: AdmissionRequest) -> list[str]:
        """Asks the validating webhooks. Raises ApiError for the first refusal in order."""
        hooks = [] if exempt(request) else self._validating.hooks()
        if not hooks:
            return []
        asked: list[asyncio.Task[review.Response | ApiError | None]] = []
        async with asyncio.TaskGroup() as group:
            for hook in hooks:
                matched = self._matched(hook, request)
                if matched is not None:
                    asked.append(group.create_task(self._verdict(hook, request, matched)))
        warnings: list[str] = []
        for task in asked:
            verdict = task.result()
            if isinstance(verdict, ApiError):
                raise verdict
            if verdict is not None:
                warnings += verdict.warnings
        return warnings

    async def _verdict(
        self, hook: Hook, request: AdmissionRequest, version: str
    ) -> review.Response | ApiError | None:
        """An error is returned, not raised: the others' answers are waited for, and order decides."""
        try:
            response = await self._ask(hook, request, version)
        except ApiError as error:
            return error
        if response is not None and not response.allowed:
            return self._denied(hook, response)
        return response

    async def _mutate_one(self, hook: Hook, request: AdmissionRequest, result: AdmissionResult) -> bool:
        """Whether the webhook changed `result.obj`."""
        version = self._matched(hook, request)
        response = await self._ask(hook, request, version) if version is not None else None
        if response is None or version is None:
            return False
        result.warnings += [w for w in response.warnings if w not in result.warnings]
        if not response.allowed:
            raise self._denied(hook, response)
        if not response.patch:
            return False
        if request.obj is None:
            raise internal(
                f'admission webhook "{hook.name}" attempted to modify the object, which is not supported for this operation'
            )
        # A patch was made for the version that was shown; versions differ in apiVersion alone.
        shown = (
            {**request.obj, "apiVersion": f"{request.group}/{version}"}
            if version != request.version
            else request.obj
        )
        try:
            patched = self._json_patch(shown, response.patch)
        except ApiError as error:
            raise internal(
                f'failed to apply the patch of admission webhook "{hook.name}": {error.message}'
            ) from error
        if version != request.version:
            patched["apiVersion"] = request.obj["apiVersion"]
        changed = patched != request.obj
        result.obj = patched
        return changed

    def _matched(self, hook: Hook, request: AdmissionRequest) -> str | None:
        version = matched_version(hook, request, served_versions(self._objects, request))
        if version is None:
            return None
        namespace = namespace_of(self._objects, request) if hook.namespace_selector else None
        return version if selectors_match(hook, request, namespace) else None

    async def _ask(self, hook: Hook, request: AdmissionRequest, version: str) -> review.Response | None:
        """None when it is not to be asked, or could not be and its failure policy is Ignore."""
        body = review.build(request, version)
        try:
            if hook.conditions and not await self._conditions(hook, request, body["request"]):
                return None
            self.counts[hook.name, "calls"] += 1
            raw = await self._transport.post(hook, orjson.dumps(body))
            return review.parse(raw, body["request"]["uid"])
        except ConditionError as error:
            self._failed(hook, error, forbidden(request.group, request.resource, request.name, str(error)))
        except CallError as error:
            what = f'failed calling webhook "{hook.name}": failed to call webhook: {error}'
            self._failed(hook, error, internal(what))
        except review.ResponseError as error:
            what = f'failed calling webhook "{hook.name}": received invalid webhook response: {error}'
            self._failed(hook, error, internal(what))
        return None

    async def _conditions(self, hook: Hook, request: AdmissionRequest, shown: Object) -> bool:
        """Raises ConditionError."""
        variables = {
            "object": shown["object"],
            "oldObject": shown["oldObject"],
            "request": {
                key: value for key, value in shown.items() if key not in {"object", "oldObject", "uid"}
            },
            "namespaceObject": None,
            "authorizer": authorizer_of(request, self._authorizer),
        }
        programs = [(name, condition(text)) for name, text in hook.conditions]
        return await decided(lambda quick: conditions_hold(programs, variables, quick=quick))

    def _failed(self, hook: Hook, error: Exception, refusal: ApiError) -> None:
        self.counts[hook.name, "failures"] += 1
        if hook.fail:
            raise refusal from error
        log.warning("webhook %s (%s) failed and is ignored: %s", hook.name, hook.configuration, error)

    def _denied(self, hook: Hook, response: review.Response) -> ApiError:
        self.counts[hook.name, "denials"] += 1
        return review.denial(hook, response.status)

    async def close(self) -> None:
        await self._transport.close()


class _Configurations:
    """The parsed webhooks of one kind, in order, parsed again after a change."""

    def __init__(self, objects: Objects, resource: str) -> None:
        self._objects = objects
        self._resource = resource
        self._parsed: list[Hook] | None = None
        objects.subscribe(GROUP, resource, self._changed)

    def _changed(self, new: Object | None, old: Object | None) -> None:
        del new, old
        self._parsed = None

    def hooks(self) -> list[Hook]:
        if self._parsed is None:
            stored = sorted(
                self._objects.list(GROUP, self._resource), key=lambda obj: str(obj["metadata"]["name"])
            )
            self._parsed = [hook for configuration in stored for hook in parse(configuration)]
        return self._parsed
