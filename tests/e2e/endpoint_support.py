"""An agent with an endpoint, for tests of what clients do with it."""

import base64
from dataclasses import dataclass
from typing import Any

import httpx2
import openai

from e2e.support import agent, policy
from sympozium.testing import AGENT_RUN, INSTANCE, SECRET, Cluster
from sympozium.testing.client import Object

LOOK = {"id": "look", "say": "I look.", "call": [{"tool": "list_directory", "arguments": {"path": "."}}]}
SCRIPT = {
    "banner": False,
    "models": ["scripted"],
    "rules": [
        {"name": "name", "match": {"task": "my name", "before": "^user: I am Ada$\nassistant: Hello"}, "steps": [{"say": "Ada."}]},
        {"name": "look", "match": {"task": "^Look"}, "steps": [LOOK, {"id": "end", "say": "It has {{result|words}}."}]},
        {"name": "ask", "match": {"task": "^Ask"}, "steps": [
            {"id": "do", "say": "May I?", "call": [{"tool": "execute_command", "arguments": {"command": "echo done"}}]},
            {"id": "end", "say": "It said {{result|head(1)}}."},
        ]},
        {"name": "slow", "match": {"task": "^Slow"}, "steps": [{"say": "Late.", "delay": 60}]},
        {"name": "fail", "match": {"task": "^Fail"}, "steps": [{"fault": {"times": 9, "status": 400, "message": "no such thing"}}]},
        {"name": "else", "match": {}, "steps": [{"say": "Who knows?"}]},
    ],
}  # fmt: skip


@dataclass
class Endpoint:
    """An agent in a namespace, with its endpoint ready."""

    cluster: Cluster
    namespace: str
    name: str
    url: str
    key: str

    def sdk(self, **more: Any) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=self.key, max_retries=0, **more)

    def ask(self, task: str, *before: tuple[str, str], **more: Any) -> Any:
        said = [{"role": role, "content": content} for role, content in (*before, ("user", task))]
        return self.sdk().chat.completions.create(model=self.name, messages=said, **more)

    def post(
        self, headers: dict[str, str] | None = None, url: str | None = None, **body: Any
    ) -> httpx2.Response:
        given = {"authorization": f"Bearer {self.key}", **(headers or {})}
        sent = {"model": self.name, "messages": [{"role": "user", "content": "hi"}], **body}
        return httpx2.post(
            f"{url or self.url}/v1/chat/completions", json=sent, headers=given, timeout=60, trust_env=False
        )

    def runs(self) -> list[Object]:
        return self.cluster.items(AGENT_RUN, self.namespace)


def opened(
    cluster: Cluster,
    namespace: str,
    base_url: str,
    *,
    a2a: dict[str, Any] | None = None,
    policy_ref: str = "open",
    **endpoint: Any,
) -> Endpoint:
    """An instance `agent`; `endpoint` are further fields of its webEndpoint."""
    name = "agent"
    more: dict[str, Any] = {"a2a": a2a} if a2a else {}
    agent(
        cluster,
        namespace,
        base_url,
        name=name,
        webEndpoint={"enabled": True, **endpoint},
        policy_ref=policy_ref,
        **more,
    )

    def ready(obj: Object) -> bool:
        return ((obj.get("status") or {}).get("webEndpoint") or {}).get("status") == "Ready"

    status = cluster.wait(INSTANCE, name, ready, namespace)["status"]["webEndpoint"]
    secret = cluster.get(SECRET, status["authSecretName"], namespace)["data"]["token"]
    return Endpoint(cluster, namespace, name, status["url"], base64.b64decode(secret).decode())


def closed(cluster: Cluster, namespace: str, **more: Any) -> Endpoint:
    """An agent each of whose runs fails before it has a pod: by its policy it could not report (`allowEventBus`)."""
    policy(cluster, namespace, "closed", networkPolicy={"denyAll": True, "allowEventBus": False})
    return opened(cluster, namespace, "http://127.0.0.1:9/v1", policy_ref="closed", **more)
