"""CronJobs, Jobs with indexes, disruption budgets and drain, over HTTP."""

import time

import pytest

from conformance import fakenode
from conformance.conftest import Server
from conformance.test_kubectl import BINARIES, Kubectl

TEMPLATE = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
AGO = "2026-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    made = fakenode.started(tmp_path_factory.mktemp("batch"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def api(machine):
    found = machine.api("admin-token")
    fakenode.register(found)
    yield found
    found.close()


@pytest.fixture
def space(api):
    fakenode.beat(api)
    name = fakenode.namespace(api)
    yield name
    fakenode.clear(api, name)


def cron(name="c", **spec):
    base = {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": TEMPLATE}}}
    return {"metadata": {"name": name}, "spec": base | spec}


def crons(space):
    return f"/apis/batch/v1/namespaces/{space}/cronjobs"


def jobs(space):
    return f"/apis/batch/v1/namespaces/{space}/jobs"


def make_due(api, space, name="c"):
    """As if its last start was long ago: the latest time is due now."""
    patch = {"status": {"lastScheduleTime": AGO}}
    assert api.patch(f"{crons(space)}/{name}/status", patch).status == 200


def names(answer):
    return sorted(item["metadata"]["name"] for item in answer.json.get("items") or ())


def succeed(api, space, name):
    """What a kubelet would say of the Job's pod at its end."""
    pods = f"/api/v1/namespaces/{space}/pods?labelSelector=job-name%3D{name}"
    found = api.eventually(pods, lambda a: a.json["items"]).json["items"]
    path = f"/api/v1/namespaces/{space}/pods/{found[0]['metadata']['name']}"
    fakenode.report(api, path, "Succeeded", ready=False)


def test_a_cron_job_starts_and_forgets_its_jobs(api, space):
    assert api.post(crons(space), cron(successfulJobsHistoryLimit=0)).status == 201
    make_due(api, space)
    made = api.eventually(jobs(space), lambda a: a.json["items"]).json["items"][0]
    meta = made["metadata"]
    minute = int(meta["name"].rpartition("-")[2])
    assert abs(minute * 60 - time.time()) < 120
    annotation = meta["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"]
    assert annotation == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(minute * 60))
    assert (meta["ownerReferences"][0]["kind"], meta["ownerReferences"][0]["controller"]) == ("CronJob", True)
    status = api.eventually(f"{crons(space)}/c", lambda a: a.json["status"].get("active")).json["status"]
    assert status["lastScheduleTime"] == annotation
    assert status["active"][0]["name"] == meta["name"]
    succeed(api, space, meta["name"])
    done = api.eventually(f"{crons(space)}/c", lambda a: a.json["status"].get("lastSuccessfulTime"))
    assert "active" not in done.json["status"]
    api.eventually(f"{jobs(space)}/{meta['name']}", lambda a: a.status == 404)
    reasons = {e["reason"] for e in api.get(f"/api/v1/namespaces/{space}/events").json["items"]}
    assert {"SuccessfulCreate", "SawCompletedJob", "SuccessfulDelete"} <= reasons


@pytest.mark.parametrize(("policy", "left"), [("Forbid", "old"), ("Replace", "new"), ("Allow", "both")])
def test_what_happens_to_one_that_still_runs(api, space, policy, left):
    assert api.post(crons(space), cron(concurrencyPolicy=policy, suspend=True)).status == 201
    owner = api.get(f"{crons(space)}/c").json["metadata"]
    old = {
        "metadata": {
            "name": "old",
            "annotations": {"batch.kubernetes.io/cronjob-scheduled-timestamp": AGO},
            "ownerReferences": [
                {
                    "apiVersion": "batch/v1",
                    "kind": "CronJob",
                    "name": "c",
                    "uid": owner["uid"],
                    "controller": True,
                }
            ],
        },
        "spec": {"template": TEMPLATE},
    }
    assert api.post(jobs(space), old).status == 201
    api.eventually(f"{crons(space)}/c", lambda a: a.json["status"].get("active"))
    make_due(api, space)
    assert api.patch(f"{crons(space)}/c", {"spec": {"suspend": False}}).status == 200
    if left == "old":
        events = f"/api/v1/namespaces/{space}/events?fieldSelector=reason=JobAlreadyActive"
        api.eventually(events, lambda a: a.json["items"])
        assert names(api.get(jobs(space))) == ["old"]
    else:
        wanted = 2 if left == "both" else 1
        found = api.eventually(jobs(space), lambda a: len(a.json["items"]) == wanted and names(a)[0] != "old")
        assert ("old" in names(found)) == (left == "both")


def test_no_time_is_started_twice_by_a_crash(tmp_path):
    server = Server(tmp_path / "data")
    server.start()
    try:
        api = server.api("admin-token")
        space = fakenode.namespace(api)
        for number in range(3):
            assert api.post(crons(space), cron(f"c{number}", suspend=True)).status == 201
            make_due(api, space, f"c{number}")
        for number in range(3):
            api.patch(f"{crons(space)}/c{number}", {"spec": {"suspend": False}})
        api.eventually(jobs(space), lambda a: a.json["items"])
        before = {i["metadata"]["name"]: i["metadata"]["uid"] for i in api.get(jobs(space)).json["items"]}
        server.kill()
        api.close()
        server.start()
        api = server.api("admin-token")
        for number in range(3):
            api.eventually(
                f"{crons(space)}/c{number}",
                lambda a: (
                    a.json["status"].get("lastScheduleTime", AGO) != AGO and a.json["status"].get("active")
                ),
            )
        after = {i["metadata"]["name"]: i["metadata"]["uid"] for i in api.get(jobs(space)).json["items"]}
        assert before.items() <= after.items()
        for number in range(3):
            status = api.get(f"{crons(space)}/c{number}").json["status"]
            mine = [name for name in after if name.startswith(f"c{number}-")]
            # A minute may have passed in between; each has one Job and no more.
            assert {reference["name"] for reference in status["active"]} == set(mine)
        api.close()
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("spec", "texts"),
    [
        ({"schedule": "* * * *"}, ['spec.schedule: Invalid value: "* * * *": expected exactly 5 fields, found 4: [* * * *]']),
        ({"schedule": "TZ=UTC * * * * *"}, ["cannot use TZ or CRON_TZ in schedule, use timeZone field instead"]),
        ({"timeZone": "Foo/Bar"}, ['spec.timeZone: Invalid value: "Foo/Bar": unknown time zone Foo/Bar']),
        ({"concurrencyPolicy": "X"}, ['spec.concurrencyPolicy: Unsupported value: "X": supported values: "Allow", "Forbid", "Replace"']),
        ({"startingDeadlineSeconds": -1, "failedJobsHistoryLimit": -1}, ["spec.startingDeadlineSeconds: Invalid value: -1", "spec.failedJobsHistoryLimit: Invalid value: -1"]),
    ],
)  # fmt: skip
def test_a_cron_job_that_could_not_run_is_refused(api, space, spec, texts):
    api.post(crons(space), cron(**spec)).refused(422, "Invalid", *texts)


@pytest.mark.parametrize("binary", BINARIES)
def test_a_run_by_hand(binary, machine, api, space, tmp_path):
    kubectl = Kubectl(binary, machine, space, tmp_path)
    assert api.post(crons(space), cron(schedule="0 0 1 1 *")).status == 201
    assert "job.batch/now created" in kubectl("create", "job", "now", "--from=cronjob/c")
    made = api.get(f"{jobs(space)}/now").json["metadata"]
    assert made["annotations"] == {"cronjob.kubernetes.io/instantiate": "manual"}
    line = kubectl("get", "cronjobs", "--no-headers").split()
    assert line[0] == "c"
    assert line[-2] == "<none>"


def job(**spec):
    base = {"completionMode": "Indexed", "completions": 2, "parallelism": 2, "template": TEMPLATE}
    return {"metadata": {"name": "j"}, "spec": base | spec}


def pod_of(api, space, index):
    path = f"/api/v1/namespaces/{space}/pods"
    query = f"?labelSelector=batch.kubernetes.io%2Fjob-completion-index%3D{index}"
    found = api.eventually(path + query, lambda a: a.json["items"]).json["items"]
    return f"{path}/{found[-1]['metadata']['name']}", found[-1]


def conditions(answer):
    found = answer.json["status"].get("conditions") or ()
    return {c["type"]: (c["reason"], c["message"]) for c in found if c["status"] == "True"}


def test_a_success_policy_ends_the_other_pods(api, space):
    rules = [{"succeededIndexes": "0"}]
    assert api.post(jobs(space), job(successPolicy={"rules": rules})).status == 201
    first, _ = pod_of(api, space, 0)
    pod_of(api, space, 1)
    fakenode.report(api, first, "Succeeded", ready=False)
    met = api.eventually(f"{jobs(space)}/j", lambda a: "SuccessCriteriaMet" in conditions(a))
    assert conditions(met)["SuccessCriteriaMet"] == ("SuccessPolicy", "Matched rules at index 0")


def test_a_failed_index_does_not_stop_the_others(api, space):
    assert api.post(jobs(space), job(backoffLimitPerIndex=0)).status == 201
    first, made = pod_of(api, space, 0)
    assert made["metadata"]["annotations"]["batch.kubernetes.io/job-index-failure-count"] == "0"
    fakenode.report(api, first, "Failed", ready=False)
    api.eventually(f"{jobs(space)}/j", lambda a: a.json["status"].get("failedIndexes") == "0")
    second, _ = pod_of(api, space, 1)
    fakenode.report(api, second, "Succeeded", ready=False)
    done = api.eventually(f"{jobs(space)}/j", lambda a: "Failed" in conditions(a))
    assert conditions(done)["Failed"] == ("FailedIndexes", "Job has failed indexes")
    status = done.json["status"]
    assert (status["completedIndexes"], status["failedIndexes"], status["failed"]) == ("1", "0", 1)


# -- disruptions


def budgets(space):
    return f"/apis/policy/v1/namespaces/{space}/poddisruptionbudgets"


def budget(name="b", **spec):
    return {"metadata": {"name": name}, "spec": {"selector": {"matchLabels": {"a": "b"}}} | spec}


def running(api, space, name, *, ready=True):
    path = f"/api/v1/namespaces/{space}/pods"
    made = fakenode.pod(name, labels={"a": "b"}, nodeName="n1", terminationGracePeriodSeconds=0)
    assert api.post(path, made).status == 201
    fakenode.report(api, f"{path}/{name}", ready=ready)


def evict(api, space, name, **more):
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}} | more
    return api.post(f"/api/v1/namespaces/{space}/pods/{name}/eviction", eviction)


def test_a_budget_decides_what_may_be_evicted(api, space):
    running(api, space, "one")
    running(api, space, "two")
    assert api.post(budgets(space), budget(minAvailable=1)).status == 201
    path = f"{budgets(space)}/b"
    api.eventually(path, lambda a: a.json["status"]["disruptionsAllowed"] == 1)
    assert evict(api, space, "one", deleteOptions={"dryRun": ["All"]}).status == 201
    assert api.get(f"/api/v1/namespaces/{space}/pods/one").status == 200
    assert evict(api, space, "one").status == 201
    assert api.get(f"/api/v1/namespaces/{space}/pods/one").status == 404
    found = api.eventually(path, lambda a: a.json["status"]["currentHealthy"] == 1).json["status"]
    assert (found["desiredHealthy"], found["expectedPods"], found["disruptionsAllowed"]) == (1, 1, 0)
    refused = evict(api, space, "two").refused(
        429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget."
    )
    assert refused["details"]["causes"] == [
        {
            "reason": "DisruptionBudget",
            "message": "The disruption budget b needs 1 healthy pods and has 1 currently",
        }
    ]
    assert api.post(budgets(space), budget("second", maxUnavailable=1)).status == 201
    answer = evict(api, space, "two")
    assert (answer.status, answer.json["message"]) == (
        500,
        "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
    )


def test_a_sick_pod_may_go_where_the_budget_says_so(api, space):
    running(api, space, "sick", ready=False)
    assert api.post(budgets(space), budget(minAvailable=1)).status == 201
    path = f"{budgets(space)}/b"
    api.eventually(path, lambda a: a.json["status"].get("observedGeneration") == 1)
    assert evict(api, space, "sick").status == 429
    assert api.patch(path, {"spec": {"unhealthyPodEvictionPolicy": "AlwaysAllow"}}).status == 200
    assert evict(api, space, "sick").status == 201


def test_a_share_of_pods_that_nobody_scales_is_said(api, space):
    running(api, space, "alone")
    assert api.post(budgets(space), budget(maxUnavailable=1)).status == 201
    events = f"/api/v1/namespaces/{space}/events?fieldSelector=reason=UnmanagedPods"
    api.eventually(events, lambda a: a.json["items"])
    assert evict(api, space, "alone").status == 429


@pytest.mark.parametrize("binary", BINARIES)
def test_drain_and_uncordon(binary, machine, api, space, tmp_path):
    kubectl = Kubectl(binary, machine, space, tmp_path)
    running(api, space, "one")
    assert api.post(budgets(space), budget(minAvailable=1)).status == 201
    api.eventually(f"{budgets(space)}/b", lambda a: a.json["status"]["currentHealthy"] == 1)
    select = ["--pod-selector=a=b", "--ignore-daemonsets", "--delete-emptydir-data", "--force"]
    refused = kubectl.try_("drain", "n1", *select, "--timeout=1s")
    assert refused.returncode != 0
    assert "Cannot evict pod as it would violate the pod's disruption budget" in refused.stderr
    assert api.get("/api/v1/nodes/n1").json["spec"]["unschedulable"] is True
    assert api.delete(f"{budgets(space)}/b").status == 200
    assert "node/n1 drained" in kubectl("drain", "n1", *select, "--timeout=30s")
    assert api.get(f"/api/v1/namespaces/{space}/pods/one").status == 404
    assert "node/n1 uncordoned" in kubectl("uncordon", "n1")
