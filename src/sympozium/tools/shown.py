"""What of a call other people see: events and approvals. Secrets masked, long texts shortened, all of it legible.

The digest is over the whole arguments, so whoever sees less than that is told. `as_shown` returns what was done to a
text in words, and the words go into the preview's `problem`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sympozium.legible import legible, legible_value, mixed_words
from sympozium.masking import mask, mask_text
from sympozium.shortening import shorten, shorten_value
from sympozium.telemetry import tracecontext

if TYPE_CHECKING:
    from sympozium.policy.verdict import Verdict
    from sympozium.tools.asked import Asked
    from sympozium.tools.previews import Preview

SHOWN_ARGUMENT = 2000
"""Characters of each string argument in events and approvals."""
SHOWN_ARGUMENTS = 64 * 1024
"""Bytes of all arguments of a call in events and approvals."""
SHOWN_RESULT = 2000
"""Characters of a result in its event."""
SHOWN_NAME = 200
"""Characters of the name of a tool: one that nobody offers may be anything."""


def arguments(asked: Asked) -> Any:
    # Shortened before masking too, so that 5 MB of arguments do not cost seconds of pattern matching.
    shown = legible_value(mask(shorten_value(asked.arguments, 4 * SHOWN_ARGUMENT)))
    shown = shorten_value(shown, SHOWN_ARGUMENT)
    text = json.dumps(shown)
    return shown if len(text) <= SHOWN_ARGUMENTS else {"shortened": shorten(text, SHOWN_ARGUMENTS // 2)}


def summary(text: str) -> str:
    """Of a result."""
    return shorten(mask_text(shorten(text, 8 * SHOWN_RESULT)), SHOWN_RESULT)


def as_shown(text: str) -> tuple[str, list[str]]:
    """A preview's text for people, and what they have to know about it."""
    masked = mask_text(text)
    shown = legible(masked)
    notes = []
    if masked != text:
        notes.append("what looks like a secret is masked")
    if shown != masked:
        notes.append(r"characters that cannot be seen are written as \u{...}")
    if words := mixed_words(shown):
        notes.append("words that mix alphabets: " + ", ".join(words))
    return shown, notes


def verdict(decided: Verdict) -> dict[str, Any]:
    data: dict[str, Any] = {
        "action": decided.action, "rule": decided.rule, "reason": legible(mask_text(decided.reason)),
    }  # fmt: skip
    if decided.instead:
        data["instead"] = decided.instead
    if decided.audited is not None:
        watched = decided.audited
        data["audited"] = {"action": watched.action, "rule": watched.rule, "reason": watched.reason}
    return data


def intent(asked: Asked, digest: str) -> dict[str, Any]:
    """Data of `tool.intent`, within the span of the call where there is one."""
    span = tracecontext.current()
    data = {
        "callId": asked.id,
        "tool": legible(shorten(asked.tool, SHOWN_NAME)),
        "target": asked.target,
        "args": arguments(asked),
        "argsDigest": digest,
        "verdict": verdict(asked.verdict),
        "policy": asked.rules.digest,
    }
    return data | ({"span": span.span_id} if span else {})


def approval(asked: Asked, digest: str, preview: Preview | None) -> dict[str, Any]:
    """Data of the request `approval`."""
    data = {
        "callId": asked.id,
        "tool": asked.tool,
        "target": asked.target,
        "args": arguments(asked),
        "argsDigest": digest,
        "reason": asked.verdict.reason,
        "expiresIn": asked.rules.approval_timeout,
    }
    return data | ({"preview": preview.to_json()} if preview else {})


def refusal(decided: Verdict) -> str:
    """A denial in words for the model."""
    instead = f"; {decided.instead}" if decided.instead else ""
    return f"denied: {decided.reason}{instead} [{decided.rule}]"
