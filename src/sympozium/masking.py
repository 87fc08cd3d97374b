"""Hide what looks like a secret in everything that is published: events, approvals, summaries.

The model and the tool see the real values; the record is read by more people than the run's
author. Two rules, both on the side of hiding too much: a mapping key that names a secret hides its
value, and text that has the shape of a known credential is replaced wherever it stands.
"""

from __future__ import annotations

import re
from typing import Any

MASK = "[masked]"

_SECRET_KEY = re.compile(
    r"pass(word|wd|phrase)?$|secret|token$|api[_-]?key|private[_-]?key|credential|authorization|cookie",
    re.IGNORECASE,
)

_SHAPES = (
    # A key to its end, or, when that is cut off, lines of base64: no command must vanish behind such a header.
    re.compile(
        r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----"
        r"(?:(?:(?:\s|\\[nr])+[A-Za-z0-9+/=]{1,80}){0,400}(?:\s|\\[nr])*-----END [A-Z ]{0,40}PRIVATE KEY-----"
        r"|(?:(?:\s|\\[nr])+[A-Za-z0-9+/=]{40,80}){0,400})"
    ),
    re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),  # JWT
    re.compile(r"\b(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}"),  # model providers
    re.compile(r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[abprs]-|hf_|npm_|pypi-)[A-Za-z0-9_-]{10,}"),
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    re.compile(r"\bS[ACNOUX][A-Z2-7]{56}\b"),  # nkeys seeds
)
# The value alone is replaced, so that a reader still sees that there was one. Every repetition is
# bounded: these run over whatever a model or a command prints, and must be linear in it.
_ASSIGNED = re.compile(
    r"(?<!/)(?P<name>(?:password|passwd|secret|token|api[_-]?key|credential)[A-Za-z0-9_-]{0,40}"
    r"[\"']?\s{0,4}[=:]\s{0,4}[\"']?)(?P<value>[^\s\"'&;,|<>]{4,})",
    re.IGNORECASE,
)
# Options of commands, whose value stands behind a space: the last word of the name tells.
_OPTION = re.compile(
    r"(?P<name>(?<!-)--[a-z0-9-]{0,40}(?:password|passwd|passphrase|secret|token|api-?key)\s{1,4}[\"']?)"
    r"(?P<value>[^\s\"'-][^\s\"']{0,4096})",
    re.IGNORECASE,
)
_LITERAL = re.compile(
    r"(?P<name>--from-literal[=\s]{1,4}[\"']?[^\s\"'=]{1,253}=[\"']?)(?P<value>[^\s\"']{1,4096})"
)
_LOGIN = re.compile(r"(?P<name>\s(?:-u|--user)[=\s]{1,4}[\"']?[^\s\"':]{1,256}:)(?P<value>[^\s\"']{1,256})")
_CODE = re.compile(r"\$\(|`|[;|&<>]")
_BEARER = re.compile(r"(?P<name>\b(?:Bearer|Basic)\s+)(?P<value>[A-Za-z0-9+/=._~-]{8,})", re.IGNORECASE)
_USERINFO = re.compile(
    r"(?P<name>\b[a-z][a-z0-9+.-]{0,20}://[^/\s:@]{0,256}:)(?P<value>[^@\s/]{1,256})(?=@)", re.IGNORECASE
)


def mask_text(text: str) -> str:
    """`text` with everything that looks like a credential replaced by MASK."""
    for shape in _SHAPES:
        text = shape.sub(MASK, text)
    for pattern in (_BEARER, _USERINFO, _ASSIGNED, _OPTION, _LITERAL, _LOGIN):
        text = pattern.sub(_masked, text)
    return text


def _masked(found: re.Match[str]) -> str:
    """Code in the place of a value is no secret, and whoever has to decide about it must see it."""
    return found[0] if _CODE.search(found["value"]) else found["name"] + MASK


def mask(value: Any) -> Any:
    """`value` (JSON) with secrets masked in its strings, and under keys that name one."""
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, list):
        return [mask(item) for item in value]
    if isinstance(value, dict):
        return {
            k: MASK if _SECRET_KEY.search(str(k)) and v not in (None, "") else mask(v)
            for k, v in value.items()
        }
    return value
