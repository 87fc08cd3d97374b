"""A run through a real LiteLLM proxy: key and OPENAI_BASE_URL come from the authRefs Secret by envFrom."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from e2e.support import API, finished, own_namespace, policy, run, say, transcript
from sympozium.testing import Cluster, ScriptedModel
from sympozium.testing.client import Object
from sympozium.testing.waiting import until
from sympozium.up.ports import pick

LITELLM = Path(__file__).parents[2] / ".venv-litellm" / "bin" / "litellm"
# One proxy for all of them: it takes ten seconds to start.
UPSTREAM_KEY = "sk-only-the-gateway-knows"
MASTER_KEY = "sk-gateway-master"
EXAMPLE = Path(__file__).parents[2] / "examples" / "litellm"
LOOK = {"tool": "list_directory", "arguments": {"path": "."}}
SMALL = say({"say": "small speaks"}) | {"models": ["small"]}
# The model elsewhere goes down when it has spoken once.
LARGE = say({"say": "large speaks", "call": [LOOK]}, {"say": "-", "fault": {"status": 503, "times": 99}}) | {
    "models": ["large"]
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a proxy under the example's configuration. Behind it are two models; that of `large` refuses every key but the gateway's own."""
    log_file = tmp_path_factory.mktemp("litellm") / "log"
    port = pick()
    with (
        ScriptedModel(SMALL) as small,
        ScriptedModel(LARGE, api_key=UPSTREAM_KEY) as large,
    ):
        environ = {k: v for k, v in os.environ.items() if not k.startswith("OPENAI_")} | {
            "OLLAMA_URL": small.base_url, "OPENROUTER_URL": large.base_url, "OPENROUTER_API_KEY": UPSTREAM_KEY,
            "LITELLM_MASTER_KEY": MASTER_KEY, "LITELLM_TELEMETRY": "False", "NO_DOCS": "True",
        }  # fmt: skip
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                [str(LITELLM), "--config", str(EXAMPLE / "config.yaml"), "--host", "127.0.0.1", "--port", str(port)],
                stdout=log, stderr=log, env=environ,
            )  # fmt: skip

        def ready() -> bool:
            assert process.poll() is None, log_file.read_text()
            try:
                answer = httpx2.get(f"http://127.0.0.1:{port}/health/liveliness", trust_env=False, timeout=5)
            except httpx2.TransportError:
                return False
            return answer.status_code == 200

        try:
            until(ready, f"LiteLLM on port {port}", timeout=120)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


@dataclass
class Answered:
    """Runs of the example that have ended."""

    cluster: Cluster
    namespace: str
    statuses: dict[str, Object]


@pytest.fixture(scope="module")
def answered(sympozium_cluster: Cluster, gateway: str) -> Iterator[Answered]:
    """The example, from the Secret to the first run of each member."""
    cluster = sympozium_cluster
    with own_namespace(cluster) as namespace:
        cluster.kubectl(
            "create", "secret", "generic", "litellm", "-n", namespace, f"--from-literal=OPENAI_API_KEY={MASTER_KEY}",
            f"--from-literal=OPENAI_BASE_URL={gateway}",
        )  # fmt: skip
        cluster.sympozium("apply", "-f", str(EXAMPLE / "team.yaml"), "-n", namespace)
        cluster.kubectl("wait", "--for=condition=Ready", "ppack/routed", "-n", namespace, "--timeout=90s")
        run(cluster, namespace, instance="routed-reader", name="read")
        run(cluster, namespace, instance="routed-thinker", name="think")
        statuses = {name: finished(cluster, namespace, name)["status"] for name in ("read", "think")}
        yield Answered(cluster, namespace, statuses)


def test_key_and_base_url_come_from_the_secret(answered: Answered) -> None:
    status = answered.statuses["read"]
    assert (status["phase"], status["result"]) == ("Succeeded", "small speaks")
    assert status["tokenUsage"]["totalTokens"] > 0


def test_the_example_from_the_secret_to_the_first_run(answered: Answered) -> None:
    """Members of a team have models of their own, and who answered in place of one that is down is on the record."""
    cluster, namespace = answered.cluster, answered.namespace
    assert {name: status.get("result") for name, status in answered.statuses.items()} == {
        "read": "small speaks", "think": "small speaks",
    }  # fmt: skip
    by_large, _, rest = transcript(cluster, namespace, "think").partition("small speaks")
    assert "large speaks" in by_large
    assert "answered, not" not in by_large
    assert "small answered, not large" in rest
    assert "answered, not" not in transcript(cluster, namespace, "read")
    models = {name: _models(cluster, namespace, name) for name in answered.statuses}
    assert models == {"read": ["small"], "think": ["large", "small"]}


def _models(cluster: Cluster, namespace: str, name: str) -> list[str]:
    """Who answered, by the run's record."""
    lines = cluster.sympozium("audit", "export", name, "-n", namespace).stdout.splitlines()
    (ended,) = [entry for entry in map(json.loads, lines) if entry.get("kind") == "attempt.result"]
    models: list[str] = ended["data"]["models"]
    return models


@pytest.fixture(scope="module")
def refused(sympozium_cluster: Cluster, gateway: str) -> Iterator[Object]:
    """A run whose pack names the gateway, while its Secret has another address, and a key that the gateway does not know."""
    cluster = sympozium_cluster
    with own_namespace(cluster) as namespace:
        policy(cluster, namespace)
        cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "pack-key", "namespace": namespace},
                "stringData": {"OPENAI_API_KEY": "sk-wrong", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"},
            }
        )
        cluster.apply(
            {
                "apiVersion": API,
                "kind": "PersonaPack",
                "metadata": {"name": "team", "namespace": namespace},
                "spec": {
                    "enabled": True,
                    "model": "large",
                    "baseURL": gateway,
                    "policyRef": "open",
                    "authRefs": [{"secret": "pack-key"}],
                    "personas": [{"name": "one", "systemPrompt": "You answer."}],
                },
            }
        )
        cluster.kubectl("wait", "--for=condition=Ready", "ppack/team", "-n", namespace, "--timeout=90s")
        run(cluster, namespace, instance="team-one")
        yield finished(cluster, namespace)["status"]


def test_a_key_that_the_gateway_refuses_ends_the_run_with_the_reason(refused: Object) -> None:
    assert (refused["phase"], refused["reason"]) == ("Failed", "ModelError")
    # LiteLLM without a database answers 400 to a key that it does not know.
    assert "answered 400" in refused["error"]


def test_an_explicit_base_url_on_the_pack_wins(refused: Object, gateway: str) -> None:
    assert f"the model endpoint {gateway} answered" in refused["error"]
