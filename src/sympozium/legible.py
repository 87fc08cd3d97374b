r"""Text of a model, made so that a person sees what is there.

What a screen would not show, or would show elsewhere (control and format characters, writing in the other direction,
blanks that are letters), becomes `\u{200b}`. Lines and tabs stay. Words that mix alphabets look like others; they are named.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

_HIDDEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u2028-\u202e\u2060-\u206f\u2800\u3164\ud800-\udfff\ue000-\uf8ff\ufe00-\ufe0f\ufeff\uffa0"
    r"\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff\U000f0000-\U0010ffff]"
)
_WORD = re.compile(r"[^\W\d_]{2,64}")


def legible(text: str) -> str:
    """`text` with every character that cannot be seen written out."""
    return _HIDDEN.sub(lambda found: f"\\u{{{ord(found[0]):x}}}", text)


def legible_value(value: Any) -> Any:
    """`value` (JSON) with its strings and keys legible."""
    if isinstance(value, str):
        return legible(value)
    if isinstance(value, list):
        return [legible_value(item) for item in value]
    if isinstance(value, dict):
        return {legible(key): legible_value(item) for key, item in value.items()}
    return value


def mixed_words(text: str, limit: int = 5) -> list[str]:
    """Words with letters of ASCII and of another alphabet than the Latin one, each as `word (U+0430 in it)`."""
    if text.isascii():
        return []
    found: dict[str, str] = {}
    for word in _WORD.findall(text):
        foreign = next((c for c in word if not c.isascii() and not _latin(c)), None)
        if foreign and any(c.isascii() for c in word):
            found[word] = f"{word} (U+{ord(foreign):04X} in it)"
            if len(found) == limit:
                break
    return list(found.values())


def _latin(character: str) -> bool:
    return unicodedata.name(character, "").startswith("LATIN")
