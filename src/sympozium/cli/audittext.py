"""Entries of a record in words, for people. Pure."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

Data = Mapping[str, Any]


def words(kind: str, data: Data) -> str:
    """One line; what has no words of its own is shown as it is, digests shortened."""
    made = _WORDS.get(kind)
    try:
        return made(data) if made else _plainly(data)
    except (KeyError, TypeError):  # of another version of this program: as it is
        return _plainly(data)


def _plainly(data: Data) -> str:
    return " ".join(f"{name}={_short(value)}" for name, value in data.items())


def _short(value: Any) -> str:
    if isinstance(value, str):
        return value[:19] + ".." if value.startswith("sha256:") else value
    return json.dumps(value, ensure_ascii=False)


def _call(data: Data) -> str:
    target = data.get("target")
    return f"{data.get('callId')} {data.get('tool')}" + (f" in {target}" if target else "")


def _created(data: Data) -> str:
    trigger = data.get("trigger") or {}
    cause = " ".join(str(trigger[k]) for k in ("kind", "name") if trigger.get(k))
    by = f" by {trigger['user']}" if trigger.get("user") else ""
    parent = f", parent {data['parent'].get('runName')}" if data.get("parent") else ""
    return f"{cause}{by}, instance {data.get('instance')}{parent}"


def _admitted(data: Data) -> str:
    layers = (
        f"{layer['name']} ({layer['source']}, generation {layer['generation']})" for layer in data["layers"]
    )
    audited = "".join(f"; audited: {v['field']}: {v['message']}" for v in data["audited"])
    return f"under {', '.join(layers)}{audited}"


def _intent(data: Data) -> str:
    verdict = data["verdict"]
    audited = verdict.get("audited")
    would = f"; audited: would be {audited['action']} by {audited['rule']}" if audited else ""
    return f"{_call(data)}: {verdict['action']} by {verdict['rule']}: {verdict['reason']}{would}"


def _requested(data: Data) -> str:
    return f"{_call(data)}: {data.get('reason')}"


def _decided(data: Data) -> str:
    comment = f": {data['comment']}" if data.get("comment") else ""
    by = f" by {data['decidedBy']}" if data.get("decidedBy") else ""
    return f"{data.get('callId')} {data.get('decision') or data.get('state')}{by} ({data.get('scope') or 'as the tool server went by'}){comment}"


def _outcome(data: Data) -> str:
    state = "denied" if data.get("denied") else "ok" if data.get("ok") else "failed"
    return f"{data.get('callId')} {state}, {data.get('bytes')} bytes, {data.get('durationMs')} ms"


def _gap(data: Data) -> str:
    return f"{data['messages']} messages ({data['first']} to {data['last']} of the stream): {data['reason']}"


def _ended(data: Data) -> str:
    error = f": {data['error']}" if data.get("error") else ""
    return f"{data.get('phase')} ({data.get('reason')}){error}"


_WORDS: Final[Mapping[str, Callable[[Data], str]]] = {
    "run.created": _created,
    "run.admitted": _admitted,
    "run.ended": _ended,
    "call.intent": _intent,
    "call.outcome": _outcome,
    "approval.requested": _requested,
    "approval.decided": _decided,
    "approval.state": _decided,
    "gap": _gap,
}
