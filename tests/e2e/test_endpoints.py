"""Clients that hold an agent's key: the openai SDK and curl, against a running control plane."""

import json
import subprocess
from collections.abc import Iterator

import httpx2
import openai
import pytest

from e2e.endpoint_support import SCRIPT, Endpoint, opened
from e2e.support import decide, policy
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


def test_tokens_arrive_as_they_come(bot: Endpoint) -> None:
    texts, last = [], None
    for chunk in bot.ask("Look.", stream=True, stream_options={"include_usage": True}):
        texts += [choice.delta.content for choice in chunk.choices if choice.delta.content]
        last = chunk
    assert "".join(texts) == "I look.\n\nIt has [empty directory]."
    assert last is not None
    assert last.usage.completion_tokens > 0


def test_curl_and_what_is_ignored(bot: Endpoint) -> None:
    body = json.dumps(
        {"model": "agent", "temperature": 1, "messages": [{"role": "user", "content": "Look."}]}
    )
    done = subprocess.run(
        ["curl", "-sS", "-i", f"{bot.url}/v1/chat/completions", "-H", f"Authorization: Bearer {bot.key}", "-d", body],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    head, _, answer = done.stdout.replace("\r\n", "\n").partition("\n\n")
    assert "x-sympozium-ignored: temperature" in head.lower()
    assert json.loads(answer)["choices"][0]["message"]["content"] == "It has [empty directory]."


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
        assert httpx2.get(url, headers=headers, trust_env=False).status_code == 401


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
    with pytest.raises(openai.APIError, match="no such thing"):
        list(bot.ask("Fail.", stream=True))
    assert len(bot.runs()) == 2


def test_a_client_that_goes_away_ends_its_run(bot: Endpoint) -> None:
    for stream in (True, False):
        with pytest.raises(httpx2.ReadTimeout), httpx2.stream(
            "POST", f"{bot.url}/v1/chat/completions", timeout=httpx2.Timeout(30, read=1), trust_env=False,
            headers={"authorization": f"Bearer {bot.key}"},
            json={"model": "agent", "messages": [{"role": "user", "content": "Slow."}], "stream": stream},
        ) as response:  # fmt: skip
            for _ in response.iter_bytes():
                pass
    until(
        lambda: [phase(r) for r in bot.runs()] == ["Cancelled", "Cancelled"],
        "both runs are cancelled",
        timeout=60,
    )


def test_a_repeated_request_is_one_run(bot: Endpoint) -> None:
    said = [{"role": "user", "content": "Look."}]
    answers = [bot.post({"idempotency-key": "k1"}, messages=said) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert answers[0].headers["x-sympozium-run"] == answers[1].headers["x-sympozium-run"]
    other = bot.post({"idempotency-key": "k1"})
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_key_in_use")
    assert len(bot.runs()) == 1


def test_an_approval_is_waited_for(bot: Endpoint) -> None:
    policy(
        bot.cluster,
        bot.namespace,
        toolGating={"defaultAction": "allow", "rules": [{"tool": "execute_command", "action": "ask"}]},
    )
    stream = iter(bot.ask("Ask.", stream=True))
    said = ""
    while said != "May I?":  # while the run waits, and long before it ends
        said += next(stream).choices[0].delta.content or ""
    [run] = bot.runs()
    decide(bot.cluster, bot.namespace, "Approved", run_name=run["metadata"]["name"])
    assert "".join(c.delta.content or "" for chunk in stream for c in chunk.choices) == "\n\nIt said done."


def test_requests_beyond_the_rate(sympozium_cluster: Cluster, namespace: str, model: ScriptedModel) -> None:
    policy(sympozium_cluster, namespace)
    bot = opened(
        sympozium_cluster, namespace, model.base_url, rateLimit={"requestsPerMinute": 1, "burstSize": 1}
    )
    assert bot.post(model="x").status_code == 404
    assert bot.post().status_code == 200
    limited = bot.post()
    assert (limited.status_code, limited.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert 0 < int(limited.headers["retry-after"]) <= 60


def test_a_host_name_is_the_agent_and_nothing_else(
    sympozium_cluster: Cluster, namespace: str, model: ScriptedModel
) -> None:
    policy(sympozium_cluster, namespace)
    name = f"{namespace}.localhost"
    bot = opened(sympozium_cluster, namespace, model.base_url, hostname=name)
    assert bot.url.startswith(f"http://{name}:")
    server = bot.url.replace(name, "127.0.0.1")
    assert bot.post({"host": name}, server).json()["choices"][0]["message"]["content"] == "Who knows?"
    for path in ("/", "/api/v1/session", f"/agents/{namespace}/agent/v1/models"):
        headers = {"host": name, "authorization": f"Bearer {bot.key}"}
        assert httpx2.get(f"{server}{path}", headers=headers, trust_env=False).status_code == 404


def test_a_key_is_not_in_a_log(bot: Endpoint) -> None:
    bot.post()
    bot.post({"authorization": "Bearer mine-but-mistyped-key"})
    for path in bot.cluster.data.logs.glob("*.log"):
        text = path.read_text(errors="replace")
        assert bot.key not in text, path
        assert "mine-but-mistyped-key" not in text, path
