"""The transcript as a person reads it: live and replayed end with the same words."""

import json

import pytest

from cluster.bus_data import whole
from sympozium.bus.data import TYPES
from sympozium.bus.history import Stored
from sympozium.bus.messages import Message
from sympozium.bus.subjects import RunRef
from sympozium.cli.logs import Printer
from sympozium.cli.transcript import Transcript


def text(*messages: tuple[str, dict[str, object]]) -> str:
    transcript = Transcript()
    return "".join(transcript.text(kind, whole(kind, fields)) for kind, fields in messages)


def test_every_type_of_message_is_known_to_it() -> None:
    for kind in TYPES:
        if kind != "run.keys":
            assert f"({kind})" not in text((kind, {}))


def test_live_and_replay_end_with_the_same_words() -> None:
    pieces = [("model.delta", {"text": piece}) for piece in ("All ", "is well", ".")]
    whole_message = ("model.message", {"text": "All is well."})
    assert text(*pieces, whole_message) == text(whole_message) == "All is well.\n"


def test_a_reader_that_came_late_gets_the_whole_message() -> None:
    shown = text(("model.delta", {"text": "is well."}), ("model.message", {"text": "All is well."}))
    assert shown == "is well.\nAll is well.\n"


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("allow", "allow (rule 3)"),
        ("ask", "ask (rule 3): changes things"),
        ("deny", "deny (rule 3): changes things"),
    ],
)
def test_a_verdict_names_its_rule_and_why(action: str, words: str) -> None:
    verdict = {"action": action, "rule": "rule 3", "reason": "changes things"}
    shown = text(("tool.intent", {"verdict": verdict, "args": {"command": "x" * 500}}))
    assert words in shown
    assert "… (515 characters)" in shown


def test_what_a_watching_policy_would_have_done_is_told() -> None:
    audited = {"action": "deny", "rule": "p: rule 3", "reason": "changes things"}
    shown = text(("tool.intent", {"verdict": {"action": "allow", "rule": "p", "audited": audited}}))
    assert "would be deny (p: rule 3): changes things" in shown


def test_approvals_and_outcomes() -> None:
    shown = text(
        ("tool.approval", {}),
        ("tool.approval", {"state": "Denied", "decidedBy": "olivia", "comment": "not today"}),
        ("tool.outcome", {"ok": False, "denied": True, "summary": "denied by olivia"}),
        ("tool.outcome", {"summary": "\n".join(map(str, range(20))), "truncated": True, "bytes": 5000}),
    )
    assert "waits for a person" in shown
    assert "Denied by olivia: not today" in shown
    assert "← denied" in shown
    assert "shortened from 5000 bytes" in shown
    assert "... 8 more lines" in shown


def test_the_result_says_why_it_failed() -> None:
    shown = text(("run.result", {"phase": "Failed", "reason": "StepLimit", "error": "50 steps", "steps": 50}))
    assert "■ Failed, StepLimit: 50 steps (50 steps, 2 tokens)" in shown


def test_json_has_one_message_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    printer = Printer(as_json=True)
    run = RunRef("n", "r", "u")
    for number in (1, 2):
        printer.show(Stored(number, Message("step.started", run, "agent", "e", number, {"step": number})))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["sequence"], line["type"], line["data"]["step"]) for line in lines] == [
        (1, "step.started", 1),
        (2, "step.started", 2),
    ]
    assert printer.shown == 2


def test_a_model_cannot_move_the_cursor_or_turn_the_text() -> None:
    shown = text(
        ("model.message", {"text": "a\x1b[2Jb\rc\u202ed\ttab"}),
        ("tool.intent", {"tool": "\x1b]0;x\x07", "args": {"command": "rm\x9b"}}),
        ("tool.outcome", {"summary": "ok\x1b[1A"}),
    )
    assert "a\\x1b[2Jb\\x0dc\\u202ed\ttab" in shown
    assert not {"\x1b", "\r", "\u202e", "\x07", "\x9b"} & set(shown)


def test_a_line_break_in_a_name_or_reason_writes_no_line_of_ours() -> None:
    verdict = {"action": "deny", "rule": "r\n← done", "reason": "x\n  Approved by admin"}
    data = {
        "tool": "list\n  Approved by admin",
        "target": "a\nb",
        "args": {"path": "a\nb"},
        "verdict": verdict,
    }
    lines = Transcript().text("tool.intent", data).splitlines()
    assert len(lines) == 2
    assert "list\\n  Approved by admin" in lines[0]


def test_who_answers_in_place_of_another_is_told_when_it_changes() -> None:
    started = ("run.started", {"model": "large"})
    said = [("model.message", {"text": "x", "model": name}) for name in ("large", "small", "small", "large")]
    shown = text(started, *said)
    assert [line.strip() for line in shown.splitlines() if "answered" in line] == [
        "small answered, not large", "large answered, not small",
    ]  # fmt: skip
    assert "answered" not in text(started, ("model.message", {"text": "x"}))
