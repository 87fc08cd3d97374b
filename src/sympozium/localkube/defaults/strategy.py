"""The shape of what is known about one built-in kind, after the API server's "registry strategies"."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sympozium.localkube.types import Cause, Object


def fill(obj: Object, **defaults: Any) -> None:
    """Sets what is not set. An empty string is not set: to the API server's types the two are the same."""
    for key, value in defaults.items():
        if obj.get(key) in (None, ""):
            obj[key] = value


Fill = Callable[[Object], None]
Fit = Callable[[Object, Object, str], None]
Check = Callable[[Object, Object | None, str], list[Cause]]


def _nothing(_obj: Object) -> None:
    pass


def _no_fit(_obj: Object, _old: Object, _subresource: str) -> None:
    pass


Warn = Callable[[Object, Object | None], list[str]]


def _silent(_obj: Object, _old: Object | None) -> list[str]:
    return []


def _no_check(_obj: Object, _old: Object | None, _subresource: str) -> list[Cause]:
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """`default` fills in; `create` and `update` set what the server owns; `check` gives the causes of a 422, and
    `warn` what is only warned of.

    `status` says that the kind has a status subresource; `generation` that metadata.generation counts
    changes outside metadata and status; `status_metadata` that labels and annotations may be changed
    through /status.
    """

    status: bool = False
    generation: bool = False
    status_metadata: bool = False
    default: Fill = _nothing
    create: Fill = _nothing
    update: Fit = _no_fit
    check: Check = _no_check
    warn: Warn = _silent


PLAIN = Strategy()
