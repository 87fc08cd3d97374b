"""The life of pods on a real node: restarts, init containers, sidecars, termination, configuration, logs."""

import time

import pytest

from cluster.node_support import IMAGE, NodeCluster, cluster, ns, once, phase, shell, state
from sympozium.testing.client import ApiError
from sympozium.testing.resources import CONFIG_MAP, POD
from sympozium.testing.waiting import until

__all__ = ["cluster", "ns"]


def test_exit_code_reason_and_message(cluster: NodeCluster, ns: str) -> None:
    cluster.run_pod("p", ns, once(shell("echo out; echo told > /dev/termination-log; exit 3")))
    pod = cluster.ended("p", ns)
    assert phase(pod) == "Failed"
    ended = state(pod)["terminated"]
    assert (ended["exitCode"], ended["reason"], ended["message"]) == (3, "Error", "told\n")
    assert cluster.logs("p", ns) == "out\n"
    cluster.told("p", ns, "Pulled", "Created", "Started")


def test_fallback_to_logs(cluster: NodeCluster, ns: str) -> None:
    cluster.run_pod(
        "p", ns, once(shell("echo last words; exit 1", terminationMessagePolicy="FallbackToLogsOnError"))
    )
    assert state(cluster.ended("p", ns))["terminated"]["message"] == "last words\n"


def test_missing_program_is_a_start_error(cluster: NodeCluster, ns: str) -> None:
    cluster.run_pod("p", ns, once({"name": "main", "image": IMAGE, "command": ["/no/such/program"]}))
    ended = state(cluster.ended("p", ns))["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    assert "/no/such/program" in ended["message"]


def test_unknown_image_waits_and_lists_what_there_is(cluster: NodeCluster, ns: str) -> None:
    cluster.run_pod("p", ns, once({"name": "main", "image": "docker.io/library/nginx:1", "command": ["x"]}))
    pod = cluster.wait(POD, "p", lambda p: "waiting" in state(p) and "message" in state(p)["waiting"], ns)
    assert phase(pod) == "Pending"
    assert state(pod)["waiting"]["reason"] == "ErrImageNeverPull"
    assert IMAGE in state(pod)["waiting"]["message"]


def test_environment(cluster: NodeCluster, ns: str) -> None:
    cluster.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": ns},
                    "data": {"A": "from-map", "B": "b"}})  # fmt: skip
    env = [
        {"name": "A", "value": "own"},
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "BOTH", "value": "$(POD)/$(A)/$(UNKNOWN)/$$(A)"},
        {"name": "LIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
    ]
    main = shell('echo "$A $B $BOTH $LIMIT $KUBERNETES_SERVICE_HOST"', env=env, envFrom=[{"configMapRef": {"name": "c"}}],
                 resources={"limits": {"memory": "64Mi"}})  # fmt: skip
    cluster.run_pod("p", ns, once(main))
    cluster.ended("p", ns)
    assert cluster.logs("p", ns) == "own b p/own/$(UNKNOWN)/$(A) 64 127.0.0.1\n"


def test_missing_reference_is_retried(cluster: NodeCluster, ns: str) -> None:
    ref = {"secretKeyRef": {"name": "late", "key": "k"}}
    cluster.run_pod("p", ns, once(shell('echo "$V"', env=[{"name": "V", "valueFrom": ref}])))
    pod = cluster.wait(POD, "p", lambda p: "message" in state(p).get("waiting", {}), ns)
    assert state(pod)["waiting"]["reason"] == "CreateContainerConfigError"
    assert '"late" not found' in state(pod)["waiting"]["message"]
    cluster.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "late", "namespace": ns},
                    "data": {"k": "dmFsdWU="}})  # fmt: skip
    assert phase(cluster.ended("p", ns)) == "Succeeded"
    assert cluster.logs("p", ns) == "value\n"


def test_init_containers_and_sidecars(cluster: NodeCluster, ns: str) -> None:
    work = [{"name": "w", "mountPath": "/w"}]
    trapped = (
        "trap 'echo side-down >> /w/order; exit 5' TERM; echo side >> /w/order; while :; do sleep 0.05; done"
    )
    init = {
        "name": "init",
        "image": IMAGE,
        "command": ["sh", "-c", "echo init >> /w/order"],
        "volumeMounts": work,
    }
    side = {"name": "side", "image": IMAGE, "command": ["sh", "-c", trapped], "volumeMounts": work,
            "restartPolicy": "Always"}  # fmt: skip
    script = "until grep -q side /w/order; do sleep 0.02; done; echo main >> /w/order; cat /w/order"
    spec = once(
        shell(script, volumeMounts=work), initContainers=[init, side], volumes=[{"name": "w", "emptyDir": {}}]
    )
    cluster.run_pod("p", ns, spec)
    pod = cluster.ended("p", ns)
    assert phase(pod) == "Succeeded"  # although the sidecar ended with 5
    assert cluster.logs("p", ns, container="main") == "init\nside\nmain\n"
    assert state(pod, "side")["terminated"]["exitCode"] == 5
    assert [c["type"] for c in pod["status"]["conditions"]] == [
        "PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled",
    ]  # fmt: skip


def test_failing_init_container_ends_the_pod(cluster: NodeCluster, ns: str) -> None:
    init = {"name": "init", "image": IMAGE, "command": ["sh", "-c", "exit 9"]}
    cluster.run_pod("p", ns, once(shell("echo never"), initContainers=[init]))
    pod = cluster.ended("p", ns)
    assert phase(pod) == "Failed"
    assert "waiting" in state(pod)
    assert state(pod, "init")["terminated"]["exitCode"] == 9


def test_restarts_back_off(cluster: NodeCluster, ns: str) -> None:
    cluster.run_pod("p", ns, {**once(shell("exit 1")), "restartPolicy": "OnFailure"})
    pod = cluster.wait(
        POD, "p", lambda p: state(p).get("waiting", {}).get("reason") == "CrashLoopBackOff", ns
    )
    assert phase(pod) == "Running"
    status = pod["status"]["containerStatuses"][0]
    assert status["restartCount"] == 1  # the first restart is immediate
    assert status["lastState"]["terminated"]["exitCode"] == 1
    assert "back-off 10s restarting failed container=main" in status["state"]["waiting"]["message"]
    cluster.delete(POD, "p", ns)
    cluster.wait_gone(POD, "p", ns)


def test_deletion_is_graceful(cluster: NodeCluster, ns: str) -> None:
    script = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    cluster.run_pod("p", ns, {**once(shell(script)), "terminationGracePeriodSeconds": 20})
    until(lambda: "up" in _logs(cluster, ns), "the container has started")
    follower = cluster.http.stream("GET", POD.path(ns, "p", "log"), params={"follow": "true"})
    with follower as stream:
        cluster.delete(POD, "p", ns)
        assert stream.read() == b"up\nbye\n"
    cluster.wait_gone(POD, "p", ns)
    cluster.told("p", ns, "Killing")


def _logs(cluster: NodeCluster, ns: str, name: str = "p") -> str:
    answer = cluster.http.get(POD.path(ns, name, "log"))
    return answer.text if answer.status_code == 200 else ""


def test_grace_period_ends_in_sigkill(cluster: NodeCluster, ns: str) -> None:
    main = shell("trap '' TERM; echo up; while :; do sleep 0.05; done")
    cluster.run_pod("p", ns, {**once(main), "terminationGracePeriodSeconds": 1}, finalizers=["test/hold"])
    until(lambda: "up" in _logs(cluster, ns), "the container has started")
    cluster.delete(POD, "p", ns)
    assert state(cluster.ended("p", ns))["terminated"]["exitCode"] == 137
    cluster.patch(POD, "p", {"metadata": {"finalizers": None}}, ns)
    cluster.wait_gone(POD, "p", ns)


def test_active_deadline(cluster: NodeCluster, ns: str) -> None:
    cluster.run_pod("p", ns, {**once(shell("exec sleep 60")), "activeDeadlineSeconds": 3})
    pod = cluster.ended("p", ns)
    assert (phase(pod), pod["status"]["reason"]) == ("Failed", "DeadlineExceeded")
    assert state(pod)["terminated"]["exitCode"] == 143


def test_volumes_are_updated_in_place(cluster: NodeCluster, ns: str) -> None:
    cluster.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": ns},
                    "data": {"f": "one"}})  # fmt: skip
    script = "cat /c/f; echo; until grep two /c/f; do sleep 0.05; done; echo x > /c/f"
    spec = once(shell(script, volumeMounts=[{"name": "c", "mountPath": "/c"}]),
                volumes=[{"name": "c", "configMap": {"name": "c"}}])  # fmt: skip
    cluster.run_pod("p", ns, spec)
    until(lambda: "one" in _logs(cluster, ns), "the first version is read")
    cluster.patch(CONFIG_MAP, "c", {"data": {"f": "two"}}, ns)
    pod = cluster.ended("p", ns)
    assert state(pod)["terminated"]["exitCode"] != 0  # the volume is read-only to the pod
    assert cluster.logs("p", ns).startswith("one\ntwo")


def test_token_is_of_this_pod(cluster: NodeCluster, ns: str) -> None:
    script = "cat /var/run/secrets/kubernetes.io/serviceaccount/token"
    cluster.run_pod("p", ns, {"restartPolicy": "Never", "containers": [shell(script)]})
    pod = cluster.ended("p", ns)
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": cluster.logs("p", ns)},
    }
    status = cluster.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)["status"]
    assert status["user"]["username"] == f"system:serviceaccount:{ns}:default"
    assert status["user"]["extra"]["authentication.kubernetes.io/pod-uid"] == [pod["metadata"]["uid"]]


def test_probes(cluster: NodeCluster, ns: str) -> None:
    main = shell(
        "sleep 0.3; touch /tmp/started; sleep 0.3; touch /tmp/ready; exec sleep 60",
        startupProbe={
            "exec": {"command": ["test", "-e", "/tmp/started"]},
            "periodSeconds": 1,
            "failureThreshold": 30,
        },
        readinessProbe={"exec": {"command": ["test", "-e", "/tmp/ready"]}, "periodSeconds": 1},
    )
    cluster.run_pod("p", ns, once(main))
    pod = cluster.wait(POD, "p", lambda p: any(c["type"] == "Ready" and c["status"] == "True"
                                               for c in p["status"].get("conditions", ())), ns)  # fmt: skip
    assert pod["status"]["containerStatuses"][0]["started"] is True
    cluster.delete(POD, "p", ns)


def test_liveness_restarts(cluster: NodeCluster, ns: str) -> None:
    probe = {"tcpSocket": {"port": 9}, "periodSeconds": 1, "failureThreshold": 1}
    spec = {
        **once(shell("exec sleep 60", livenessProbe=probe)),
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 1,
    }
    cluster.run_pod("p", ns, spec)
    pod = cluster.wait(
        POD, "p", lambda p: p["status"].get("containerStatuses", [{}])[0].get("restartCount", 0) > 0, ns
    )
    assert pod["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 143
    cluster.told("p", ns, "Unhealthy")
    cluster.delete(POD, "p", ns)


def test_hooks(cluster: NodeCluster, ns: str) -> None:
    lifecycle = {"postStart": {"exec": {"command": ["sh", "-c", "echo post > /w/post"]}},
                 "preStop": {"exec": {"command": ["sh", "-c", "echo pre > /w/pre"]}}}  # fmt: skip
    script = "trap 'cat /w/post /w/pre; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    main = shell(script, lifecycle=lifecycle, volumeMounts=[{"name": "w", "mountPath": "/w"}])
    cluster.run_pod("p", ns, once(main, volumes=[{"name": "w", "emptyDir": {}}]))
    cluster.wait(POD, "p", lambda p: p["status"].get("containerStatuses", [{}])[0].get("started") is True, ns)
    until(lambda: "up" in _logs(cluster, ns), "the container has started")
    with cluster.http.stream("GET", POD.path(ns, "p", "log"), params={"follow": "true"}) as stream:
        cluster.delete(POD, "p", ns)
        assert stream.read() == b"up\npost\npre\n"


def test_log_options(cluster: NodeCluster, ns: str) -> None:
    cluster.run_pod(
        "p", ns, {**once(shell("echo one; echo two; echo three; exit 1")), "restartPolicy": "OnFailure"}
    )
    cluster.wait(POD, "p", lambda p: state(p).get("waiting", {}).get("reason") == "CrashLoopBackOff", ns)
    assert cluster.logs("p", ns, tailLines="1") == "three\n"
    assert cluster.logs("p", ns, limitBytes="5") == "one\nt"
    assert cluster.logs("p", ns, previous="true") == "one\ntwo\nthree\n"
    stamped = cluster.logs("p", ns, timestamps="true", tailLines="1")
    assert stamped.startswith(time.strftime("%Y-"))
    assert stamped.endswith("Z three\n")
    assert cluster.logs("p", ns, sinceTime="2100-01-01T00:00:00Z") == ""
    cluster.delete(POD, "p", ns)


def test_unsupported_is_refused_by_name(cluster: NodeCluster, ns: str) -> None:
    main = shell(
        "true", securityContext={"privileged": True}, volumeMounts=[{"name": "h", "mountPath": "/h"}]
    )
    cluster.run_pod("p", ns, once(main, hostPID=True, volumes=[{"name": "h", "hostPath": {"path": "/etc"}}]))
    pod = cluster.ended("p", ns)
    assert pod["status"]["reason"] == "UnsupportedPod"
    for word in ("privileged", "hostPID", "--allow-host-path"):
        assert word in pod["status"]["message"]


def test_log_endpoint_wants_a_certificate_with_rights(cluster: NodeCluster, ns: str) -> None:
    import ssl

    import httpx2

    cluster.run_pod("p", ns, once(shell("echo secret")))
    cluster.ended("p", ns)
    port = cluster.request("GET", "/api/v1/nodes/n1")["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
    url = f"https://127.0.0.1:{port}/containerLogs/{ns}/p/main"
    pair = cluster.authority.issue("mallory", ["people"], cluster.directory / "mallory")
    tls = ssl.create_default_context(cafile=str(cluster.authority.certificate_path))
    with httpx2.Client(verify=tls, trust_env=False, timeout=60) as nobody:
        try:
            refused = nobody.get(url).status_code == 401
        except httpx2.TransportError:
            refused = True
    assert refused
    tls.load_cert_chain(pair.certificate, pair.key)
    with httpx2.Client(verify=tls, trust_env=False, timeout=60) as somebody:
        assert somebody.get(url).status_code == 403


def test_wrong_container_name(cluster: NodeCluster, ns: str) -> None:
    cluster.run_pod("p", ns, once(shell("true")))
    cluster.ended("p", ns)
    with pytest.raises(ApiError, match="container nope is not valid for pod p") as caught:
        cluster.request("GET", POD.path(ns, "p", "log"), container="nope")
    assert caught.value.code == 400
