"""The built-in controllers, on a localkube process; the test plays the node."""

import base64
import http.server
import json
import ssl
import threading
from pathlib import Path

import pytest

from cluster.external import EXTERNAL
from cluster.localkube_fixture import LocalKube, kube, ns
from sympozium.kube.resources import Resource
from sympozium.localkube.access.pki import CertificateAuthority
from sympozium.testing.client import ApiError
from sympozium.testing.resources import CONFIG_MAP, EVENT, JOB, NAMESPACE, NODE, POD, SERVICE_ACCOUNT
from sympozium.testing.waiting import until

__all__ = ["kube", "ns"]

CRD = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)
THING = Resource("ctl.example.dev", "v1", "things", "Thing")
HOLD = "example.dev/hold"


def true_conditions(status):
    return {c["type"]: c["reason"] for c in status.get("conditions") or () if c["status"] == "True"}


def has(kind):
    return lambda status: kind in true_conditions(status)


def config_map(name, *owners, finalizers=()):
    refs = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": o["metadata"]["name"],
            "uid": o["metadata"]["uid"],
            "blockOwnerDeletion": True,
        }
        for o in owners
    ]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "ownerReferences": refs, "finalizers": list(finalizers)},
    }


# -- namespaces


def test_a_namespace_has_its_account_and_its_authority_back_whatever_happens(kube, ns):
    certificate = kube.wait(CONFIG_MAP, "kube-root-ca.crt", lambda _: True, ns)["data"]["ca.crt"]
    assert certificate == kube.authority.decode()
    first = kube.get(SERVICE_ACCOUNT, "default", ns)
    kube.delete(SERVICE_ACCOUNT, "default", ns)
    kube.wait(SERVICE_ACCOUNT, "default", lambda obj: obj["metadata"]["uid"] != first["metadata"]["uid"], ns)
    kube.patch(CONFIG_MAP, "kube-root-ca.crt", {"data": {"ca.crt": "mine", "more": "x"}}, ns)
    kube.wait(CONFIG_MAP, "kube-root-ca.crt", lambda obj: obj.get("data") == {"ca.crt": certificate}, ns)


def test_a_namespace_goes_with_its_contents_and_says_what_keeps_it(kube, ns):
    kube.create(config_map("held", finalizers=[HOLD]), ns)
    kube.create(config_map("free"), ns)
    kube.job("j", ns)
    kube.delete(NAMESPACE, ns)
    stuck = kube.wait(
        NAMESPACE, ns, lambda obj: "NamespaceFinalizersRemaining" in true_conditions(obj["status"])
    )
    assert stuck["status"]["phase"] == "Terminating"
    text = next(
        c["message"] for c in stuck["status"]["conditions"] if c["type"] == "NamespaceFinalizersRemaining"
    )
    assert f"{HOLD} in 1 resource instances" in text
    with pytest.raises(ApiError, match="because it is being terminated"):
        kube.create(config_map("late"), ns)
    assert kube.find(CONFIG_MAP, "free", ns) is None
    kube.patch(CONFIG_MAP, "held", {"metadata": {"finalizers": None}}, ns)
    kube.wait_gone(NAMESPACE, ns)
    assert kube.items(POD, ns) == []


# -- garbage


def test_what_nobody_owns_any_more_is_collected(kube, ns):
    owner = kube.create(config_map("owner"), ns)
    child = kube.create(config_map("child", owner), ns)
    kube.create(config_map("grandchild", child), ns)
    kube.delete(CONFIG_MAP, "owner", ns)
    kube.wait_gone(CONFIG_MAP, "child", ns)
    kube.wait_gone(CONFIG_MAP, "grandchild", ns)
    kube.create(config_map("late", owner), ns)
    kube.wait_gone(CONFIG_MAP, "late", ns)


def test_one_owner_that_is_left_keeps_it_and_the_other_reference_goes(kube, ns):
    first, second = kube.create(config_map("first"), ns), kube.create(config_map("second"), ns)
    kube.create(config_map("child", first, second), ns)
    kube.delete(CONFIG_MAP, "first", ns)
    kept = kube.wait(CONFIG_MAP, "child", lambda obj: len(obj["metadata"]["ownerReferences"]) == 1, ns)
    assert kept["metadata"]["ownerReferences"][0]["name"] == "second"


def test_an_owner_of_that_name_but_another_uid_is_none(kube, ns):
    owner = kube.create(config_map("owner"), ns)
    owner["metadata"]["uid"] = "00000000-0000-0000-0000-000000000000"
    kube.create(config_map("child", owner), ns)
    kube.wait_gone(CONFIG_MAP, "child", ns)
    assert kube.find(CONFIG_MAP, "owner", ns) is not None


def test_a_foreground_deletion_waits_for_its_dependents(kube, ns):
    owner = kube.create(config_map("owner"), ns)
    child = kube.create(config_map("child", owner), ns)
    kube.create(config_map("grandchild", child, finalizers=[HOLD]), ns)
    kube.request("DELETE", CONFIG_MAP.path(ns, "owner"), {"propagationPolicy": "Foreground"})
    kube.wait(CONFIG_MAP, "grandchild", lambda obj: "deletionTimestamp" in obj["metadata"], ns)
    for name in ("owner", "child"):
        assert kube.get(CONFIG_MAP, name, ns)["metadata"]["finalizers"] == ["foregroundDeletion"]
    kube.patch(CONFIG_MAP, "grandchild", {"metadata": {"finalizers": None}}, ns)
    for name in ("child", "owner"):
        kube.wait_gone(CONFIG_MAP, name, ns)


def test_orphans_live_on_without_the_reference(kube, ns):
    owner = kube.create(config_map("owner"), ns)
    kube.create(config_map("child", owner), ns)
    kube.request("DELETE", CONFIG_MAP.path(ns, "owner"), {"propagationPolicy": "Orphan"})
    kube.wait_gone(CONFIG_MAP, "owner", ns)
    assert not kube.get(CONFIG_MAP, "child", ns)["metadata"].get("ownerReferences")


def test_a_kind_goes_with_its_instances(kube, ns):
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.ctl.example.dev"},
        "spec": {"group": "ctl.example.dev", "scope": "Namespaced", "names": names, "versions": [version]},
    }
    kube.request("POST", CRD.path(None), crd)
    kube.wait(
        CRD, "things.ctl.example.dev", lambda obj: "Established" in true_conditions(obj.get("status") or {})
    )
    thing = {
        "apiVersion": "ctl.example.dev/v1",
        "kind": "Thing",
        "metadata": {"name": "t", "finalizers": [HOLD]},
    }
    owner = kube.request("POST", THING.path(ns), thing)
    child = config_map("child")
    child["metadata"]["ownerReferences"] = [
        {"apiVersion": "ctl.example.dev/v1", "kind": "Thing", "name": "t", "uid": owner["metadata"]["uid"]}
    ]
    kube.create(child, ns)
    kube.delete(CRD, "things.ctl.example.dev")
    kube.wait(CRD, "things.ctl.example.dev", lambda obj: "Terminating" in true_conditions(obj["status"]))
    kube.patch(THING, "t", {"metadata": {"finalizers": None}}, ns)
    kube.wait_gone(CRD, "things.ctl.example.dev")
    # A real garbage collector looks for new kinds every 30 s, and never hears of one that is gone by then.
    if not EXTERNAL:
        kube.wait_gone(CONFIG_MAP, "child", ns)


# -- jobs


def test_a_job_makes_its_pod_and_counts_its_success(kube, ns):
    job = kube.job("j", ns)
    kube.wait_job("j", ns, lambda status: status.get("active") == 1)
    (pod,) = kube.pods_of("j", ns)
    assert pod["metadata"]["name"].startswith("j-")
    assert pod["metadata"]["finalizers"] == ["batch.kubernetes.io/job-tracking"]
    owner = pod["metadata"]["ownerReferences"][0]
    assert (owner["uid"], owner["controller"], owner["kind"]) == (job["metadata"]["uid"], True, "Job")
    kube.finish(pod)
    status = kube.wait_job("j", ns, has("Complete"))["status"]
    assert [c["type"] for c in status["conditions"]] == ["SuccessCriteriaMet", "Complete"]
    assert status["succeeded"] == 1
    assert status["completionTime"]
    assert "active" not in status
    assert not kube.get(POD, pod["metadata"]["name"], ns)["metadata"].get("finalizers")
    kube.wait_any(EVENT, lambda e: e["reason"] == "Completed" and e["involvedObject"]["name"] == "j", ns)
    reasons = {e["reason"] for e in kube.items(EVENT, ns) if e["involvedObject"]["name"] == "j"}
    assert {"SuccessfulCreate", "Completed"} <= reasons


def test_a_job_fails_when_it_has_failed_too_often(kube, ns):
    kube.job("j", ns, backoffLimit=0, completions=2, parallelism=2)
    kube.wait_job("j", ns, lambda status: status.get("active") == 2)
    first, second = kube.pods_of("j", ns)
    kube.finish(first, "Failed")
    status = kube.wait_job("j", ns, has("Failed"))["status"]
    assert true_conditions(status) == {
        "FailureTarget": "BackoffLimitExceeded",
        "Failed": "BackoffLimitExceeded",
    }
    assert status["failed"] == 2
    assert kube.find(POD, second["metadata"]["name"], ns) is None
    assert kube.find(POD, first["metadata"]["name"], ns) is not None


def test_a_job_fails_at_its_deadline(kube, ns):
    kube.job("j", ns, activeDeadlineSeconds=1)
    status = kube.wait_job("j", ns, has("Failed"))["status"]
    assert true_conditions(status)["Failed"] == "DeadlineExceeded"
    assert kube.pods_of("j", ns) == []


def test_an_indexed_job_runs_each_index_once(kube, ns):
    kube.job("j", ns, completionMode="Indexed", completions=3, parallelism=2)
    kube.wait_job("j", ns, lambda status: status.get("active") == 2)
    done = 0
    while done < 3:
        running = [p for p in kube.pods_of("j", ns) if p["status"]["phase"] == "Pending"]
        kube.finish(running[0])
        done += 1
        left = min(2, 3 - done)
        kube.wait_job("j", ns, lambda s, d=done, a=left: s.get("succeeded") == d and s.get("active", 0) == a)
    status = kube.wait_job("j", ns, has("Complete"))["status"]
    assert status["completedIndexes"] == "0-2"
    label = "batch.kubernetes.io/job-completion-index"
    assert sorted(p["metadata"]["labels"][label] for p in kube.pods_of("j", ns)) == ["0", "1", "2"]


def test_a_suspended_job_has_no_pods_and_no_failures(kube, ns):
    kube.job("j", ns, backoffLimit=0)
    kube.wait_job("j", ns, lambda status: status.get("active") == 1)
    kube.patch(JOB, "j", {"spec": {"suspend": True}}, ns)
    status = kube.wait_job("j", ns, lambda s: has("Suspended")(s) and not s.get("active"))["status"]
    assert "startTime" not in status
    assert kube.pods_of("j", ns) == []
    kube.patch(JOB, "j", {"spec": {"suspend": False}}, ns)
    status = kube.wait_job("j", ns, lambda s: s.get("active") == 1 and not has("Suspended")(s))["status"]
    assert not status.get("failed")


def test_a_finished_job_goes_with_its_pods_after_its_time(kube, ns):
    kube.job("j", ns)
    kube.wait_job("j", ns, lambda status: status.get("active") == 1)
    kube.finish(kube.pods_of("j", ns)[0])
    kube.wait_job("j", ns, has("Complete"))
    kube.patch(JOB, "j", {"spec": {"ttlSecondsAfterFinished": 0}}, ns)
    kube.wait_gone(JOB, "j", ns)
    assert kube.pods_of("j", ns) == []


def test_a_deleted_job_leaves_no_pod_behind(kube, ns):
    kube.job("j", ns)
    kube.wait_job("j", ns, lambda status: status.get("active") == 1)
    name = kube.pods_of("j", ns)[0]["metadata"]["name"]
    kube.delete(JOB, "j", ns)
    kube.wait_gone(POD, name, ns)


# -- scheduler


def test_a_pod_waits_with_a_reason_until_a_node_can_take_it(kube, ns):
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "i"}], "nodeSelector": {"test": ns}},
    }
    kube.create(pod, ns)

    def unschedulable(obj):
        return any(c.get("reason") == "Unschedulable" for c in obj["status"].get("conditions") or ())

    kube.wait(POD, "p", unschedulable, ns)
    kube.node("n-sched", unschedulable=True)
    kube.patch(NODE, "n-sched", {"metadata": {"labels": {"test": ns}}})
    kube.wait(POD, "p", lambda obj: "unschedulable" in json.dumps(obj["status"]), ns)
    kube.patch(NODE, "n-sched", {"spec": {"unschedulable": None}})
    bound = kube.wait(POD, "p", lambda obj: obj["spec"].get("nodeName") == "n-sched", ns)
    assert {c["type"]: c["status"] for c in bound["status"]["conditions"]}["PodScheduled"] == "True"
    event = kube.wait_any(EVENT, lambda e: e["reason"] == "Scheduled", ns)
    assert event["message"] == f"Successfully assigned {ns}/p to n-sched"


# -- access and admission over HTTPS


def test_aggregated_roles_show_their_rules(kube):
    roles = Resource("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", namespaced=False)
    label = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
    rule = {"apiGroups": ["agg.example.dev"], "resources": ["things"], "verbs": ["get"]}
    kube.create(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "agg", "labels": label},
            "rules": [rule],
        }
    )
    for name in ("view", "edit", "admin"):
        kube.wait(roles, name, lambda obj: rule in (obj.get("rules") or []))


def test_a_bound_token_works_until_its_pod_is_gone(kube, ns):
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"schedulerName": "none", "containers": [{"name": "c", "image": "i"}]},
    }
    kube.create(pod, ns)
    made = kube.get(POD, "p", ns)
    ref = {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": made["metadata"]["uid"]}
    answer = kube.request(
        "POST", f"{SERVICE_ACCOUNT.path(ns, 'default')}/token", {"spec": {"boundObjectRef": ref}}
    )
    token = answer["status"]["token"]
    assert kube.ask("GET", "/api", token=token).status_code == 200
    assert kube.ask("GET", CONFIG_MAP.path(ns), token=token).status_code == 403
    kube.delete(POD, "p", ns)
    # A real kube-apiserver goes on knowing a token for some seconds; ours does not.
    if EXTERNAL:
        until(lambda: kube.ask("GET", "/api", token=token).status_code == 401, "the token is refused")
    assert kube.ask("GET", "/api", token=token).status_code == 401


def test_the_token_file_is_nowhere_in_the_logs(kube):
    for token in ("alicetoken", "wrongtoken"):
        kube.ask("GET", "/api/v1/nodes", token=token)
    log = kube.server.log.read_text()
    assert "alicetoken" not in log
    assert "wrongtoken" not in log


def test_a_node_identity_reads_its_own_pods_secrets_alone(kube, ns, tmp_path):
    authority = CertificateAuthority(kube.server.data / "pki")
    pair = authority.issue("system:node:n-mine", ["system:nodes"], tmp_path / "node")
    context = ssl.create_default_context(cafile=str(authority.certificate_path))
    context.load_cert_chain(pair.certificate, pair.key)
    import httpx2

    for secret in ("mine", "other"):
        kube.create(
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret}, "stringData": {"a": "b"}}, ns
        )
    spec = {
        "nodeName": "n-mine",
        "containers": [{"name": "c", "image": "i", "envFrom": [{"secretRef": {"name": "mine"}}]}],
    }
    kube.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}, ns)
    with httpx2.Client(base_url=kube.url, verify=context, trust_env=False, timeout=60) as node:
        base = f"/api/v1/namespaces/{ns}"
        assert node.get(f"{base}/secrets/mine").status_code == 200
        assert node.get(f"{base}/secrets/other").status_code == 403
        assert node.get(f"{base}/secrets").status_code == 403
        assert node.get("/api/v1/pods?fieldSelector=spec.nodeName%3Dn-mine").status_code == 200
        assert node.get("/api/v1/pods").status_code == 403
        uid = kube.get(POD, "p", ns)["metadata"]["uid"]
        spec = {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": uid}}
        assert node.post(f"{base}/serviceaccounts/default/token", json={"spec": spec}).status_code == 201
        refused = node.post(f"{base}/serviceaccounts/default/token", json={"spec": {}})
        assert (refused.status_code, "not bound to a pod" in refused.text) == (403, True)


@pytest.fixture
def webhook(tmp_path: Path):
    """An HTTPS server that denies names with `bad` and labels the rest."""
    authority = CertificateAuthority(tmp_path / "pki")
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))["request"]
            seen.append((self.path, asked))
            response = {"uid": asked["uid"], "allowed": "bad" not in asked["name"]}
            if not response["allowed"]:
                response["status"] = {"message": "a bad name", "code": 422, "reason": "Invalid"}
            elif self.path.startswith("/mutate"):
                patch = [{"op": "add", "path": "/metadata/labels", "value": {"seen": "yes"}}]
                response |= {
                    "patchType": "JSONPatch",
                    "patch": base64.b64encode(json.dumps(patch).encode()).decode(),
                }
            body = json.dumps(
                {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
            )
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.serving.certificate, authority.serving.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    bundle = base64.b64encode(authority.certificate_pem).decode()
    yield f"https://127.0.0.1:{server.server_port}", bundle, seen
    server.shutdown()
    thread.join()
    server.server_close()


def test_webhooks_change_then_judge_and_see_who_asks(kube, ns, webhook):
    url, bundle, seen = webhook
    for kind, path in (("Mutating", "mutate"), ("Validating", "validate")):
        hook = {
            "name": f"{path}.example.dev",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "clientConfig": {"url": f"{url}/{path}", "caBundle": bundle},
            "rules": [
                {
                    "operations": ["CREATE"],
                    "apiGroups": [""],
                    "apiVersions": ["v1"],
                    "resources": ["configmaps"],
                }
            ],
            "matchConditions": [{"name": "mine", "expression": "object.metadata.namespace == '" + ns + "'"}],
        }
        body = {"metadata": {"name": path}, "webhooks": [hook]}
        kube.request(
            "POST", f"/apis/admissionregistration.k8s.io/v1/{kind.lower()}webhookconfigurations", body
        )
    assert kube.create(config_map("good"), ns)["metadata"]["labels"] == {"seen": "yes"}
    with pytest.raises(
        ApiError, match=r'admission webhook "mutate\.example\.dev" denied the request: a bad name'
    ) as refused:
        kube.create(config_map("bad"), ns)
    assert (refused.value.code, refused.value.reason) == (422, "Invalid")
    paths = [path.partition("?")[0] for path, _ in seen]
    assert paths == ["/mutate", "/validate", "/mutate"]
    asked = seen[1][1]
    who = kube.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})["status"]["userInfo"]
    assert asked["userInfo"]["username"] == who["username"]
    assert asked["object"]["metadata"]["labels"] == {"seen": "yes"}
    for kind, path in (("mutating", "mutate"), ("validating", "validate")):
        kube.request("DELETE", f"/apis/admissionregistration.k8s.io/v1/{kind}webhookconfigurations/{path}")


def test_no_controller_was_refused_anything(kube):
    """Their roles have what they need: all tests before this one have made them work."""
    lines = kube.server.log.read_text().splitlines()
    assert [line for line in lines if 'User \\"system:' in line and "forbidden" in line] == []


# -- crashes


def test_killed_again_and_again_every_pod_is_made_and_counted_once(tmp_path):
    with LocalKube(tmp_path) as kube:
        ns = kube.namespace_named("crash")
        kube.wait_any(SERVICE_ACCOUNT, lambda obj: obj["metadata"]["name"] == "default", ns)
        names = [f"j{n}" for n in range(8)]
        for name in names:
            kube.job(name, ns, completions=2, parallelism=2, backoffLimit=0)
        ended = set()
        for _ in range(12):
            kube.kill()
            kube.start()
            for pod in kube.items(POD, ns):
                if pod["metadata"]["uid"] not in ended and pod["metadata"].get("ownerReferences"):
                    ended.add(pod["metadata"]["uid"])
                    kube.finish(pod)
        for name in names:
            kube.wait_job(name, ns, lambda status: status.get("active") or has("Complete")(status))
            for pod in kube.pods_of(name, ns):
                if pod["metadata"]["uid"] not in ended:
                    ended.add(pod["metadata"]["uid"])
                    kube.finish(pod)
            status = kube.wait_job(name, ns, has("Complete"))["status"]
            assert (status["succeeded"], status.get("failed", 0)) == (2, 0)
            assert len(kube.pods_of(name, ns)) == 2
