"""`sympozium init` and the model servers that the probes of a cluster's nodes found."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from sympozium.actions import endpoints
from sympozium.cli import init as module
from sympozium.cli.failures import CommandError
from sympozium.cli.init import Wishes
from unit.actions.test_nodemodels import DAEMON_SET, PODS, listing, pod
from unit.kube.scripted import Answer, Api, Asked, serving, status
from unit.nodeprobe.test_probe import listening, saying

LOOPBACK = "127.0.0.1"
BOTH = json.dumps({
    "data": [{"id": "m1"}, {"id": "m2"}], "choices": [{"message": {"content": "hello"}}], "usage": {},
}).encode()  # fmt: skip
"""The list of models and an answer in one."""


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine offers nothing itself."""
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr(endpoints.discover, "__kwdefaults__", {"ollama": "http://127.0.0.1:9/v1"})


class Cluster:
    """A probe on node `n1` says `said`; `written` is what was written, by path."""

    def __init__(self, said: Answer) -> None:
        self.said = said
        self.written: dict[str, Any] = {}

    def __call__(self, asked: Asked) -> Answer:
        if asked.method != "GET":
            if asked.path.endswith("/sympoziumconfigs/default"):
                return status(404, "NotFound")
            self.written[asked.path] = asked.body
            return 200, asked.body
        if asked.path == PODS:
            return 200, {"metadata": {"resourceVersion": "1"}, "items": [pod(1, "10.1.0.1", host=LOOPBACK)]}
        if asked.path.endswith("/proxy/models"):
            return self.said
        assert asked.path != DAEMON_SET
        return status(404, "NotFound")


@asynccontextmanager
async def cluster(
    said: Answer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Api, Cluster]]:
    made = Cluster(said)
    async with serving(made) as api:
        config = {
            "clusters": [{"name": "c", "cluster": {
                "server": f"http://{LOOPBACK}:{api.port}", "insecure-skip-tls-verify": True}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}], "current-context": "x",
        }  # fmt: skip
        kubeconfig = path / "kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(config))
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        yield api, made


async def choose(answers: str, **wishes: Any) -> tuple[str, BaseException | None]:
    """What the part about models says to somebody who types `answers`, and how it ends."""
    app = typer.Typer()
    app.command()(lambda: module._model(Wishes(**wishes)))
    done = await asyncio.to_thread(CliRunner().invoke, app, [], answers)
    return done.output, done.exception


def secret(made: Cluster) -> dict[str, str]:
    data = made.written["/api/v1/namespaces/default/secrets/sympozium-llm-key"]["data"]
    return {name: base64.b64decode(value).decode() for name, value in data.items()}


async def test_one_of_a_node_is_offered_tried_and_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(saying("200 OK", BOTH)) as port:
        url = f"http://{LOOPBACK}:{port}/v1"
        async with cluster((200, listing(url, models=["m1", "m2"])), tmp_path, monkeypatch) as (_, made):
            said, error = await choose("1\n2\n")
    assert error is None, said
    assert f"1  on node n1: {url} (2 models: m1, m2)" in said
    assert "It works: m2 said 'hello'" in said
    assert secret(made) == {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "none"}
    [config] = [body for path, body in made.written.items() if path.endswith("/sympoziumconfigs")]
    assert (config["spec"]["model"], config["spec"]["provider"]) == ("m2", "ollama")


@pytest.mark.parametrize("sure", [True, False])
async def test_one_that_only_pods_reach_is_taken_by_who_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sure: bool
) -> None:
    async with listening(saying("200 OK", b"")) as port:
        pass
    url = f"http://{LOOPBACK}:{port}/v1"
    async with cluster((200, listing(url)), tmp_path, monkeypatch) as (_, made):
        # Who does not take it is asked again, and leaves.
        said, error = await choose("1\ny\n" if sure else "1\nn\n")
    assert "nothing answers at" in said
    assert "The probe on node n1 reaches it; this machine may be outside of the cluster." in said
    assert bool(made.written) is sure
    if sure:
        assert error is None
        assert secret(made)["OPENAI_BASE_URL"] == url
        assert "`sympozium doctor` tries it from a pod" in said


async def test_one_that_wants_a_key_asks_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sympozium.cli.init.getpass.getpass", lambda _: "sk-typed")
    asked: list[bytes] = []

    async def locked(head: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append(head)
        await saying("200 OK", BOTH)(head, writer)

    async with listening(locked) as port:
        words = listing(f"http://{LOOPBACK}:{port}/v1", models=[], wantsKey=True)
        async with cluster((200, words), tmp_path, monkeypatch) as (_, made):
            said, error = await choose("1\nm1\n")
    assert error is None, said
    assert "it wants a key" in said
    assert "sk-typed" not in said
    assert secret(made)["OPENAI_API_KEY"] == "sk-typed"
    assert all(b"Bearer sk-typed" in head for head in asked)


async def test_without_a_person_none_of_a_node_is_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever opens a port on a node would get what agents know."""
    async with cluster((200, listing("http://127.0.0.1:1/v1")), tmp_path, monkeypatch) as (_, made):
        _, error = await choose("", yes=True)
    assert isinstance(error, CommandError)
    assert "those of nodes (http://127.0.0.1:1/v1 on node n1)" in str(error)
    assert made.written == {}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (status(501, "NotImplemented", "no pods/proxy"), "Not looked at: n1: not asked: this Kubernetes API"),
        (status(403, "Forbidden", "may not get pods/proxy"), "Not looked at: model servers on nodes: "),
        ((200, listing("http://10.9.9.9:1/v1")), "which is not on the node: it is not believed"),
        ((200, {"node": "\x1b[2J"}), "Not looked at: n1: its probe says what no probe says"),
    ],
    ids=["501", "403", "stray", "shape"],
)
async def test_what_was_not_looked_at_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Answer, words: str
) -> None:
    async with cluster(answer, tmp_path, monkeypatch):
        said, _ = await choose("")
    assert words in said
    assert "1  another endpoint, by its address" in said
