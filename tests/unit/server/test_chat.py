"""Chat completions as values: what a client may ask, and what it is answered."""

import json
from typing import Any

import pytest

from sympozium.bus.subjects import RunRef
from sympozium.server.agents.asked import Asked, Ended, Text, _Said
from sympozium.server.agents.chatanswer import Chunks, comment, completion, failed, is_answer
from sympozium.server.agents.chatrequest import IGNORED, ChatError, ChatRequest, parse
from sympozium.server.feed.text import Piece

ASKED = Asked(RunRef("ns", "bot-chat-1", "u"), "2026-11-27T12:00:00Z", 60, keyed=False)
DONE = Ended("Succeeded", "Completed", "It is empty.", "", 100, 20)


def asked(*messages: Any, **more: Any) -> ChatRequest:
    return parse(json.dumps({"model": "bot", "messages": list(messages), **more}).encode(), "bot")


def said(role: str, content: Any = "hi") -> dict[str, Any]:
    return {"role": role, "content": content}


def test_what_was_said_before_the_last_message_is_history() -> None:
    found = asked(
        said("system", "Be brief."), said("user", "I am Ada"), said("assistant"), said("user", "And?")
    )
    assert found.task == "And?"
    assert found.history == [
        {"role": "user", "content": "[system message of the client]\nBe brief."},
        {"role": "user", "content": "I am Ada"},
        {"role": "assistant", "content": "hi"},
    ]
    assert (found.stream, found.include_usage, found.ignored) == (False, False, [])


def test_parts_of_text_are_one_text() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert asked(said("user", parts)).task == "ab"


def test_what_changes_no_answer_is_ignored_by_name() -> None:
    found = asked(
        said("user"),
        temperature=0.2,
        stop=["x"],
        n=1,
        tools=[],
        seed=None,
        stream=True,
        stream_options={"include_usage": True},
    )
    assert found.ignored == ["stop", "temperature"]
    assert (found.stream, found.include_usage) == (True, True)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [{"type": "function"}]}, "tools"), ({"n": 2}, "n"), ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"logprobs": True}, "logprobs"), ({"tool_choice": "required"}, "tool_choice"), ({"modalities": ["audio"]}, "modalities"),
        ({"stream": "yes"}, "stream"), ({"made_up": 1}, "made_up"), ({"functions": [{}]}, "functions"), ({"n": True}, "n"),
    ],
)  # fmt: skip
def test_what_would_change_the_answer_is_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(ChatError) as caught:
        asked(said("user"), **fields)
    assert (caught.value.param, caught.value.status) == (param, 400)


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([said("user"), said("assistant")], "messages"),
        ([said("user"), said("system")], "messages"),
        ([said("user", [{"type": "image_url", "image_url": {"url": "x"}}])], "messages[0].content[0]"),
        ([said("tool")], "messages[0].role"),
        ([said("user", "")], "messages[0].content"),
        ([said("user", {"a": 1})], "messages[0].content"),
        ([{**said("assistant"), "tool_calls": [{}]}, said("user")], "messages[0].tool_calls"),
        ([{**said("user"), "cache": 1}], "messages[0].cache"),
        (["hi"], "messages[0]"),
        ([], "messages"),
    ],
)  # fmt: skip
def test_messages_that_no_agent_can_be_asked(messages: list[Any], param: str) -> None:
    with pytest.raises(ChatError) as caught:
        asked(*messages)
    assert caught.value.param == param


def test_there_is_one_model() -> None:
    with pytest.raises(ChatError, match="this endpoint has 'bot'") as caught:
        asked(said("user"), model="gpt-5")
    assert caught.value.status == 404
    with pytest.raises(ChatError, match="not JSON"):
        parse(b"{", "bot")
    with pytest.raises(ChatError, match="no JSON object"):
        parse(b"[]", "bot")


def test_every_ignored_parameter_is_in_the_docs(docs: str) -> None:
    for name in IGNORED:
        assert f"`{name}`" in docs


# -- answers


def test_a_whole_answer() -> None:
    found = json.loads(completion(ASKED, "bot", DONE))
    assert (found["id"], found["object"], found["model"]) == ("chatcmpl-bot-chat-1", "chat.completion", "bot")
    assert found["choices"][0]["message"]["content"] == "It is empty."
    assert found["choices"][0]["finish_reason"] == "stop"
    assert found["usage"] == {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}


@pytest.mark.parametrize(
    ("ended", "answer"),
    [
        (DONE, True), (Ended("Failed", "StepLimit", "so far"), True), (Ended("Failed", "StepLimit", ""), False),
        (Ended("Failed", "ModelError", "so far", "no"), False), (Ended("Cancelled", "Cancelled", "x"), False),
    ],
)  # fmt: skip
def test_which_ends_are_answers(ended: Ended, *, answer: bool) -> None:
    assert is_answer(ended) is answer
    if not answer:
        assert failed(ended)["error"]["code"] == ended.reason


def content(*events: bytes) -> str:
    lines = b"".join(events).decode().split("\n\n")
    found = [json.loads(line.removeprefix("data: ")) for line in lines if line and line != "data: [DONE]"]
    return "".join(choice["delta"].get("content", "") for chunk in found for choice in chunk["choices"])


def test_steps_are_told_apart_in_a_stream() -> None:
    chunks = Chunks(ASKED, "bot", include_usage=True)
    events = [chunks.first(), chunks.text(1, "I "), chunks.text(1, "look.\n"), chunks.text(2, "It is empty.")]
    events.append(chunks.last(DONE))
    assert content(*events) == "I look.\n\nIt is empty."
    *_, end, usage, done, _ = b"".join(events).split(b"\n\n")
    assert json.loads(end[6:])["choices"][0]["finish_reason"] == "stop"
    assert (json.loads(usage[6:])["choices"], json.loads(usage[6:])["usage"]["total_tokens"]) == ([], 120)
    assert done == b"data: [DONE]"


def test_an_answer_that_was_never_said_comes_with_the_end() -> None:
    chunks = Chunks(ASKED, "bot", include_usage=False)
    assert content(chunks.first(), chunks.text(1, "I look."), chunks.last(DONE)) == "I look.\n\nIt is empty."


def test_a_comment_is_one_line() -> None:
    assert comment("queued: a\n\ndata: {}\r\n\N{BULLET}") == b": queued: a data: {} ?\n\n"


# -- what was said, once


def heard(*pieces: tuple[str, bool, bool] | str) -> str:
    """Pieces of step 1: (text, fresh, whole), and the whole message as a text alone."""
    told, texts = _Said(), []
    for piece in pieces:
        if isinstance(piece, str):
            texts.append(told.more(1, piece, fresh=True))
        else:
            text, fresh, whole = piece
            texts.append(told.piece(Piece(1, text, fresh=fresh, whole=whole)))
    return "".join(text.text for text in texts if isinstance(text, Text))


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        ((("I ", True, True), ("look", False, True), "I look."), "I look."),
        (("I look.",), "I look."),
        ((("I look", True, True), ("I look again", True, True), "I look again."), "I look again."),
        # Pieces were lost: nothing is passed on until the whole is there.
        ((("ook", True, False), (".", False, False), "I look."), "I look."),
        # The model began anew: what was passed on cannot be taken back.
        ((("I loo", True, True), ("We look.", True, True), "We look."), "I loo\n\nWe look."),
    ],
)  # fmt: skip
def test_a_text_is_passed_on_once(pieces: Any, text: str) -> None:
    assert heard(*pieces) == text
