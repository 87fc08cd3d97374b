"""Names of objects: what Kubernetes allows, and names that derive from what caused an object.

A second try after a crash must meet the object of the first, so names are functions of their cause: a
schedule's tick, a parent's call id. Where a cause does not fit into a name, it is shortened and a hash of
the whole keeps two causes apart. https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
"""

import hashlib
import re
from typing import Final

LABEL: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
"""A DNS label (RFC 1123), at most 63 characters."""
SUBDOMAIN: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
"""A DNS subdomain, at most 253 characters: names of most objects."""

_LABEL: Final = re.compile(LABEL)
_SUBDOMAIN: Final = re.compile(SUBDOMAIN)
_UNFIT: Final = re.compile(r"[^a-z0-9]+")
_HASH_LENGTH: Final = 10


def is_label(name: str) -> bool:
    return len(name) <= 63 and bool(_LABEL.fullmatch(name))


def is_subdomain(name: str) -> bool:
    return len(name) <= 253 and bool(_SUBDOMAIN.fullmatch(name))


def digest(*parts: str, length: int = _HASH_LENGTH) -> str:
    """Lower-case hexadecimal digits that stand for the parts and for their order and borders."""
    framed = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(framed.encode()).hexdigest()[:length]


def label_value(name: str) -> str:
    """The name itself where it fits into a label, else shortened with a hash."""
    return name if len(name) <= 63 else derive(name)


def derive(*parts: str, limit: int = 63) -> str:
    """A DNS label from the parts, joined by `-`; the same parts always give the same name.

    Parts that already fit are kept as they are. When one had to be changed or the whole had to be cut, the
    name ends in a hash of the parts, so that different parts never share a name.
    Raises ValueError when nothing of the parts can be part of a name.
    """
    joined = "-".join(parts)
    if len(joined) <= limit and _LABEL.fullmatch(joined):
        return joined
    readable = _UNFIT.sub("-", joined.lower()).strip("-")[: limit - _HASH_LENGTH - 1].strip("-")
    if not readable:
        raise ValueError(f"no name can be made of {parts}: give at least one letter or digit")
    return f"{readable}-{digest(*parts)}"
