"""The webhook as a process, called by localkube as a cluster would: CRDs, identities and rights as installed."""

import base64
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.localkube_fixture import LocalKube, kube, ns
from sympozium.api import crds
from sympozium.catalog import documents as catalogue
from sympozium.catalog.install import admission, identities
from sympozium.kube.resources import BUILT_IN, Resource
from sympozium.testing.client import ApiError
from sympozium.testing.resources import AGENT_RUN, APPROVAL_REQUEST, BY_KIND, INSTANCE, SECRET
from sympozium.testing.waiting import until
from sympozium.up.ports import pick

__all__ = ["kube", "ns"]

SYSTEM = "sympozium-system"
PLACES = {resource.kind: resource for resource in BUILT_IN} | BY_KIND
PLACES |= {
    kind: Resource("admissionregistration.k8s.io", "v1", plural, kind, namespaced=False)
    for kind, plural in (
        ("ValidatingAdmissionPolicy", "validatingadmissionpolicies"),
        ("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings"),
    )
}
CONTROLLER = "sympozium-controller"


class WebhookProcess:
    """`sympozium.webhook.main.run`, with the identity that the install gives it."""

    def __init__(self, kube: LocalKube, directory: Path, *, look_every: float = 30) -> None:
        self.port = pick()
        self.health = pick()
        config = yaml.safe_load(kube.kubeconfig.read_text())
        config["users"][0]["user"] = {"token": token(kube, "sympozium-webhook")}
        path = directory / f"webhook-{self.port}.kubeconfig"
        path.write_text(yaml.safe_dump(config))
        code = (
            "from sympozium.webhook.main import run; raise SystemExit("
            f"run(port={self.port}, url_base='https://127.0.0.1:{self.port}', health_port={self.health},"
            f" look_every={look_every}))"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, "KUBECONFIG": str(path)},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self.said = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as stream:
            for line in stream:
                with self.said:
                    self.lines.append(line)
                    self.said.notify_all()

    @property
    def log(self) -> str:
        return "".join(self.lines)

    def wait(self, text: str) -> None:
        """Until the log says something."""
        with self.said:
            assert self.said.wait_for(lambda: text in self.log, 20), self.log

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self.reader.join(5)
        return code


def token(kube: LocalKube, account: str, namespace: str = SYSTEM) -> str:
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": 3600},
    }
    return str(kube.request("POST", path, body)["status"]["token"])


def install(kube: LocalKube, objects: list[dict[str, Any]]) -> None:
    for obj in objects:
        place, meta = PLACES[obj["kind"]], obj["metadata"]
        path = place.path(meta.get("namespace") if place.namespaced else None, meta["name"])
        kube.request(
            "PATCH", path, obj, content_type="application/apply-patch+yaml", fieldManager="t", force="true"
        )


@pytest.fixture(scope="module")
def webhook(kube: LocalKube) -> Iterator[WebhookProcess]:
    install(kube, [yaml.safe_load(text) for text in crds.documents().values()])
    install(kube, identities())
    process = WebhookProcess(kube, kube.directory)
    install(kube, admission(webhook_url=f"https://127.0.0.1:{process.port}"))
    process.wait("wrote the CA into ValidatingWebhookConfiguration")
    until(lambda: ready(process), f"the webhook is ready: {process.log}")
    install(kube, catalogue())
    yield process
    assert process.stop() == 0


def ready(process: WebhookProcess) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{process.health}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError):
        # It has not begun to listen, or its informers wait for the kinds to be served: a real API server takes a moment.
        return False


def instance(kube: LocalKube, namespace: str, **spec: Any) -> None:
    agents = {"default": {"model": "m"}}
    kube.apply(
        {
            "apiVersion": "sympozium.ai/v1alpha1",
            "kind": "SympoziumInstance",
            "metadata": {"name": "i", "namespace": namespace},
            "spec": {"agents": agents, **spec},
        }
    )


def run(kube: LocalKube, namespace: str, name: str = "r", **spec: Any) -> dict[str, Any]:
    return kube.create(
        {
            "apiVersion": "sympozium.ai/v1alpha1",
            "kind": "AgentRun",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"instanceRef": "i", "task": "t", **spec},
        }
    )


def test_a_run_is_filled_and_its_spec_stays(kube: LocalKube, webhook: WebhookProcess, ns: str) -> None:
    instance(kube, ns)
    made = run(kube, ns, trigger={"kind": "Schedule", "user": "the-boss"})
    assert made["spec"]["model"] == {"provider": "openai", "model": "m"}
    assert made["spec"]["trigger"]["kind"] == "Manual"
    assert made["spec"]["trigger"]["user"] != "the-boss"
    with pytest.raises(ApiError, match=r"spec\.task"):
        kube.patch(AGENT_RUN, "r", {"spec": {"task": "other"}}, ns)
    assert kube.patch(AGENT_RUN, "r", {"spec": {"cancel": True}}, ns)["spec"]["cancel"] is True


def test_a_run_is_finished_while_no_webhook_answers(
    kube: LocalKube, webhook: WebhookProcess, ns: str
) -> None:
    instance(kube, ns)
    run(kube, ns)
    os.kill(webhook.process.pid, signal.SIGSTOP)
    try:
        held = kube.patch(AGENT_RUN, "r", {"metadata": {"finalizers": ["example.com/held"]}}, ns)
        assert held["metadata"]["finalizers"] == ["example.com/held"]
        kube.delete(AGENT_RUN, "r", ns)
        kube.patch(AGENT_RUN, "r", {"metadata": {"finalizers": []}}, ns)
        with pytest.raises(ApiError, match="not found"):
            kube.get(AGENT_RUN, "r", ns)
    finally:
        os.kill(webhook.process.pid, signal.SIGCONT)


def test_with_which_secrets_a_run_was_admitted_does_not_change(
    kube: LocalKube, webhook: WebhookProcess, ns: str
) -> None:
    instance(kube, ns, authRefs=[{"secret": "one"}])
    run(kube, ns)
    for value in ("one,two", None):
        with pytest.raises(ApiError, match="does not change"):
            kube.patch(AGENT_RUN, "r", {"metadata": {"annotations": {"sympozium.ai/secrets": value}}}, ns)


def report(kube: LocalKube, namespace: str, status: dict[str, Any], who: str) -> Any:
    """A write of a run's status, by somebody's token."""
    path = AGENT_RUN.path(namespace, "r", "status")
    merge = "application/merge-patch+json"
    return kube.ask("PATCH", path, {"status": status}, token=who, content_type=merge)


def test_a_terminal_phase_never_changes(kube: LocalKube, webhook: WebhookProcess, ns: str) -> None:
    instance(kube, ns)
    run(kube, ns)
    controller = token(kube, CONTROLLER)
    assert report(kube, ns, {"phase": "Running"}, controller).status_code == 200
    assert report(kube, ns, {"phase": "Failed"}, controller).status_code == 200
    for phase in ("Running", "Succeeded", None):
        answer = report(kube, ns, {"phase": phase}, controller)
        assert answer.status_code == 422, answer.text
        assert "terminal phase never changes" in answer.text


def test_nobody_but_the_controllers_says_what_became_of_a_run(
    kube: LocalKube, webhook: WebhookProcess, ns: str
) -> None:
    instance(kube, ns)
    run(kube, ns)
    with pytest.raises(ApiError, match="written by the controllers") as caught:
        kube.patch(AGENT_RUN, "r", {"status": {"phase": "Succeeded"}}, ns, subresource="status")
    assert caught.value.code == 403
    assert not (kube.get(AGENT_RUN, "r", ns).get("status") or {}).get("phase")


def test_a_forbidden_tool_is_refused_with_the_rule(kube: LocalKube, webhook: WebhookProcess, ns: str) -> None:
    instance(kube, ns, policyRef="restrictive-policy")
    with pytest.raises(
        ApiError, match=r"spec\.toolPolicy\.allow\[1\].*restrictive-policy: toolGating"
    ) as caught:
        run(kube, ns, toolPolicy={"allow": ["read_file", "write_file"]})
    assert caught.value.code == 403
    assert kube.find(AGENT_RUN, "r", ns) is None
    assert run(kube, ns)["spec"]["sandbox"]["resources"]["limits"] == {"cpu": "2", "memory": "4Gi"}


def test_mistakes_of_the_schema_are_named_by_the_api(
    kube: LocalKube, webhook: WebhookProcess, ns: str
) -> None:
    with pytest.raises(ApiError, match=r"spec\.instanceRef: Required value"):
        kube.create(
            {
                "apiVersion": "sympozium.ai/v1alpha1",
                "kind": "AgentRun",
                "metadata": {"name": "x", "namespace": ns},
                "spec": {"task": "t"},
            }
        )
    with pytest.raises(ApiError, match="unknown feature gate"):
        kube.create(
            {
                "apiVersion": "sympozium.ai/v1alpha1",
                "kind": "SympoziumPolicy",
                "metadata": {"name": "x", "namespace": ns},
                "spec": {"featureGates": {"teleport": True}},
            }
        )


def approval(kube: LocalKube, namespace: str, controller: str) -> str:
    now = datetime.now(UTC)
    spec = {
        "runRef": "r", "tool": "execute_command", "argsDigest": "sha256:" + "0" * 64, "args": {"command": "ls"},
        "requestedAt": f"{now:%Y-%m-%dT%H:%M:%SZ}", "expiresAt": f"{now + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}",
    }  # fmt: skip
    body = {
        "apiVersion": "sympozium.ai/v1alpha1",
        "kind": "ApprovalRequest",
        "metadata": {"name": "a"},
        "spec": spec,
    }
    answer = kube.ask("POST", APPROVAL_REQUEST.path(namespace), body, token=controller)
    assert answer.status_code == 201, answer.text
    return "a"


def test_a_person_decides_and_controllers_and_runs_do_not(
    kube: LocalKube, webhook: WebhookProcess, ns: str
) -> None:
    controller = token(kube, CONTROLLER)
    name = approval(kube, ns, controller)
    path = APPROVAL_REQUEST.path(ns, name, "status")
    merge = {"content_type": "application/merge-patch+json"}
    answer = kube.ask("PATCH", path, {"status": {"decision": "Approved"}}, token=controller, **merge)
    assert answer.status_code == 403, answer.text
    assert "controllers only set Expired" in answer.text
    decided = kube.patch(
        APPROVAL_REQUEST,
        name,
        {"status": {"decision": "Approved", "decidedBy": "x"}},
        ns,
        subresource="status",
    )
    assert decided["status"]["decidedBy"] not in ("x", "")
    assert decided["status"]["scope"] == "once"
    with pytest.raises(ApiError, match="already"):
        kube.patch(APPROVAL_REQUEST, name, {"status": {"decision": "Denied"}}, ns, subresource="status")
    with pytest.raises(ApiError, match="does not change"):
        kube.patch(APPROVAL_REQUEST, name, {"spec": {"tool": "other"}}, ns)


def bound(kube: LocalKube, namespace: str, account: str, role: str, labels: dict[str, str] | None = None) -> str:  # fmt: skip
    """A ServiceAccount with a ClusterRole in one namespace; returns its token."""
    meta = {"name": account, "namespace": namespace}
    kube.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {**meta, "labels": labels or {}}})
    kube.create(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": meta,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
        }
    )  # fmt: skip
    return token(kube, account, namespace)


def test_an_identity_of_a_run_does_not_decide_even_where_rbac_would_let_it(
    kube: LocalKube, webhook: WebhookProcess, ns: str
) -> None:
    name = approval(kube, ns, token(kube, CONTROLLER))
    path = APPROVAL_REQUEST.path(ns, name, "status")
    own = bound(kube, ns, "innocent", "sympozium-approver", {"sympozium.ai/run": "r"})
    merge = {"content_type": "application/merge-patch+json"}
    body = {"status": {"decision": "Approved"}}
    answer = kube.ask("PATCH", path, body, token=own, **merge)
    assert answer.status_code == 403, answer.text
    assert "a person decides, not a run" in answer.text
    bot = bound(kube, ns, "r-skill-chat", "sympozium-approver")
    answer = kube.ask("PATCH", path, body, token=bot, **merge)
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"]["decidedBy"] == f"system:serviceaccount:{ns}:r-skill-chat"


def test_an_undecided_request_stays_with_its_call(kube: LocalKube, webhook: WebhookProcess, ns: str) -> None:
    name = approval(kube, ns, token(kube, CONTROLLER))
    change = {"metadata": {"annotations": {"sympozium.ai/call-id": "another"}}}
    with pytest.raises(ApiError, match="call-id") as caught:
        kube.patch(APPROVAL_REQUEST, name, change, ns)
    assert caught.value.code == 403
    kube.patch(APPROVAL_REQUEST, name, {"metadata": {"labels": {"team": "a"}, "finalizers": ["a/b"]}}, ns)
    kube.patch(APPROVAL_REQUEST, name, {"metadata": {"finalizers": None}}, ns)


def test_who_may_only_edit_a_namespace_gets_no_rights_in_the_cluster_through_an_agent(
    kube: LocalKube, webhook: WebhookProcess, ns: str
) -> None:
    editor = bound(kube, ns, "editor", "sympozium-edit")
    agent = {"agents": {"default": {"model": "m"}}, "skills": [{"skillPackRef": "k8s-ops"}]}
    personas = [{"name": "p", "systemPrompt": "s", "model": "m", "skills": ["k8s-ops"]}]
    manifests = {
        "SympoziumInstance": agent,
        "PersonaPack": {"enabled": True, "personas": personas},
    }
    pack = PLACES["SkillPack"].path(SYSTEM, "k8s-ops")
    offer = {"content_type": "application/merge-patch+json"}

    def create(kind: str) -> Any:
        body = {"apiVersion": "sympozium.ai/v1alpha1", "kind": kind, "metadata": {"name": "mine"}, "spec": manifests[kind]}  # fmt: skip
        return kube.ask("POST", PLACES[kind].path(ns), body, token=editor)

    for kind in manifests:
        answer = create(kind)
        assert answer.status_code == 403, answer.text
        assert "may not do what skill pack k8s-ops of sympozium-system would be granted" in answer.text
        assert "sympozium.ai/offered" in answer.text
    kube.request("PATCH", pack, {"metadata": {"annotations": {"sympozium.ai/offered": "true"}}}, **offer)
    try:
        for kind in manifests:
            until(lambda kind=kind: create(kind).status_code in (201, 409), f"{kind} is admitted")
    finally:
        kube.request("PATCH", pack, {"metadata": {"annotations": {"sympozium.ai/offered": None}}}, **offer)


def test_an_agent_that_looks_like_a_packs_is_not_made_by_hand(
    kube: LocalKube, webhook: WebhookProcess, ns: str
) -> None:
    owner = {"apiVersion": "sympozium.ai/v1alpha1", "kind": "PersonaPack", "name": "p", "uid": "0", "controller": True}  # fmt: skip
    body = {
        "apiVersion": "sympozium.ai/v1alpha1", "kind": "SympoziumInstance",
        "metadata": {"name": "p-a", "namespace": ns, "ownerReferences": [owner]}, "spec": {"agents": {"default": {"model": "m"}}},
    }  # fmt: skip
    with pytest.raises(ApiError, match="only the controllers make agents of a PersonaPack"):
        kube.create(body)


def test_nobody_gets_to_a_secret_through_an_agent(kube: LocalKube, webhook: WebhookProcess, ns: str) -> None:
    kube.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "dev", "namespace": ns}})
    kube.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "key", "namespace": ns},
            "stringData": {"A": "b"},
        }
    )
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "dev", "namespace": ns},
    }
    rules = [{"apiGroups": ["sympozium.ai"], "resources": ["sympoziuminstances"], "verbs": ["create"]}]
    kube.create({**role, "rules": rules})
    kube.create(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "dev", "namespace": ns},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "dev"},
            "subjects": [{"kind": "ServiceAccount", "name": "dev", "namespace": ns}],
        }
    )  # fmt: skip
    body = {
        "apiVersion": "sympozium.ai/v1alpha1",
        "kind": "SympoziumInstance",
        "metadata": {"name": "i"},
        "spec": {"agents": {"default": {"model": "m"}}, "authRefs": [{"secret": "key"}]},
    }
    developer = token(kube, "dev", ns)
    answer = kube.ask("POST", INSTANCE.path(ns), body, token=developer)
    assert answer.status_code == 403, answer.text
    assert "may not read the Secret key" in answer.text
    more = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["key"], "verbs": ["get"]}
    kube.patch(PLACES["Role"], "dev", {"rules": [*rules, more]}, ns)
    assert kube.ask("POST", INSTANCE.path(ns), body, token=developer).status_code == 201


def test_replicas_agree_on_one_certificate(kube: LocalKube, webhook: WebhookProcess, ns: str) -> None:
    before = kube.get(SECRET, "sympozium-webhook-tls", SYSTEM)
    kube.request("DELETE", SECRET.path(SYSTEM, "sympozium-webhook-tls"))
    replicas = [WebhookProcess(kube, kube.directory) for _ in range(2)]
    try:
        for replica in replicas:
            replica.wait("Uvicorn running on")
        after = kube.get(SECRET, "sympozium-webhook-tls", SYSTEM)
        assert after["data"]["ca.crt"] != before["data"]["ca.crt"]
        assert sum("wrote a new certificate" in replica.log for replica in replicas) == 1
        authority = base64.b64decode(after["data"]["ca.crt"]).decode()
        for replica in replicas:
            context = ssl.create_default_context(cadata=authority)
            request = urllib.request.Request(f"https://127.0.0.1:{replica.port}/validate", data=b"{}")
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(request, timeout=5, context=context)
            assert json.load(caught.value)["message"].startswith("not an AdmissionReview")
    finally:
        for replica in replicas:
            assert replica.stop() == 0
