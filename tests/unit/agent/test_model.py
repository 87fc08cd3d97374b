"""The model client against the real rehearsal endpoint in this process: streams, retries, errors."""

import asyncio
import itertools
import socket
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import uvicorn

from sympozium.agent.model import LONGEST_NAME, MAX_ATTEMPTS, Answer, Model, _collect
from sympozium.agent.outcome import RunError
from sympozium.api.runconfig import AgentModel
from sympozium.rehearsal.app import Endpoint
from sympozium.rehearsal.script import parse
from sympozium.telemetry import tracecontext

TOOLS = [
    {"type": "function", "function": {"name": "ls", "description": "", "parameters": {"type": "object"}}}
]
ASK = [{"role": "user", "content": "x"}]


@pytest.fixture
async def endpoint():
    """Start with a script; gives a Model and the list of the pauses that it made."""
    running = []

    async def start(*steps, api_key=None, thinking=None, key="sk-x"):
        app = Endpoint(parse({"banner": False, "rules": [{"steps": list(steps)}]}), api_key=api_key)
        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(
            uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, ws="none")
        )
        running.append((server, asyncio.create_task(server.serve(sockets=[listener]))))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        pauses: list[float] = []

        async def pause(seconds):
            pauses.append(seconds)

        settings = AgentModel(provider="p", model="m", base_url=url, thinking=thinking)
        model = Model(settings, pause=pause)
        running.append((model, None))
        return model, pauses

    yield start
    for thing, task in reversed(running):
        if task is None:
            await thing.close()
        else:
            thing.should_exit = True
            await task


async def ask(model: Model):
    pieces: list[str] = []

    async def on_text(piece):
        pieces.append(piece)

    return await model.answer(ASK, TOOLS, on_text), pieces


async def test_text_calls_and_usage_come_out_of_the_stream(endpoint) -> None:
    calls = [
        {"tool": "ls", "arguments": {"a": {"repeat": "y", "times": 9000}}},
        {"tool": "rm", "raw": "{oops"},
    ]
    model, _ = await endpoint({"say": "one two three four five six", "call": calls})
    answer, pieces = await ask(model)
    assert answer.text == "one two three four five six" == "".join(pieces)
    assert len(pieces) > 1
    assert [(c.name, len(c.arguments)) for c in answer.calls] == [("ls", 9009), ("rm", 5)]
    assert answer.calls[0].id != answer.calls[1].id
    assert (answer.finish, answer.usage.estimated) == ("tool_calls", False)
    assert answer.usage.output_tokens > 2000


async def test_the_trace_goes_on_to_the_endpoint_where_it_is_kept(endpoint, monkeypatch) -> None:
    context = tracecontext.new()
    heard = []
    for sampled in (True, False):
        model, _ = await endpoint({"say": "x"})
        create = model._client.chat.completions.create

        async def watched(create=create, **request):
            heard.append(request.get("extra_headers"))
            return await create(**request)

        monkeypatch.setattr(model._client.chat.completions, "create", watched)
        with tracecontext.within(replace(context, sampled=sampled)):
            await ask(model)
    assert heard == [{"traceparent": str(context)}, None]


async def test_an_endpoint_without_figures_is_estimated(endpoint) -> None:
    model, _ = await endpoint({"say": "x" * 400, "usage": False})
    answer, _ = await ask(model)
    assert answer.usage.estimated is True
    assert answer.usage.output_tokens == 100


@pytest.mark.parametrize("status", [408, 429, 500, 503])
async def test_what_may_pass_is_tried_again(endpoint, status: int) -> None:
    model, pauses = await endpoint({"say": "at last", "fault": {"status": status, "times": 3}})
    assert (await ask(model))[0].text == "at last"
    assert [round(p) // 1 for p in pauses] == pytest.approx([1, 2, 4], abs=1)
    assert all(a < b for a, b in itertools.pairwise(pauses))


async def test_the_endpoint_may_say_when(endpoint) -> None:
    model, pauses = await endpoint({"say": "x", "fault": {"status": 429, "retryAfter": 30}})
    await ask(model)
    assert 30 <= pauses[0] <= 37.5


async def test_a_broken_stream_is_asked_for_again(endpoint) -> None:
    model, pauses = await endpoint(
        {"say": "one two three four five six seven eight", "fault": {"breakAfter": 2}}
    )
    answer, pieces = await ask(model)
    assert answer.text == "one two three four five six seven eight"
    assert "".join(pieces).endswith(answer.text)
    assert len(pauses) == 1


class EndsEarly(Endpoint):
    """Ends its first stream cleanly, but in the middle: as a proxy does whose upstream has died."""

    first = True

    async def __call__(self, scope, receive, send):
        async def cut(message):
            if message["type"] == "http.response.body" and message.get("more_body"):
                self.sent += 1
                if self.sent > 3:
                    return
            await send(message)

        self.sent = 0
        await super().__call__(scope, receive, cut if self.first else send)
        self.first = False


async def test_a_stream_that_ends_without_a_finish_is_not_an_answer(endpoint, monkeypatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "Endpoint", EndsEarly)
    model, pauses = await endpoint({"say": "one two three four five six seven eight nine ten eleven twelve"})
    answer, _ = await ask(model)
    assert answer.text.endswith("twelve")
    assert len(pauses) == 1


async def test_it_gives_up_and_says_after_how_many(endpoint) -> None:
    model, pauses = await endpoint({"say": "x", "fault": {"status": 500, "times": 99, "message": "burning"}})
    with pytest.raises(RunError, match=rf"answered 500.*burning.*after {MAX_ATTEMPTS} attempts") as caught:
        await ask(model)
    assert caught.value.reason == "ModelError"
    assert len(pauses) == MAX_ATTEMPTS - 1


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"status": 401}, "OPENAI_API_KEY"),
        ({"status": 403}, "what it may use"),
        ({"status": 404}, "has a model 'm'"),
        ({"status": 400, "code": "context_length_exceeded"}, "no longer fits"),
        ({"status": 400, "message": "maximum context length is 8192"}, "no longer fits"),
        ({"status": 422}, "answered 422"),
        ({"status": 429, "code": "insufficient_quota"}, "answered 429"),
    ],
)
async def test_what_stays_wrong_is_not_tried_again(endpoint, fault: dict, says: str) -> None:
    model, pauses = await endpoint({"say": "x", "fault": {"times": 99, **fault}})
    with pytest.raises(RunError, match=says) as caught:
        await ask(model)
    assert caught.value.reason == "ModelError"
    assert pauses == []


async def test_nobody_there(endpoint) -> None:
    model, pauses = await endpoint({"say": "x"})
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    gone = Model(
        AgentModel(provider="p", model="m", base_url=f"http://127.0.0.1:{port}/v1"), pause=model._pause
    )
    with pytest.raises(RunError, match=r"cannot be reached.*allowedEgress") as caught:
        await ask(gone)
    await gone.close()
    assert caught.value.reason == "ModelUnreachable"
    assert len(pauses) == MAX_ATTEMPTS - 1


def url_of(settings: dict, **environ: str) -> str:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
            patch.delenv(name, raising=False)
        for name, value in environ.items():
            patch.setenv(name, value)
        return Model(AgentModel(provider="p", model="m", **settings)).base_url


def test_which_endpoint() -> None:
    key = {"OPENAI_API_KEY": "k"}
    explicit, default = {"base_url": "http://a/v1"}, {"default_base_url": "http://c/v1"}
    assert url_of(explicit | default, OPENAI_BASE_URL="http://b/v1") == "http://a/v1"
    assert url_of(default, OPENAI_BASE_URL="http://b/v1") == "http://b/v1"
    assert url_of(default) == "http://c/v1"
    assert url_of({}, **key) == "https://api.openai.com/v1"
    with pytest.raises(RunError, match="no OPENAI_API_KEY") as caught:
        url_of({})
    assert caught.value.reason == "ConfigError"


def chunks(*deltas, finish="stop"):
    """A stream as the SDK gives it, which checks nothing."""
    from openai.types.chat import ChatCompletionChunk

    async def stream():
        for index, delta in enumerate(deltas):
            end = finish if index == len(deltas) - 1 else None
            choice = {"index": 0, "delta": delta, "finish_reason": end}
            yield ChatCompletionChunk.construct(choices=[choice])

    return stream()


async def test_a_pair_that_is_cut_between_two_pieces_is_one_character() -> None:
    pieces: list[str] = []

    async def on_text(piece):
        pieces.append(piece)

    deltas = [{"content": "a\ud83d"}, {"content": "\ude00b"}, {"content": "\udc00"}, {"content": "c\ud800"}]
    answer = await _collect(chunks(*deltas), ASK, on_text)
    assert isinstance(answer, Answer)
    assert answer.text == "a\U0001f600b\ufffdc\ufffd"
    assert "".join(pieces) == "a\U0001f600b\ufffdc"
    "".join(pieces).encode()


async def test_names_and_arguments_that_no_message_could_carry() -> None:
    call = {"index": 0, "id": "c", "function": {"name": "ls\ud800", "arguments": '{"a": "\ud83d'}}
    rest = {"index": 0, "function": {"arguments": '\ude00"}'}}
    answer = await _collect(chunks({"tool_calls": [call]}, {"tool_calls": [rest]}), ASK, None)  # type: ignore[arg-type]
    assert isinstance(answer, Answer)
    assert (answer.calls[0].name, answer.calls[0].arguments) == ("ls\ufffd", '{"a": "\U0001f600"}')


async def test_arguments_that_are_an_object_already() -> None:
    call = {"index": 0, "id": "c", "function": {"name": "ls", "arguments": {"a": 1}}}
    answer = await _collect(chunks({"tool_calls": [call]}), ASK, None)  # type: ignore[arg-type]
    assert isinstance(answer, Answer)
    assert answer.calls[0].arguments == '{"a": 1}'


@pytest.mark.parametrize("line", ["{}", '{"choices": 3}', '{"choices": [{"delta": {"content": 5}}]}'])
async def test_chunks_that_are_none_are_an_error_of_the_endpoint(endpoint, line: str) -> None:
    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        body = f"data: {line}\n\ndata: [DONE]\n\n".encode()
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n" + body
        )
        writer.close()

    model, pauses = await endpoint({"say": "unused"})
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        model._client.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        with pytest.raises(RunError, match=r"sent what is no answer|in the middle") as error:
            await ask(model)
    assert error.value.reason == "ModelError"
    assert len(pauses) == MAX_ATTEMPTS - 1


async def test_who_answered_is_what_the_endpoint_says(endpoint) -> None:
    """The rehearsal endpoint says the model that it was asked for; a gateway that falls back says another."""
    model, _ = await endpoint({"say": "hello"})
    answer, _ = await ask(model)
    assert answer.model == "m"


async def test_the_name_of_who_answered_is_bounded() -> None:
    async def stream():
        for name, finish in (("a" * 5000, None), (None, "stop")):
            delta = SimpleNamespace(content="x", tool_calls=None)
            choice = SimpleNamespace(delta=delta, finish_reason=finish)
            yield SimpleNamespace(model=name, usage=None, choices=[choice])

    async def on_text(_piece):
        return None

    answer = await _collect(stream(), ASK, on_text)
    assert isinstance(answer, Answer)
    assert answer.model.startswith("aaa")
    assert len(answer.model) <= LONGEST_NAME
