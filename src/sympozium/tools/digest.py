"""What an approval is bound to: a digest over everything that makes a call this call."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no spaces; the same value gives the same bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def args_digest(*, uid: str, tool: str, target: str | None, args: dict[str, Any], generation: int) -> str:
    """`sha256:` and hex over run uid, tool, target, arguments and policy generation.

    The call's id is not in it: a decision with scope `run` holds for the same call made again.
    """
    parts = {"uid": uid, "tool": tool, "target": target, "args": args, "generation": generation}
    return "sha256:" + hashlib.sha256(canonical(parts)).hexdigest()
