"""Clients that hold an agent's key: the openai SDK and curl, against a running control plane."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import openai
import pytest

from e2e.endpoint_support import SCRIPT, Endpoint, closed, opened
from e2e.support import decide, own_namespace, policy
from sympozium.testing import Cluster, ScriptedModel, phase
from sympozium.testing.waiting import until


@pytest.fixture(scope="module")
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel(SCRIPT) as made:
        yield made


@pytest.fixture
def bot(sympozium_cluster: Cluster, namespace: str, model: ScriptedModel) -> Endpoint:
    policy(sympozium_cluster, namespace)
    return opened(sympozium_cluster, namespace, model.base_url)


def test_the_sdk_talks_to_an_agent(bot: Endpoint) -> None:
    assert [found.id for found in bot.sdk().models.list()] == ["agent"]
    answer = bot.ask("What is my name?", ("user", "I am Ada"), ("assistant", "Hello"))
    assert answer.choices[0].message.content == "Ada."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens > 0
    [run] = bot.runs()
    assert answer.id == f"chatcmpl-{run['metadata']['name']}"
    assert run["spec"]["trigger"] == {
        "kind": "API",
        "user": "system:serviceaccount:sympozium-system:sympozium-apiserver",
    }
    assert run["metadata"]["labels"] == {"sympozium.ai/endpoint": "chat", "sympozium.ai/instance": "agent"}


def test_curl_and_a_repeated_request_is_one_run(bot: Endpoint) -> None:
    """Which says what of the request is ignored."""
    body = json.dumps(
        {"model": "agent", "temperature": 1, "messages": [{"role": "user", "content": "Look."}]}
    )
    answers = []
    for _ in range(2):
        done = subprocess.run(
            ["curl", "-sS", "-i", f"{bot.url}/v1/chat/completions", "-H", f"Authorization: Bearer {bot.key}",
             "-H", "Idempotency-Key: k1", "-d", body],
            capture_output=True, text=True, check=True, timeout=120,
        )  # fmt: skip
        head, _, answer = done.stdout.replace("\r\n", "\n").partition("\n\n")
        headers = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:])
        assert headers["x-sympozium-ignored"] == "temperature"
        assert json.loads(answer)["choices"][0]["message"]["content"] == "It has [empty directory]."
        answers.append((headers["x-sympozium-run"], json.loads(answer)))
    assert answers[0] == answers[1]
    other = bot.post({"idempotency-key": "k1"})
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_key_in_use")
    assert len(bot.runs()) == 1


def test_who_has_no_key_learns_nothing(bot: Endpoint) -> None:
    admin = (bot.cluster.data.pki / "admin.token").read_text().strip()
    answers = [
        bot.post({"authorization": value}, url)
        for value in (
            "Bearer wrong-key-wrong-key",
            "",
            f"Basic {bot.key}",
            f"Bearer {admin}",
        )
        for url in (bot.url, bot.url.removesuffix("agent") + "nobody")
    ]
    assert {(a.status_code, a.text) for a in answers} == {(401, answers[0].text)}
    assert answers[0].json()["error"]["code"] == "invalid_api_key"
    assert bot.runs() == []
    # Nor is an agent's key good for anything else.
    server = bot.url.partition("/agents/")[0]
    headers = {"authorization": f"Bearer {bot.key}"}
    for url in (f"{server}/api/v1/runs", f"{server}/api/v1/session"):
        assert httpx2.get(url, headers=headers, trust_env=False, timeout=60).status_code == 401


def test_refusals_have_openais_shape_and_the_policys_words(bot: Endpoint) -> None:
    assert bot.post(tools=[{"type": "function"}]).json()["error"]["param"] == "tools"
    assert bot.post(model="gpt").status_code == 404
    with pytest.raises(openai.BadRequestError, match="n: an agent gives one answer"):
        bot.ask("hi", n=2)
    policy(bot.cluster, bot.namespace, modelPolicy={"allowedModels": ["other-*"]})

    def refused() -> bool:
        answer = bot.post()
        return answer.status_code == 403 and "allowedModels" in answer.json()["error"]["message"]

    until(refused, "the policy refuses")
    assert bot.post(stream=True).status_code == 403


def test_a_run_that_fails_is_an_error_and_is_not_repeated(bot: Endpoint) -> None:
    answer = bot.post(messages=[{"role": "user", "content": "Fail."}])
    assert (answer.status_code, answer.headers["x-should-retry"]) == (502, "false")
    assert answer.json()["error"]["code"] == "ModelError"
    assert "no such thing" in answer.json()["error"]["message"]
    assert len(bot.runs()) == 1


def test_a_stream_of_a_run_that_fails_ends_with_the_error(sympozium_cluster: Cluster, namespace: str) -> None:
    bot = closed(sympozium_cluster, namespace)
    with pytest.raises(openai.APIError, match="allowEventBus"):
        list(bot.ask("Fail.", stream=True))
    assert len(bot.runs()) == 1


async def test_a_client_that_goes_away_ends_its_run(bot: Endpoint) -> None:
    """From a stream that has begun, and from an answer that it waited for."""
    url, asked = (
        f"{bot.url}/v1/chat/completions",
        {
            "model": "agent",
            "messages": [{"role": "user", "content": "Slow."}],
        },
    )
    async with httpx2.AsyncClient(
        headers={"authorization": f"Bearer {bot.key}"}, trust_env=False, timeout=60
    ) as client:
        async with client.stream("POST", url, json={**asked, "stream": True}) as response:
            assert response.status_code == 200
        whole = asyncio.ensure_future(client.post(url, json=asked))
        await asyncio.to_thread(until, lambda: len(bot.runs()) == 2, "the second run is made")
        whole.cancel()

    def phases() -> list[str]:
        return [phase(run) for run in bot.runs()]

    await asyncio.to_thread(
        until, lambda: phases() == ["Cancelled", "Cancelled"], "both runs are cancelled", timeout=60
    )


def test_tokens_arrive_as_they_come_and_an_approval_is_waited_for(bot: Endpoint) -> None:
    policy(
        bot.cluster,
        bot.namespace,
        toolGating={"defaultAction": "allow", "rules": [{"tool": "execute_command", "action": "ask"}]},
    )
    stream = iter(bot.ask("Ask.", stream=True, stream_options={"include_usage": True}))
    said = ""
    while said != "May I?":  # while the run waits, and long before it ends
        said += next(stream).choices[0].delta.content or ""
    [run] = bot.runs()
    decide(bot.cluster, bot.namespace, "Approved", run_name=run["metadata"]["name"])
    rest = list(stream)
    assert "".join(c.delta.content or "" for chunk in rest for c in chunk.choices) == "\n\nIt said done."
    assert rest[-1].usage.completion_tokens > 0


@dataclass(frozen=True)
class Named:
    """An agent with a host name and a rate of one request a minute."""

    bot: Endpoint
    name: str
    server: str
    """The server's URL by its address."""
    before: int
    """The status of a request that is none, before the first one."""
    answer: str
    """To a request by the host name alone."""
    limited: httpx2.Response
    """To the next, while the first was being answered."""


@pytest.fixture(scope="module")
def named(sympozium_cluster: Cluster, model: ScriptedModel) -> Iterator[Named]:
    with own_namespace(sympozium_cluster) as namespace:
        policy(sympozium_cluster, namespace)
        name = f"{namespace}.localhost"
        bot = opened(
            sympozium_cluster, namespace, model.base_url,
            hostname=name, rateLimit={"requestsPerMinute": 1, "burstSize": 1},
        )  # fmt: skip
        server = bot.url.replace(name, "127.0.0.1")
        before = bot.post({"host": name}, server, model="x").status_code
        sdk = openai.OpenAI(
            base_url=f"{server}/v1", api_key=bot.key, max_retries=0, default_headers={"host": name}
        )
        said: list[Any] = [{"role": "user", "content": "hi"}]
        stream = sdk.chat.completions.create(model="agent", messages=said, stream=True)
        limited = bot.post({"host": name}, server)
        text = "".join(c.delta.content or "" for chunk in stream for c in chunk.choices)
        bot.post({"host": name, "authorization": "Bearer mine-but-mistyped-key"}, server)
        yield Named(bot, name, server, before, text, limited)


def test_requests_beyond_the_rate(named: Named) -> None:
    assert named.before == 404
    assert named.answer
    limited = named.limited
    assert (limited.status_code, limited.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert 0 < int(limited.headers["retry-after"]) <= 60


def test_a_host_name_is_the_agent_and_nothing_else(named: Named) -> None:
    assert named.bot.url.startswith(f"http://{named.name}:")
    assert named.answer == "Who knows?"
    for path in ("/", "/api/v1/session", f"/agents/{named.bot.namespace}/agent/v1/models"):
        headers = {"host": named.name, "authorization": f"Bearer {named.bot.key}"}
        assert (
            httpx2.get(f"{named.server}{path}", headers=headers, trust_env=False, timeout=60).status_code
            == 404
        )


def test_a_key_is_not_in_a_log(named: Named) -> None:
    """Neither one that was good for a run, nor one that was mistyped."""
    for path in named.bot.cluster.data.logs.glob("*.log"):
        text = path.read_text(errors="replace")
        assert named.bot.key not in text, path
        assert "mine-but-mistyped-key" not in text, path
