"""What identifies a call, and what an approval is bound to.

    what    tool and arguments: under one id there is one call
    same    run uid, tool, target, arguments, policy: an approval for the run holds for the same call again
    digest  `same`, and what its preview stood on: an approval holds for what the person saw. Where a question became
            void and the rules are again what they were, it is another one

The policy is in it by the digest of all its layers. The generation of the instance's policy would not do: it says
nothing of the floor and of the parents' policies, and begins anew when the policy is deleted and made again.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no spaces; the same value gives the same bytes."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode()


def digest(**parts: Any) -> str:
    """`sha256:` and hex over named parts."""
    return "sha256:" + hashlib.sha256(canonical(parts)).hexdigest()


def what(*, tool: str, args: dict[str, Any]) -> str:
    return digest(tool=tool, args=args)


def same(*, uid: str, tool: str, target: str, args: dict[str, Any], policy: str) -> str:
    return digest(uid=uid, tool=tool, target=target, args=args, policy=policy)


def asked_again(void: str) -> str:
    """For the question that follows one which became void: what is said of the old one is not said of it."""
    return digest(void=void)


def with_basis(same: str, basis: str | None) -> str:
    """`same`, bound to the state that a preview was made of; without a basis `same` itself."""
    return same if basis is None else digest(same=same, basis=basis)
