"""Termination messages and usage."""

import hashlib
import io
import json

import pytest

from sympozium.agent.outcome import TERMINATION_BYTES, Outcome, Usage
from sympozium.agent.transcript import Transcript
from sympozium.shortening import fit, shorten, shorten_value


@pytest.mark.parametrize("result", ["", "short", "x" * 10_000, 'ä\n"' * 3000, "\U0001f600" * 3000])
@pytest.mark.parametrize("error", ["", "e" * 3000])
def test_the_termination_message_fits_and_proves_the_whole(result: str, error: str) -> None:
    data = Outcome("Completed", result=result, error=error).termination_message()
    assert len(data) <= TERMINATION_BYTES
    message = json.loads(data)
    assert message["digest"] == "sha256:" + hashlib.sha256(result.encode()).hexdigest()
    assert result.startswith(message["result"])
    if len(json.dumps(result)) < 3000:
        assert message["result"] == result
    else:
        assert len(data) > TERMINATION_BYTES - 20


def test_the_event_of_a_gigantic_result_fits_a_message() -> None:
    event = Outcome("Completed", result="ä" * 2_000_000).event()
    assert len(json.dumps(event)) < 700_000
    assert "characters left out" in event["result"]


def test_estimates_are_marked_and_stay_marked() -> None:
    total = Usage(1, 2) + Usage(3, 4, estimated=True) + Usage(5, 6)
    assert total.to_json() == {"inputTokens": 9, "outputTokens": 12, "estimated": True}
    assert Usage(1, 2).to_json() == {"inputTokens": 1, "outputTokens": 2}


def test_shortening_counts_what_is_missing() -> None:
    assert shorten("abc", 3) == "abc"
    short = shorten("x" * 50 + "y" * 50, 30)
    assert short.startswith("x" * 20 + "\n[... 70 of 100 characters left out ...]\n")
    assert short.endswith("y" * 10)
    assert shorten_value({"a": ["b" * 100] * 60, "n": 1}, 30)["a"][-1] == "[... 10 more items ...]"


@pytest.mark.parametrize("text", ["a" * 5000, "ä" * 5000, "a" * 2500 + "\0" * 2500, "x"])
def test_fit_is_about_bytes_of_json(text: str) -> None:
    assert len(json.dumps(fit(text, 1000))) <= 1000
    assert fit(text, 100_000) == text


def test_the_transcript_is_readable_and_masked() -> None:
    out = io.StringIO()
    transcript = Transcript(out)
    transcript.step(1)
    transcript.text("I look")
    transcript.call("ls", '{"token": "sk-abcdefghijklmnopqrst"}')
    transcript.result("a\nb", is_error=False)
    transcript.result("no", is_error=True)
    transcript.end(Outcome("StepLimit", error="too many", usage=Usage(1, 2, estimated=True), steps=3))
    assert out.getvalue() == (
        '-- step 1\nI look\n-> ls {"token": "[masked]"}\n<- a\n   b\n!! no\n'
        "-- Failed: StepLimit, 3 steps, 1 + 2 tokens (estimated)\n-- too many\n"
    )
