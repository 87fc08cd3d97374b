"""What a command's outcome looks like to the model: the same words from `shell` and from skills."""

from __future__ import annotations

from typing import Any


def render(result: dict[str, Any]) -> tuple[str, bool]:
    """Text of an `exec` result, and whether it is an error (not exit code 0).

    Output first, as a person sees it; the exit code is named when it is not 0.
    """
    parts = [result["stdout"].rstrip("\n")]
    if result["stderr"].strip():
        parts.append(
            f"[stderr]\n{result['stderr'].rstrip(chr(10))}" if parts[0] else result["stderr"].rstrip("\n")
        )
    failed = result["timedOut"] or result["exitCode"] != 0
    if result["timedOut"]:
        parts.append(f"[killed: it ran longer than its timeout; {result['durationMs']} ms]")
    elif result["signal"]:
        parts.append(f"[ended by signal {result['signal']}]")
    elif failed:
        parts.append(f"[exit code {result['exitCode']}]")
    text = "\n".join(part for part in parts if part)
    return text or "[no output, exit code 0]", bool(failed)
