"""What a request to a trigger holds, as an event. Pure.

Alertmanager's notifications: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import orjson

from sympozium import durations
from sympozium.api.trigger import TriggerSpec
from sympozium.names import digest
from sympozium.policy.triggers import Happened, fit


class PayloadError(Exception):
    """The request cannot be an event; the text says why."""


def read(body: bytes) -> dict[str, Any]:
    """The JSON object of a request. Raises PayloadError."""
    try:
        event = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise PayloadError(f"the body is not JSON: {error}") from None
    if problem := fit(event):
        raise PayloadError(f"the body cannot be an event: {problem}")
    made: dict[str, Any] = event
    return made


def passed_over(event: Mapping[str, Any], form: Literal["alertmanager", "json"]) -> str:
    """Why an event is none that makes a run, whatever the trigger says; empty when it may."""
    if form == "alertmanager" and event.get("status") == "resolved":
        return "the alerts are resolved"
    return ""


def happened(event: dict[str, Any], spec: TriggerSpec, *, once: str | None, now: datetime) -> Happened:
    """The event. Raises PayloadError for what is no notification of Alertmanager where one is expected.

    Without a word of the sender on what is one request (`once`, its Idempotency-Key), two of one key are one within a
    stretch of time as long as the cooldown, so that two servers that get one each make one run.
    """
    webhook = spec.source.webhook
    assert webhook is not None, "requests are for triggers that take them"
    if webhook.format == "alertmanager":
        if not isinstance(event.get("groupKey"), str) or event.get("status") not in ("firing", "resolved"):
            raise PayloadError(
                "the body is no notification of Alertmanager: it has no groupKey, or no status"
            )
        key = event["groupKey"]
    else:
        key = digest(orjson.dumps(event, option=orjson.OPT_SORT_KEYS).decode(), length=32)
    if once:
        return Happened(event, key, f"once/{once}", now, once=True)
    stretch = max(durations.parse(spec.cooldown), 1.0)
    return Happened(event, key, f"at/{math.floor(now.timestamp() / stretch)}", now)
