"""What a request to a trigger causes: a run, made as the server itself, and what the trigger's status says of it."""

import asyncio
import hmac
import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from sympozium.api.endpoint import digest
from sympozium.api.trigger import SympoziumTrigger, TriggerWebhook
from sympozium.kube import AlreadyExistsError, Client, ConflictError, ForbiddenError, InvalidError
from sympozium.kube.conditions import rfc3339
from sympozium.policy.triggers import (
    OtherEventError,
    Outcome,
    TriggerError,
    decide,
    fired_by,
    manifest,
    same,
)
from sympozium.resources import RUNS, TRIGGERS as TRIGGER, caused
from sympozium.server.agents.rates import Rates
from sympozium.server.copies import BY_TRIGGER, RUNS as RUN_COPIES, TRIGGERS, Copies
from sympozium.server.digestkey import DigestKey
from sympozium.server.hooks import payload
from sympozium.server.problems import Problem

log = logging.getLogger(__name__)
_RACES: Final = 5
_PER_MINUTE: Final = 120
_AT_ONCE: Final = 30
"""Requests to one trigger: each is written down in its status, also those that make no run."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Hooks:
    """For one server."""

    kube: Client
    copies: Copies
    key: DigestKey
    now: Callable[[], datetime] = field(default=_now)
    _rates: Rates = field(default_factory=Rates)
    _deciding: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    """By uid. Requests of one trigger are dealt with one by one: all at once, none would know of the others' runs."""

    async def known(self, namespace: str, name: str, token: str) -> SympoziumTrigger:
        """The trigger that a sender may fire. Raises Problem 401, the same whether it is there or not."""
        found = self.copies[TRIGGERS].get(namespace, name)
        trigger = SympoziumTrigger.model_validate(found) if found else None
        installation = await self.key.get()
        listens = trigger and trigger.spec.source.webhook and trigger.status.webhook
        expected = (listens and listens.key_digest) or "none"
        given = digest(installation, namespace, name, token, of="trigger")
        if not hmac.compare_digest(expected, given) or not installation or trigger is None:
            words = "no trigger takes requests here with this token: the Secret that its secretRef names has the token"
            raise Problem(401, words, headers={"WWW-Authenticate": "Bearer"})
        return trigger

    async def take(self, trigger: SympoziumTrigger, body: bytes, *, once: str | None) -> Outcome:
        """A run that is made when this returns, or why there is none. Raises Problem, KubeError."""
        webhook = trigger.spec.source.webhook
        assert webhook is not None, "`known` looked"
        if wait := self._rates.take(trigger.metadata.uid, _PER_MINUTE, _AT_ONCE):
            words = f"a trigger takes {_PER_MINUTE} requests a minute, {_AT_ONCE} at once: again in {wait} s"
            raise Problem(429, words, headers={"Retry-After": str(wait)})
        async with self._deciding[trigger.metadata.uid]:
            return await self._take(trigger, webhook, body, once)

    async def _take(
        self, trigger: SympoziumTrigger, webhook: TriggerWebhook, body: bytes, once: str | None
    ) -> Outcome:
        try:
            event = payload.read(body)
            what = payload.happened(event, trigger.spec, once=once, now=self.now())
            if words := payload.passed_over(event, webhook.format):
                outcome = Outcome(suppressed=words)
            else:
                key = f"{trigger.namespace}/{trigger.name}"
                runs = self.copies[RUN_COPIES].by_index(BY_TRIGGER, key)
                fired = [fired_by(run) for run in runs]
                # In a thread: expressions of people over texts of strangers may take seconds.
                outcome = await asyncio.to_thread(decide, trigger, what, fired, now=self.now())
        except payload.PayloadError as error:
            raise Problem(400, str(error)) from None
        except OtherEventError as error:
            raise Problem(409, str(error)) from None
        except TriggerError as error:
            await self._count(trigger, Outcome(suppressed=str(error)))
            raise Problem(422, f"the trigger cannot use this event: {error}") from None
        if outcome.name and not outcome.again:
            outcome = await self._make(trigger, outcome, once=bool(once))
        if not outcome.again:
            await self._count(trigger, outcome)
        return outcome

    async def _make(self, trigger: SympoziumTrigger, outcome: Outcome, *, once: bool) -> Outcome:
        """The outcome, `again` when the run is there. Raises Problem, KubeError."""
        cause = f"request to {trigger.name}"
        try:
            made = await self.kube.create(RUNS, caused(manifest(trigger, outcome, cause)))
        except AlreadyExistsError:
            if not once:
                return replace(outcome, again=True)
            found = await self.kube.get(RUNS, outcome.name, trigger.namespace)
            try:
                return same(outcome, fired_by(found))
            except OtherEventError as error:
                raise Problem(409, str(error)) from None
        except (InvalidError, ForbiddenError) as error:
            await self._count(trigger, Outcome(suppressed=f"the run was refused: {error}"))
            raise
        self.copies[RUN_COPIES].mutation(made)
        return outcome

    async def _count(self, trigger: SympoziumTrigger, outcome: Outcome) -> None:
        """Into the status. The run is made, or not, whether or not it can be counted."""
        for _ in range(_RACES):
            obj = await self.kube.find(TRIGGER, trigger.name, trigger.namespace)
            if obj is None:
                return
            status = obj.get("status") or {}
            fields: dict[str, Any] = {
                "firedCount": int(status.get("firedCount") or 0) + bool(outcome.name),
                "suppressedCount": int(status.get("suppressedCount") or 0) + bool(outcome.suppressed),
            }
            if outcome.name:
                fields |= {"lastFiredAt": rfc3339(self.now()), "lastRunName": outcome.name}
            if outcome.suppressed:
                fields["lastSuppressed"] = outcome.suppressed
            try:
                await self.kube.patch_status(TRIGGER, obj, fields)
            except ConflictError:
                continue
            return
        log.warning("trigger %s/%s: its counts kept changing and miss one", trigger.namespace, trigger.name)
