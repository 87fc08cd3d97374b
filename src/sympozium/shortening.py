"""Shortening that can be seen: what is left out is counted where it was."""

from __future__ import annotations

import json
import re
from typing import Any, Final

_MARK: Final = re.compile(r"\[\.\.\. [0-9]+ (?:of [0-9]+ characters left out|more items) \.\.\.\]")


def shorten(text: str, limit: int) -> str:
    """`text`, or its head and tail of together `limit` characters around a line that says what is missing.

    The head is twice the tail: what a thing is stands at its beginning, how it ended at its end.
    """
    if len(text) <= limit:
        return text
    tail = limit // 3
    head = limit - tail
    missing = len(text) - limit
    return (
        f"{text[:head]}\n[... {missing} of {len(text)} characters left out ...]\n{text[len(text) - tail :]}"
    )


def is_shortened(text: str) -> bool:
    """Whether a text, or the mark at the end of a list, says that something is missing."""
    return _MARK.search(text) is not None


def shorten_value(value: Any, limit: int) -> Any:
    """`value` (JSON) with every long string shortened to `limit`, and lists to 50 items."""
    if isinstance(value, str):
        return shorten(value, limit)
    if isinstance(value, list):
        kept = [shorten_value(item, limit) for item in value[:50]]
        return [*kept, f"[... {len(value) - 50} more items ...]"] if len(value) > 50 else kept
    if isinstance(value, dict):
        return {key: shorten_value(item, limit) for key, item in value.items()}
    return value


def fit(text: str, max_bytes: int) -> str:
    """`text`, shortened until it takes at most `max_bytes` as a JSON string (escapes count)."""
    limit = len(text)
    while (size := len(json.dumps(text if limit >= len(text) else shorten(text, limit)))) > max_bytes:
        # Proportional, and a little less each time: characters that need escapes are not spread evenly.
        limit = min(limit - 1, int(limit * max_bytes / size * 0.95))
    return text if limit >= len(text) else shorten(text, limit)
