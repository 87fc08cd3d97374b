"""The messages of a run as lines for a person. Pure: a message in, text out.

Streamed text is printed as it comes; when the whole message follows, only what was not yet shown is
printed, so that a live view and a replay end with the same words.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from sympozium.cli.output import paint, plain

Data = dict[str, Any]
_MAX_ARGUMENT = 400
# What is asked and decided is told by the tool server's own messages about the call.
_UNTOLD = frozenset(
    {
        "approval",
        "approval.decided",
        "run.keys",
        "policy.changed",
        "spawn",
        "schedule",
        "memory",
        "request.answered",
        "run.freeze",
    }
)
_MAX_SUMMARY_LINES = 12
_OF_MANY_LINES = frozenset({"model.delta", "model.message", "tool.outcome"})


@dataclass(slots=True)
class Transcript:
    """Keeps what has been shown of the step that is under way."""

    _shown: dict[int, str] = field(default_factory=dict)
    _open_line: bool = False
    _model: str = ""
    """Who answered last; at first, who is asked."""

    def text(self, kind: str, data: Data) -> str:
        """What to print for one message, line ends included; empty for what nobody needs to read."""
        if kind in _UNTOLD:
            return ""
        render = getattr(self, "_" + kind.replace(".", "_"), None)
        if render is None:
            return self._line(paint("2", f"({plain(kind)})"))
        rendered: str = render(plain(data) if kind in _OF_MANY_LINES else _on_one_line(plain(data)))
        return rendered

    # -- pieces

    def _line(self, text: str) -> str:
        start = "\n" if self._open_line else ""
        self._open_line = False
        return f"{start}{text}\n"

    def _run_started(self, data: Data) -> str:
        tools = ", ".join(data.get("tools") or []) or "none"
        self._model = str(data.get("model"))
        before = f"\n  goes on from {data['before']} earlier messages" if data.get("before") else ""
        return self._line(
            paint("1", f"● started with {data.get('model')} ({data.get('provider')})")
            + f"\n  tools: {tools}{before}"
        )

    def _step_started(self, data: Data) -> str:
        return self._line(paint("36", f"── step {data.get('step')}"))

    def _model_delta(self, data: Data) -> str:
        step, text = int(data.get("step") or 0), str(data.get("text") or "")
        self._shown[step] = self._shown.get(step, "") + text
        self._open_line = not text.endswith("\n") if text else self._open_line
        return text

    def _model_message(self, data: Data) -> str:
        step, text = int(data.get("step") or 0), str(data.get("text") or "")
        shown = self._shown.pop(step, "")
        # A reader that came late, or lost a part (deltas are not kept), gets the whole message anew.
        rest = text.removeprefix(shown)
        prefix = "\n" if shown and not text.startswith(shown) else ""
        if rest:
            self._open_line = not rest.endswith("\n")
        end = "\n" if self._open_line else ""
        self._open_line = False
        return prefix + rest + end + self._other_model(data)

    def _other_model(self, data: Data) -> str:
        """A line when somebody else answered than was asked, or than before: a gateway falls back without a word."""
        before, now = self._model, str(data.get("model") or self._model)
        self._model = now
        if not before or now == before:
            return ""
        name = now.replace("\n", "\\n")
        return self._line(paint("33", f"  {name} answered, not {before}"))

    def _tool_intent(self, data: Data) -> str:
        verdict = data.get("verdict") or {}
        action = str(verdict.get("action") or "")
        colour = {"allow": "32", "ask": "33", "deny": "31"}.get(action, "0")
        target = f" in {data['target']}" if data.get("target") else ""
        line = f"→ {paint('1', str(data.get('tool')))}{target} {_arguments(data.get('args'))}"
        why = f": {verdict['reason']}" if verdict.get("reason") and action != "allow" else ""
        rule = f" ({verdict['rule']})" if verdict.get("rule") else ""
        shown = self._line(line) + self._line("  " + paint(colour, action + rule) + why)
        if audited := verdict.get("audited"):
            would = f"would be {audited.get('action')} ({audited.get('rule')})"
            shown += self._line("  " + paint("33", would) + f": {audited.get('reason')}")
        return shown

    def _tool_approval(self, data: Data) -> str:
        state = str(data.get("state"))
        by = f" by {data['decidedBy']}" if data.get("decidedBy") else ""
        comment = f": {data['comment']}" if data.get("comment") else ""
        if state == "waiting":
            return self._line(paint("33", "  … waits for a person (sympozium approvals list)"))
        return self._line(paint("32" if state == "Approved" else "31", f"  {state}{by}{comment}"))

    def _tool_outcome(self, data: Data) -> str:
        ok = bool(data.get("ok"))
        lines = str(data.get("summary") or "").rstrip().splitlines()
        shown = lines[:_MAX_SUMMARY_LINES]
        if len(lines) > len(shown):
            shown.append(f"... {len(lines) - len(shown)} more lines")
        facts = [f"{data['durationMs']} ms"] if data.get("durationMs") is not None else []
        if data.get("truncated"):
            facts.append(f"shortened from {data.get('bytes')} bytes")
        head = (
            paint("32", "← done") if ok else paint("31", "← " + ("denied" if data.get("denied") else "error"))
        )
        body = "".join(self._line(f"  {line}") for line in shown)
        return self._line(head + (f" ({', '.join(facts)})" if facts else "")) + body

    def _run_result(self, data: Data) -> str:
        phase = str(data.get("phase"))
        usage = data.get("usage") or {}
        tokens = (usage.get("inputTokens") or 0) + (usage.get("outputTokens") or 0)
        error = f": {data['error']}" if data.get("error") else ""
        colour = "32" if phase == "Succeeded" else "31"
        return self._line(
            paint(colour, f"■ {phase}, {data.get('reason')}{error}")
            + f" ({data.get('steps')} steps, {tokens} tokens)"
        )

    def _run_cancel(self, data: Data) -> str:
        return self._line(paint("31", f"✕ cancel: {data.get('reason')}"))

    def _policy_applied(self, data: Data) -> str:
        return self._line(
            paint("36", f"⚖ policy {data.get('name')}, generation {data.get('generation')}, holds")
        )

    def _run_frozen(self, data: Data) -> str:
        if not data.get("frozen"):
            return self._line(paint("36", "▶ goes on"))
        flying = ", ".join(str(call.get("tool")) for call in data.get("inFlight") or ())
        return self._line(paint("33", "❄ frozen" + (f"; still under way: {flying}" if flying else "")))


def _on_one_line(data: Data) -> Data:
    """Names and reasons come from the model too, and with a line break in one of them it could write lines of ours.

    Arguments are shown as JSON, which has none.
    """
    shown: Data = {}
    for key, value in data.items():
        if isinstance(value, str):
            shown[key] = value.replace("\n", "\\n").replace("\t", "\\t")
        else:
            shown[key] = _on_one_line(value) if isinstance(value, dict) and key != "args" else value
    return shown


def _arguments(args: Any) -> str:
    text = args if isinstance(args, str) else json.dumps(args, ensure_ascii=False)
    return text if len(text) <= _MAX_ARGUMENT else f"{text[:_MAX_ARGUMENT]}… ({len(text)} characters)"
