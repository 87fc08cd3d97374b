"""A run through a real LiteLLM proxy: key and OPENAI_BASE_URL come from the authRefs Secret by envFrom."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import yaml

from e2e.support import API, agent, finished, policy, run, say
from sympozium.testing import Cluster, ScriptedModel
from sympozium.testing.waiting import until
from sympozium.up.ports import pick

LITELLM = Path(__file__).parents[2] / ".venv-litellm" / "bin" / "litellm"
# One proxy for all of them: it takes ten seconds to start.
UPSTREAM_KEY = "sk-only-the-gateway-knows"
MASTER_KEY = "sk-gateway-master"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The proxy's base URL. Behind it is a model that refuses every key but the gateway's own."""
    directory = tmp_path_factory.mktemp("litellm")
    port = pick(set())
    with ScriptedModel(say({"say": "through the gateway"}), api_key=UPSTREAM_KEY) as model:
        config = {
            "model_list": [
                {
                    "model_name": "scripted",
                    "litellm_params": {
                        "model": "openai/scripted",
                        "api_base": model.base_url,
                        "api_key": UPSTREAM_KEY,
                    },
                }
            ],
            "general_settings": {"master_key": MASTER_KEY},
        }
        (directory / "config.yaml").write_text(yaml.safe_dump(config))
        environ = {k: v for k, v in os.environ.items() if not k.startswith("OPENAI_")}
        with (directory / "log").open("wb") as log:
            process = subprocess.Popen(
                [str(LITELLM), "--config", str(directory / "config.yaml"), "--host", "127.0.0.1", "--port", str(port)],
                stdout=log, stderr=log, env=environ | {"LITELLM_TELEMETRY": "False", "NO_DOCS": "True"},
            )  # fmt: skip

        def ready() -> bool:
            assert process.poll() is None, (directory / "log").read_text()
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
    agent(sympozium_cluster, namespace, gateway)
    sympozium_cluster.apply(_secret("agent-key", namespace, gateway, MASTER_KEY))
    run(sympozium_cluster, namespace)
    status = finished(sympozium_cluster, namespace)["status"]
    assert (status["phase"], status["result"]) == ("Succeeded", "through the gateway")
    assert status["tokenUsage"]["totalTokens"] > 0


def test_a_key_that_the_gateway_refuses_ends_the_run_with_the_reason(
    sympozium_cluster: Cluster, namespace: str, gateway: str
) -> None:
    policy(sympozium_cluster, namespace)
    agent(sympozium_cluster, namespace, gateway)
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
