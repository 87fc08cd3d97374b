"""What a check says."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sympozium.kube import Client


@dataclass(frozen=True, slots=True)
class Finding:
    """`well` is None for what cannot be told from here; `cure` says what to do."""

    well: bool | None
    what: str
    cure: str = ""


Check = tuple[str, Callable[[Client, str], Awaitable[Finding | None]]]
"""Looks at one thing, with the client and for the namespace of whoever asks; None where there is no such thing. Raises
KubeError where it may not look.
"""
