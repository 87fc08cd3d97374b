"""What a request to a trigger causes: a run, made as the server itself, and what the trigger's status says of it."""

import hmac
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from sympozium.api.endpoint import digest
from sympozium.api.trigger import SympoziumTrigger
from sympozium.kube import AlreadyExistsError, Client, ConflictError, ForbiddenError, InvalidError
from sympozium.kube.conditions import rfc3339
from sympozium.policy.triggers import Outcome, TriggerError, decide, fired_by, manifest
from sympozium.resources import RUNS, TRIGGERS as TRIGGER
from sympozium.server.copies import BY_TRIGGER, RUNS as RUN_COPIES, TRIGGERS, Copies
from sympozium.server.digestkey import DigestKey
from sympozium.server.hooks import payload
from sympozium.server.problems import Problem

log = logging.getLogger(__name__)
_RACES: Final = 5


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Hooks:
    """For one server."""

    kube: Client
    copies: Copies
    key: DigestKey
    now: Callable[[], datetime] = field(default=_now)

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
        try:
            event = payload.read(body)
            what = payload.happened(event, trigger.spec, once=once, now=self.now())
            if words := payload.passed_over(event, webhook.format):
                outcome = Outcome(suppressed=words)
            else:
                key = f"{trigger.namespace}/{trigger.name}"
                runs = self.copies[RUN_COPIES].by_index(BY_TRIGGER, key)
                outcome = decide(trigger, what, [fired_by(run) for run in runs], now=self.now())
        except payload.PayloadError as error:
            raise Problem(400, str(error)) from None
        except TriggerError as error:
            await self._count(trigger, Outcome(suppressed=str(error)))
            raise Problem(422, f"the trigger cannot use this event: {error}") from None
        if outcome.name:
            await self._make(trigger, outcome)
        await self._count(trigger, outcome)
        return outcome

    async def _make(self, trigger: SympoziumTrigger, outcome: Outcome) -> None:
        cause = f"request to {trigger.name}"
        try:
            made = await self.kube.create(RUNS, manifest(trigger, outcome, cause))
        except AlreadyExistsError:
            return
        except (InvalidError, ForbiddenError) as error:
            await self._count(trigger, Outcome(suppressed=f"the run was refused: {error}"))
            raise
        self.copies[RUN_COPIES].mutation(made)

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
