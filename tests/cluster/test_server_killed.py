"""The API server is killed at each write of each action, and whoever asked asks again: done once, or not at all.

A process forks the server, counts what it writes, kills it, and forks it anew, as a kubelet would. The first try dies before
its first write, the second one after it, the third one after two, until a try is answered.
"""

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from cluster.api_server import SYSTEM, ApiServer, installed
from cluster.people import bind
from sympozium.api.endpoint import HMAC_KEY, SERVER, digest
from sympozium.names import derive
from sympozium.resources import INSTANCES, TRIGGERS
from sympozium.testing.client import Object
from sympozium.testing.kube import KubeAPI
from sympozium.testing.resources import (
    AGENT_RUN,
    APPROVAL_REQUEST,
    PERSONA_PACK,
    SCHEDULE,
    SECRET,
    SYMPOZIUM_CONFIG,
)
from sympozium.testing.waiting import until

__all__ = ["installed"]
NS = "killed"
API = "sympozium.ai/v1alpha1"
TOKEN = "a-token-of-sixteen-and-more"
KILLED = """
import os, signal, sys
from pathlib import Path
import sympozium.server.main
from sympozium.cli.main import run_app
from sympozium.kube import Client

order = Path({order!r})
send = Client.request

async def request(self, method, path, **more):
    counted = method != "GET" and "/sympozium.ai/" in path and order.exists()
    if counted and order.read_text() == "0":
        die()
    answer = await send(self, method, path, **more)
    if counted:
        order.write_text(str(int(order.read_text()) - 1))
        if order.read_text() == "0":
            die()
    return answer

def die():
    order.unlink()
    os.kill(os.getpid(), signal.SIGKILL)

Client.request = request
while True:
    child = os.fork()
    if not child:
        os._exit(run_app(sys.argv[1:]))
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    status = os.waitpid(child, 0)[1]
    if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
        sys.exit(os.waitstatus_to_exitcode(status))
"""


class Mortal(ApiServer):
    """Dies when it is told to, and comes back."""

    def __init__(self, kube: KubeAPI, directory: Path) -> None:
        super().__init__(kube, directory)
        self.order = directory / "writes"
        self.program = ("-c", KILLED.format(order=str(self.order)))

    def insist(self, path: str, body: Any = None, *, key: str = "", token: str = "operator-token") -> tuple[int, httpx2.Response]:  # fmt: skip
        """How often it died, and the answer at last."""
        headers = {"Authorization": f"Bearer {token}"} | ({"Idempotency-Key": key} if key else {})
        for writes in range(8):
            self.order.write_text(str(writes))
            try:
                with self.client() as client:
                    answer = client.post(path, json=body, headers=headers)
            except httpx2.TransportError:
                assert not self.order.exists(), "it died of something else"
                self.wait()
                continue
            self.order.unlink()
            return writes, answer
        raise AssertionError("it never answered")

    def act(self, path: str, body: Any = None, *, key: str = "", token: str = "operator-token", deaths: int = 2) -> Any:  # fmt: skip
        """The body of the answer, when it died at each write before."""
        died, answer = self.insist(f"/api/v1{path}", body, key=key, token=token)
        assert answer.is_success, answer.text
        assert died == deaths
        return answer.json()


@pytest.fixture(scope="module")
def kube(installed: KubeAPI) -> KubeAPI:
    installed.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NS}})
    for user, role in (
        ("operator", "sympozium-view"),
        ("operator", "sympozium-edit"),
        ("approver", "sympozium-approver"),
    ):
        bind(installed, user, role, NS)
    return installed


@pytest.fixture(scope="module")
def server(kube: KubeAPI, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mortal]:
    with Mortal(kube, tmp_path_factory.mktemp("apiserver")) as running:
        yield running


def make(kube: KubeAPI, kind: str, name: str, spec: Any, namespace: str = NS) -> Object:
    meta = {"name": name, "namespace": namespace}
    return kube.create({"apiVersion": API, "kind": kind, "metadata": meta, "spec": spec})


def run(kube: KubeAPI, name: str, phase: str = "") -> None:
    make(kube, "AgentRun", name, {"instanceRef": "sre", "task": "look"})
    if phase:
        kube.patch(AGENT_RUN, name, {"status": {"phase": phase, "steps": 2}}, NS, subresource="status")


def runs(kube: KubeAPI) -> set[str]:
    return {item["metadata"]["name"] for item in kube.items(AGENT_RUN, NS)}


def test_what_makes_a_run_makes_one(kube: KubeAPI, server: Mortal) -> None:
    """And another request of its key, or the same of somebody else, is another."""
    run(kube, "first", "Failed")
    for path, body, other in (
        ("", {"instance": "sre", "task": "look"}, {"instance": "sre", "task": "look away"}),
        ("/first/retry", None, None),
        ("/first/fork", {"step": 1}, {"step": 2}),
    ):  # fmt: skip
        before = runs(kube)
        url, key = f"/namespaces/{NS}/runs{path}", f"key of {path}{body}"
        made = server.act(url, body, key=key)["run"]
        assert runs(kube) - before == {made["name"]}
        if other:
            wrong = server.ask("POST", url, other, token="operator-token", Idempotency_Key=key)
            assert (wrong.status_code, "made by another request" in wrong.json()["detail"]) == (409, True)
        for token, sent in (("admin-token", key), ("operator-token", "another")):
            again = server.ask("POST", url, body, token=token, Idempotency_Key=sent).json()["run"]
            assert again["name"] not in before | {made["name"]}
    kube.delete(AGENT_RUN, "first", NS)
    for path, body in (("retry", None), ("fork", {"step": 1})):
        sent = {"token": "operator-token", "Idempotency_Key": f"key of /first/{path}{body}"}
        gone = server.ask("POST", f"/namespaces/{NS}/runs/first/{path}", body, **sent)
        assert (gone.status_code, gone.json()["run"]["name"] in runs(kube)) == (201, True)


def test_a_name_that_was_chosen_is_of_one_key(kube: KubeAPI, server: Mortal) -> None:
    named = {"instance": "sre", "task": "look", "name": "named"}
    for sent, status in (("k", 201), ("k", 201), ("l", 409)):
        answer = server.ask(
            "POST", f"/namespaces/{NS}/runs", named, token="operator-token", Idempotency_Key=sent
        )
        assert answer.status_code == status


def test_what_changes_a_run_has_changed_it(kube: KubeAPI, server: Mortal) -> None:
    run(kube, "held", "Running")
    for verb, field, value in (("suspend", "suspend", True), ("resume", "suspend", False), ("cancel", "cancel", True)):  # fmt: skip
        server.act(f"/namespaces/{NS}/runs/held/{verb}")
        assert kube.get(AGENT_RUN, "held", NS)["spec"][field] is value
    kube.delete(AGENT_RUN, "held", NS)


def test_all_that_shall_stop_is_stopped_in_the_end(kube: KubeAPI, server: Mortal) -> None:
    """One write to the configuration, and one to each run: what was done before it died is not undone."""
    make(kube, "SympoziumConfig", "default", {}, SYSTEM)
    for item in kube.items(AGENT_RUN, NS):
        kube.delete(AGENT_RUN, item["metadata"]["name"], NS)
    for name in ("one", "two"):
        run(kube, name, "Running")
    wanted = {"all": True, "kill": True, "seconds": 0}
    answer = server.act("/stop", wanted, token="admin-token", deaths=4)
    assert answer["stopped"] is True
    assert kube.get(SYMPOZIUM_CONFIG, "default", SYSTEM)["spec"]["suspend"] is True
    assert all(item["spec"]["cancel"] for item in kube.items(AGENT_RUN, NS))
    assert server.ask("POST", "/resume", {"all": True, "seconds": 0}, token="admin-token").status_code == 200
    assert not kube.get(SYMPOZIUM_CONFIG, "default", SYSTEM)["spec"].get("suspend")


def test_a_decision_is_taken_once(kube: KubeAPI, server: Mortal) -> None:
    spec = {
        "runRef": "r", "tool": "execute_command", "target": "shell", "args": {}, "argsDigest": "sha256:" + "0" * 64,
        "requestedAt": "2026-11-27T10:00:00Z", "expiresAt": "2036-11-27T10:00:00Z",
    }  # fmt: skip
    make(kube, "ApprovalRequest", "asks", spec)
    died, answer = server.insist(f"/api/v1/namespaces/{NS}/approvals/asks/deny", {}, token="approver-token")
    assert (died, answer.status_code) == (2, 409)
    assert "is already decided: Denied" in answer.json()["detail"]
    assert kube.get(APPROVAL_REQUEST, "asks", NS)["status"]["decision"] == "Denied"


def test_a_pack_is_at_work_whole_or_not_at_all(kube: KubeAPI, server: Mortal) -> None:
    personas = [{"name": "eye", "systemPrompt": "Look."}, {"name": "ear", "systemPrompt": "Listen."}]
    make(kube, "PersonaPack", "team", {"enabled": False, "personas": personas}, SYSTEM)
    path = f"/namespaces/{NS}/packs/team"
    server.act(f"{path}/enable", {"model": "m", "excludePersonas": ["ear"]}, token="admin-token")
    found = kube.get(PERSONA_PACK, "team", NS)["spec"]
    assert [persona["name"] for persona in found["personas"]] == ["eye", "ear"]
    assert (found["enabled"], found["model"], found["excludePersonas"]) == (True, "m", ["ear"])


def test_a_schedule_is_told_to_fire_once(kube: KubeAPI, server: Mortal) -> None:
    """The name of the run stands in the order: the controllers make no second one of it."""
    make(kube, "SympoziumSchedule", "nightly", {"instanceRef": "sre", "schedule": "@daily", "task": "look"})
    path = f"/namespaces/{NS}/schedules/nightly"
    fired = server.act(f"{path}/fire", key="now")["name"]

    def ordered() -> str:
        return derive("nightly", "fire", kube.get(SCHEDULE, "nightly", NS)["metadata"]["annotations"]["sympozium.ai/fire"])  # fmt: skip

    def ask(key: str) -> httpx2.Response:
        return server.ask("POST", f"{path}/fire", token="operator-token", Idempotency_Key=key)

    assert ordered() == fired
    refused = ask("later")
    assert refused.status_code == 409
    assert f"{fired} was ordered of schedule nightly a moment ago" in refused.json()["detail"]
    assert ordered() == fired, "who was told of a run gets it"
    token = kube.get(SCHEDULE, "nightly", NS)["metadata"]["annotations"]["sympozium.ai/fire"]
    seen = {"metadata": {"annotations": {"sympozium.ai/fired": token}}}  # as the controllers write it
    kube.patch(SCHEDULE, "nightly", seen, NS)
    other = ask("later").json()["name"]
    assert other == ordered() != fired
    assert ask("now").json()["name"] == fired
    assert ordered() == other


def test_a_request_to_a_trigger_makes_one_run(kube: KubeAPI, server: Mortal) -> None:
    spec = {"instanceRef": "sre", "task": "{{ event.what }}", "source": {"webhook": {"secretRef": "s", "format": "json"}}}  # fmt: skip
    make(kube, "SympoziumTrigger", "hook", spec)
    key = base64.b64decode(kube.get(SECRET, SERVER, SYSTEM)["data"][HMAC_KEY])
    known = {"path": f"/hooks/{NS}/hook", "keyDigest": digest(key, NS, "hook", TOKEN, of="trigger")}
    kube.patch(TRIGGERS, "hook", {"status": {"webhook": known}}, NS, subresource="status")
    path = f"/hooks/{NS}/hook"
    with server.client(TOKEN) as client:
        until(lambda: client.post(path, content=b"no json").status_code == 400, "it knows the trigger")
    died, answer = server.insist(path, {"what": "x"}, key="k", token=TOKEN)
    assert (died, answer.is_success) == (2, True), answer.text
    made = kube.items(AGENT_RUN, NS, labelSelector="sympozium.ai/trigger=hook")
    assert [item["metadata"]["name"] for item in made] == [answer.json()["run"]]
    assert not kube.get(TRIGGERS, "hook", NS)["status"].get("firedCount"), "it died before it counted"


def test_a_question_to_an_agent_is_one_run_however_often_it_is_asked(kube: KubeAPI, server: Mortal) -> None:
    """The last try waits for the end of the run that was made before it."""
    spec = {"agents": {"default": {"model": "m"}}, "webEndpoint": {"enabled": True}}
    make(kube, "SympoziumInstance", "bot", spec)
    key = base64.b64decode(kube.get(SECRET, SERVER, SYSTEM)["data"][HMAC_KEY])
    known = {"webEndpoint": {"status": "Ready", "keyDigest": digest(key, NS, "bot", TOKEN)}}
    kube.patch(INSTANCES, "bot", {"status": known}, NS, subresource="status")
    path = f"/agents/{NS}/bot/v1"
    with server.client(TOKEN) as client:
        until(lambda: client.get(f"{path}/models").status_code == 200, "it knows the agent")

    def made() -> list[Object]:
        return kube.items(AGENT_RUN, NS, labelSelector="sympozium.ai/instance=bot")

    body = {"model": "bot", "messages": [{"role": "user", "content": "Hello"}]}
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(server.insist, f"{path}/chat/completions", body, key="k", token=TOKEN)
        until(lambda: len(made()) == 1, "the run is made")
        (run,) = made()
        name = run["metadata"]["name"]
        ended = {"status": {"phase": "Failed", "reason": "Broken", "error": "it broke"}}
        kube.patch(AGENT_RUN, name, ended, NS, subresource="status")
        died, answer = asking.result()
    assert (died, answer.status_code) == (2, 502), answer.text
    assert answer.headers["x-sympozium-run"] == f"{NS}/{name}"
    assert len(made()) == 1
