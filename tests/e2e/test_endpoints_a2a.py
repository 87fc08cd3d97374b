"""An agent that other agents talk to, with the SDK's own client."""

import json
import subprocess
from pathlib import Path
from typing import Any

import httpx2

from e2e.endpoint_support import LOOK, SCRIPT, closed, opened
from e2e.support import own_namespace, policy
from sympozium.testing import Cluster, ScriptedModel

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-a2a/bin/python"
A2A = {"enabled": True, "description": "Looks at things.", "skills": ["look"]}
REMEMBERS = {
    "name": "remembers",
    "match": {"task": r"^And\?", "before": r"^user: Look\.$\nassistant: It has"},
    "steps": [LOOK, {"id": "end", "say": "I remember."}],
}


def test_another_agent_talks_to_an_agent(sympozium_cluster: Cluster, namespace: str) -> None:
    assert PYTHON.exists(), f"{PYTHON} is missing: sh scripts/test_tools.sh makes it"
    policy(sympozium_cluster, namespace)
    script = {**SCRIPT, "rules": [REMEMBERS, *SCRIPT["rules"]]}
    with own_namespace(sympozium_cluster) as elsewhere, ScriptedModel(script) as model:
        broken = closed(sympozium_cluster, elsewhere, a2a=A2A)
        bot = opened(sympozium_cluster, namespace, model.base_url, a2a=A2A)
        done = subprocess.run(
            [str(PYTHON), str(Path(__file__).parent / "clients/with_a2a.py"), bot.url, bot.key, broken.url, broken.key],
            capture_output=True, text=True, check=False, timeout=240,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-4000:]
        assert done.stdout == "a2a: all well\n"
        assert {run["metadata"]["labels"]["sympozium.ai/endpoint"] for run in bot.runs()} == {"a2a"}
        assert (len(bot.runs()), len(broken.runs())) == (3, 1)

        def call(method: str, headers: dict[str, str] | None = None, **params: Any) -> httpx2.Response:
            given = {"authorization": f"Bearer {bot.key}", **(headers or {})}
            body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
            return httpx2.post(
                f"{bot.url}/a2a", content=json.dumps(body), headers=given, trust_env=False, timeout=60
            )

        assert call("GetTask", {"authorization": "Bearer none"}, id="x").status_code == 401
        codes = [
            call("message/send").json()["error"]["code"],
            call("GetTask", {"a2a-version": "0.3"}).json()["error"]["code"],
            call(
                "SendMessage", message={"messageId": "m", "role": "ROLE_USER", "parts": [{"url": "x"}]}
            ).json()["error"]["code"],
        ]
        assert codes == [-32601, -32009, -32005]
