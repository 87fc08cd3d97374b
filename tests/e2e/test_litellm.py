"""A run through a real LiteLLM proxy: key and OPENAI_BASE_URL come from the authRefs Secret by envFrom."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from e2e.support import API, agent, finished, policy, run, say, transcript
from sympozium.testing import Cluster, ScriptedModel
from sympozium.testing.waiting import until
from sympozium.up.ports import pick

LITELLM = Path(__file__).parents[2] / ".venv-litellm" / "bin" / "litellm"
# One proxy for all of them: it takes ten seconds to start.
UPSTREAM_KEY = "sk-only-the-gateway-knows"
MASTER_KEY = "sk-gateway-master"
EXAMPLE = Path(__file__).parents[2] / "examples" / "litellm"
# The model elsewhere is down for tasks that say so.
DOWN = {
    "name": "down",
    "match": {"task": "outage"},
    "steps": [{"say": "-", "fault": {"status": 503, "times": 99}}],
}


def _speaks(name: str, *rules: dict[str, object]) -> dict[str, object]:
    script = say({"say": f"{name} speaks"})
    return script | {"models": [name], "rules": [*rules, *script["rules"]]}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a proxy under the example's configuration. Behind it are two models; that of `large` refuses every key but the gateway's own."""
    log_file = tmp_path_factory.mktemp("litellm") / "log"
    port = pick(set())
    with (
        ScriptedModel(_speaks("small")) as small,
        ScriptedModel(_speaks("large", DOWN), api_key=UPSTREAM_KEY) as large,
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


def _secret(name: str, namespace: str, base_url: str, key: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "stringData": {"OPENAI_API_KEY": key, "OPENAI_BASE_URL": base_url},
    }


def test_key_and_base_url_come_from_the_secret(
    sympozium_cluster: Cluster, namespace: str, gateway: str
) -> None:
    policy(sympozium_cluster, namespace)
    agent(sympozium_cluster, namespace, gateway, default={"model": "large"})
    sympozium_cluster.apply(_secret("agent-key", namespace, gateway, MASTER_KEY))
    run(sympozium_cluster, namespace)
    status = finished(sympozium_cluster, namespace)["status"]
    assert (status["phase"], status["result"]) == ("Succeeded", "large speaks")
    assert status["tokenUsage"]["totalTokens"] > 0


def test_a_key_that_the_gateway_refuses_ends_the_run_with_the_reason(
    sympozium_cluster: Cluster, namespace: str, gateway: str
) -> None:
    policy(sympozium_cluster, namespace)
    agent(sympozium_cluster, namespace, gateway, default={"model": "large"})
    sympozium_cluster.apply(_secret("agent-key", namespace, gateway, "sk-wrong"))
    run(sympozium_cluster, namespace)
    status = finished(sympozium_cluster, namespace)["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "ModelError")
    # LiteLLM without a database answers 400 to a key that it does not know.
    assert f"the model endpoint {gateway} answered 400" in status["error"]


def test_an_explicit_base_url_on_the_pack_wins(
    sympozium_cluster: Cluster, namespace: str, gateway: str
) -> None:
    policy(sympozium_cluster, namespace)
    sympozium_cluster.apply(_secret("pack-key", namespace, gateway, MASTER_KEY))
    with ScriptedModel(say({"say": "straight to the model"})) as direct:
        sympozium_cluster.apply(
            {
                "apiVersion": API,
                "kind": "PersonaPack",
                "metadata": {"name": "team", "namespace": namespace},
                "spec": {
                    "enabled": True,
                    "model": "scripted",
                    "baseURL": direct.base_url,
                    "policyRef": "open",
                    "authRefs": [{"secret": "pack-key"}],
                    "personas": [{"name": "one", "systemPrompt": "You answer."}],
                },
            }
        )
        sympozium_cluster.kubectl(
            "wait", "--for=condition=Ready", "ppack/team", "-n", namespace, "--timeout=30s"
        )
        run(sympozium_cluster, namespace, instance="team-one")
        status = finished(sympozium_cluster, namespace)["status"]
    assert (status["phase"], status["result"]) == ("Succeeded", "straight to the model")


def test_the_example_from_the_secret_to_the_first_run(
    sympozium_cluster: Cluster, namespace: str, gateway: str
) -> None:
    """Members of a team have models of their own, and who answered in place of one that is down is on the record."""
    cluster = sympozium_cluster
    cluster.kubectl(
        "create", "secret", "generic", "litellm", "-n", namespace, f"--from-literal=OPENAI_API_KEY={MASTER_KEY}",
        f"--from-literal=OPENAI_BASE_URL={gateway}",
    )  # fmt: skip
    cluster.sympozium("apply", "-f", str(EXAMPLE / "team.yaml"), "-n", namespace)
    cluster.kubectl("wait", "--for=condition=Ready", "ppack/routed", "-n", namespace, "--timeout=30s")
    run(cluster, namespace, instance="routed-reader", name="read")
    run(cluster, namespace, instance="routed-thinker", name="think")
    run(cluster, namespace, instance="routed-thinker", name="fallen-back", task="Think about the outage.")
    results = {
        name: finished(cluster, namespace, name)["status"] for name in ("read", "think", "fallen-back")
    }
    assert {name: status.get("result") for name, status in results.items()} == {
        "read": "small speaks", "think": "large speaks", "fallen-back": "small speaks",
    }  # fmt: skip
    assert "small answered, not large" in transcript(cluster, namespace, "fallen-back")
    assert "answered, not" not in transcript(cluster, namespace, "think")
    (ended,) = [
        entry
        for entry in map(
            json.loads,
            cluster.sympozium("audit", "export", "fallen-back", "-n", namespace).stdout.splitlines(),
        )
        if entry.get("kind") == "attempt.result"
    ]
    assert ended["data"]["models"] == ["small"]
