"""Regular expressions as Go's: RE2, which takes linear time whatever the pattern.

Patterns come from whoever writes a CRD, a policy or an object; Python's own engine can be made to run for years
by a pattern of ten characters. https://github.com/google/re2/wiki/Syntax
"""

from functools import lru_cache
from typing import Any, Final

_GO_WORDS: Final = {
    "missing ]": "missing closing ]",
    "missing )": "missing closing )",
    "bad repetition operator": "invalid nested repetition operator",
    "no argument for repetition operator": "missing argument to repetition operator",
    "invalid repetition size": "invalid repeat count",
    "invalid character class": "invalid character class range",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid named capture group": "invalid named capture",
    "trailing \\": "trailing backslash at end of expression",
}
MEMORY: Final = 8 * 1024 * 1024
"""Bytes that one compiled pattern may use."""


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> Any:
    """A pattern with `search(text)` and `finditer(text)`. Raises ValueError with Go's text."""
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = MEMORY
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        raise ValueError(f"error parsing regexp: {_go_text(error, pattern)}") from error


def _go_text(error: Exception, pattern: str) -> str:
    raw = error.args[0] if error.args else ""
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
    word, _, part = text.partition(": ")
    if not part and word == "trailing \\":
        return _GO_WORDS[word] + ": ``"
    return f"{_GO_WORDS.get(word, word)}: `{part or pattern}`"
