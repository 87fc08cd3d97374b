"""What a command would change in the cluster, from the API server itself: a dry run, and the objects as they are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from sympozium.skills.k8s_ops import dryrun

MAX_TEXT = 48_000
"""Characters of a preview's text."""
SECONDS = 15.0
"""For one kubectl."""
MAX_OUTPUT = 4 * 1024 * 1024
"""Bytes of the answer of one kubectl."""
Run = Callable[[list[str]], Awaitable[dict[str, Any]]]
"""Runs kubectl with these arguments; the result is that of `sympozium.shell.execute.run`."""


async def preview(command: str, run: Run) -> dict[str, Any]:
    """Kind, text, truncated, problem and basis (docs/previews.md) of a command line."""
    try:
        trial = dryrun.trial(command)
    except dryrun.NotUnderstoodError as error:
        return {"kind": "none", "problem": f"the command was not tried: {error}"}
    tried = await run(trial.argv)
    if tried["exitCode"] != 0:
        words = (tried["stderr"] or tried["stdout"]).strip() or "kubectl ran out of time"
        return {
            "kind": "dry-run",
            "text": words[:MAX_TEXT],
            "problem": "the API server refuses it: the command would fail",
        }
    if tried["truncated"]:
        return {"kind": "none", "problem": "the dry run says more than can be read"}
    if trial.gone is None:
        after = dryrun.objects(tried["stdout"])
        differences = [
            dryrun.difference(await _now(dryrun.lookup(obj), run), obj) for obj in after[: dryrun.MAX_OBJECTS]
        ]
    else:
        after = await _there(trial.gone, run)
        differences = [dryrun.difference(obj, None) for obj in after[: dryrun.MAX_OBJECTS]]
    more = len(after) - len(differences)
    text = "\n".join(differences) or "nothing would change"
    problem = f"{more} more objects are not shown" if more else None
    return {
        "kind": "dry-run",
        "text": text[:MAX_TEXT],
        "truncated": len(text) > MAX_TEXT or more > 0,
        "problem": problem,
        "basis": text,
    }


async def _there(argv: list[str], run: Run) -> list[dict[str, Any]]:
    result = await run(argv)
    if result["exitCode"] != 0 or result["truncated"]:
        raise ValueError(
            f"kubectl {' '.join(argv)}: {result['stderr'].strip()[:500] or 'too much to be read'}"
        )
    return dryrun.objects(result["stdout"])


async def _now(argv: list[str], run: Run) -> dict[str, Any] | None:
    return next(iter(await _there(argv, run)), None)
