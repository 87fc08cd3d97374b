"""The endpoint as a client sees it: driven through ASGI, and once as a process with the real SDK."""

import asyncio
import json
import subprocess
import sys

import pytest
import yaml

from sympozium.rehearsal.app import Endpoint
from sympozium.rehearsal.engine import reply
from sympozium.rehearsal.script import parse
from sympozium.rehearsal.wire import chunks

SCRIPT = {
    "banner": False,
    "models": ["scripted"],
    "rules": [
        {"match": {"task": "fail twice"}, "steps": [{"say": "at last", "fault": {"status": 429, "times": 2, "retryAfter": 3}}]},
        {"match": {"task": "break"}, "steps": [{"say": "one two three four five six", "fault": {"breakAfter": 2}}]},
        {"steps": [{"say": "a  b\nc ", "call": [{"tool": "x", "arguments": {"k": {"repeat": "y", "times": 9000}}}]}]},
    ],
}  # fmt: skip


async def ask(app: Endpoint, body, *, path="/v1/chat/completions", method="POST", headers=()):
    sent: list[dict] = []

    async def receive():
        return {
            "type": "http.request",
            "body": body if isinstance(body, bytes) else json.dumps(body).encode(),
        }

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": list(headers)}
    await app(scope, receive, send)
    data = b"".join(m.get("body", b"") for m in sent[1:])
    return sent[0]["status"], dict(sent[0]["headers"]), data


def said(task: str, **more):
    return {"model": "scripted", "messages": [{"role": "user", "content": task}], **more}


async def test_streamed_and_whole_answers_say_the_same() -> None:
    app = Endpoint(parse(SCRIPT))
    _, _, whole = await ask(app, said("x"))
    message = json.loads(whole)["choices"][0]["message"]
    _, headers, data = await ask(app, said("x", stream=True, stream_options={"include_usage": True}))
    assert headers[b"content-type"].startswith(b"text/event-stream")
    lines = [line.removeprefix("data: ") for line in data.decode().split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    parts = [json.loads(line) for line in lines[:-1]]
    deltas = [c["delta"] for p in parts for c in p["choices"]]
    assert "".join(d.get("content") or "" for d in deltas) == message["content"] == "a  b\nc "
    calls = [c for d in deltas for c in d.get("tool_calls", ())]
    arguments = "".join(c["function"]["arguments"] for c in calls)
    assert arguments == message["tool_calls"][0]["function"]["arguments"] == json.dumps({"k": "y" * 9000})
    assert calls[0]["id"] == message["tool_calls"][0]["id"]
    assert parts[-2]["choices"][0]["finish_reason"] == "tool_calls"
    assert parts[-1]["usage"]["total_tokens"] > 2000


def test_usage_is_sent_only_when_asked_for() -> None:
    request = said("x")
    assert all("usage" not in c for c in chunks(request, reply(parse(SCRIPT), request), number=1))


async def test_faults_come_as_often_as_scripted_for_each_conversation() -> None:
    app = Endpoint(parse(SCRIPT))
    for task in ("fail twice", "fail twice, please"):
        statuses = [(await ask(app, said(task)))[0] for _ in range(3)]
        assert statuses == [429, 429, 200]
    _, headers, _ = await ask(Endpoint(parse(SCRIPT)), said("fail twice"))
    assert headers[b"retry-after"] == b"3"


async def test_a_stream_breaks_where_the_script_says() -> None:
    app = Endpoint(parse(SCRIPT))
    with pytest.raises(ConnectionAbortedError):
        await ask(app, said("break", stream=True))
    assert b"six" in (await ask(app, said("break", stream=True)))[2]


async def test_the_key_is_checked_where_one_is_given() -> None:
    app = Endpoint(parse(SCRIPT), api_key="right")
    status, _, data = await ask(app, said("x"), headers=[(b"authorization", b"Bearer wrong")])
    assert status == 401
    assert json.loads(data)["error"]["code"] == "invalid_api_key"
    assert (await ask(app, said("x"), headers=[(b"authorization", b"Bearer right")]))[0] == 200
    assert (await ask(app, b"", path="/v1/models", method="GET"))[0] == 401


async def test_models_health_and_what_does_not_exist() -> None:
    app = Endpoint(parse(SCRIPT))
    _, _, data = await ask(app, b"", path="/v1/models", method="GET")
    assert [m["id"] for m in json.loads(data)["data"]] == ["scripted"]
    assert (await ask(app, b"", path="/healthz", method="GET"))[0] == 200
    assert (await ask(app, b"", path="/v1/embeddings"))[0] == 404


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b'{"messages": 3}'])
async def test_requests_that_are_none_are_answered(body: bytes) -> None:
    assert (await ask(Endpoint(parse(SCRIPT)), body))[0] == 400


async def test_a_real_client_reads_it(tmp_path) -> None:
    from openai import AsyncOpenAI

    script = tmp_path / "s.yaml"
    script.write_text(yaml.safe_dump(SCRIPT))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sympozium.rehearsal", "--script", str(script),
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(60):
            url = json.loads(await process.stdout.readline())["url"]
            async with AsyncOpenAI(base_url=url, api_key="any") as client:
                assert [m.id async for m in client.models.list()] == ["scripted"]
                stream = await client.chat.completions.create(
                    model="scripted", messages=[{"role": "user", "content": "x"}], stream=True
                )
                text = "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])
        assert text == "a  b\nc "
    finally:
        process.terminate()
        assert await process.wait() in (0, -15)
