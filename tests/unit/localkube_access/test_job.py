"""Jobs: one step on values, and whole lives with a crash between any two requests."""

import copy
import datetime as dt
import itertools

import pytest
from hypothesis import given, strategies as st

from sympozium.localkube.controllers.job import indexes
from sympozium.localkube.controllers.job.decide import decide, finished
from sympozium.localkube.controllers.job.pods import FINALIZER, INDEX, build, tracked
from sympozium.localkube.controllers.mergepatch import difference
from sympozium.localkube.controllers.ttl import remaining

NOW = dt.datetime(2026, 11, 26, 12, 0, 0, tzinfo=dt.UTC)


def at(seconds):
    return (NOW + dt.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def job(status=None, **spec):
    template = {
        "metadata": {"labels": {"job-name": "j"}},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "c"}]},
    }
    base = {
        "parallelism": 1,
        "completions": 1,
        "backoffLimit": 6,
        "completionMode": "NonIndexed",
        "suspend": False,
        "template": template,
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "j", "namespace": "ns", "uid": "job", "resourceVersion": "1"},
        "spec": base | spec,
        "status": {} if status is None else status,
    }


def pod(
    uid,
    phase="Running",
    *,
    index=None,
    deleting=False,
    node="n",
    code=None,
    ended=0,
    counted=False,
    ready=False,
):
    meta = {"name": uid, "namespace": "ns", "uid": uid, "creationTimestamp": at(-100)}
    if not counted:
        meta["finalizers"] = [FINALIZER]
    if index is not None:
        meta["annotations"] = {INDEX: str(index)}
    if deleting:
        meta["deletionTimestamp"] = at(0)
    status = {"phase": phase}
    if ready:
        status["conditions"] = [{"type": "Ready", "status": "True"}]
    if phase in {"Succeeded", "Failed"}:
        code = code if code is not None else int(phase == "Failed")
        status["containerStatuses"] = [
            {"name": "c", "state": {"terminated": {"exitCode": code, "finishedAt": at(ended)}}}
        ]
    return {"metadata": meta, "spec": {"nodeName": node} if node else {}, "status": status}


def started(**status):
    """A status that needs no first write."""
    return {"startTime": at(-50), "uncountedTerminatedPods": {}, "ready": 0, "terminating": 0} | status


def true_conditions(status):
    return [(c["type"], c["reason"]) for c in status.get("conditions", ()) if c["status"] == "True"]


def uids(pods):
    return [pod["metadata"]["uid"] for pod in pods]


# -- single steps


def test_a_new_job_starts_its_clock_then_makes_its_pods():
    fresh = job(parallelism=2, completions=3)
    plan = decide(fresh, [], NOW)
    assert plan.status["startTime"] == at(0)
    assert plan.create == []
    fresh["status"] = plan.status
    assert decide(fresh, [], NOW).create == [None, None]


def test_the_first_status_is_the_recorded_one():
    plan = decide(job(started()), [pod("a", "Pending")], NOW)
    assert plan.status == {
        "startTime": at(-50),
        "active": 1,
        "ready": 0,
        "terminating": 0,
        "uncountedTerminatedPods": {},
    }


def test_a_server_that_leaves_zeros_out_is_not_written_to_for_ever():
    assert decide(job({"startTime": at(-50), "active": 1}), [pod("a")], NOW).status is None


def test_success_is_counted_in_three_steps():
    current = job(started(active=1))
    done = pod("a", "Succeeded")
    first = decide(current, [done], NOW)
    assert first.status["uncountedTerminatedPods"] == {"succeeded": ["a"]}
    assert true_conditions(first.status) == [("SuccessCriteriaMet", "CompletionsReached")]
    assert "succeeded" not in first.status
    assert first.release == []
    current["status"] = first.status
    assert uids(decide(current, [done], NOW).release) == ["a"]
    last = decide(current, [pod("a", "Succeeded", counted=True)], NOW)
    assert last.status["succeeded"] == 1
    assert last.status["uncountedTerminatedPods"] == {}
    assert true_conditions(last.status) == [
        ("SuccessCriteriaMet", "CompletionsReached"),
        ("Complete", "CompletionsReached"),
    ]
    assert last.status["completionTime"] == at(0)
    assert "active" not in last.status
    assert last.events == [("Normal", "Completed", "Job completed")]


def test_a_pod_that_vanished_after_it_was_noted_is_counted():
    plan = decide(job(started(uncountedTerminatedPods={"failed": ["a"]})), [], NOW)
    assert plan.status["failed"] == 1


@pytest.mark.parametrize(("failures", "wait"), [(1, 10), (2, 20), (3, 40), (7, 600)])
def test_the_next_pod_waits_twice_as_long_after_each_failure(failures, wait):
    pods = [pod(f"f{n}", "Failed", counted=True, ended=-n) for n in range(failures)]
    current = job(started(failed=failures), backoffLimit=10)
    plan = decide(current, pods, NOW)
    assert plan.create == []
    assert plan.again == wait
    assert decide(current, pods, NOW + dt.timedelta(seconds=wait)).create == [None]


def test_a_success_resets_the_back_off():
    pods = [pod("f", "Failed", counted=True, ended=-5), pod("s", "Succeeded", counted=True, ended=-2)]
    assert decide(job(started(failed=1, succeeded=1), completions=2), pods, NOW).create == [None]


def test_too_many_failures_end_the_job_and_its_other_pods():
    current = job(started(active=1), parallelism=2, completions=5, backoffLimit=0)
    plan = decide(current, [pod("a", "Failed"), pod("b")], NOW)
    assert true_conditions(plan.status) == [("FailureTarget", "BackoffLimitExceeded")]
    current["status"] = plan.status
    assert uids(decide(current, [pod("a", "Failed"), pod("b")], NOW).delete) == ["b"]
    going = [pod("a", "Failed", counted=True), pod("b", deleting=True)]
    current["status"] = decide(current, going, NOW).status
    assert current["status"]["uncountedTerminatedPods"] == {"failed": ["b"]}
    assert not finished(current)
    end = decide(current, [pod("a", "Failed", counted=True)], NOW)
    assert true_conditions(end.status)[-1] == ("Failed", "BackoffLimitExceeded")
    assert end.status["failed"] == 2
    assert end.events == [("Warning", "BackoffLimitExceeded", "Job has reached the specified backoff limit")]


@pytest.mark.parametrize(
    ("limit", "restarts", "over"), [(0, 0, False), (0, 1, True), (2, 1, False), (2, 2, True)]
)
def test_restarts_count_when_containers_are_restarted(limit, restarts, over):
    current = job(started(active=1), backoffLimit=limit)
    current["spec"]["template"]["spec"]["restartPolicy"] = "OnFailure"
    running = pod("a")
    running["status"]["containerStatuses"] = [{"name": "c", "restartCount": restarts}]
    plan = decide(current, [running], NOW)
    assert (plan.status is not None) is over


def test_the_deadline_counts_from_the_start():
    current = job(started(active=1), activeDeadlineSeconds=60)
    assert decide(current, [pod("a")], NOW).again == 10
    late = decide(current, [pod("a")], NOW + dt.timedelta(seconds=10))
    assert true_conditions(late.status) == [("FailureTarget", "DeadlineExceeded")]


def test_surplus_pods_are_discarded_the_idlest_first_and_count_as_nothing():
    pods = [pod("ready", ready=True), pod("running"), pod("pending", "Pending", node="")]
    current = job(started(active=3, ready=1), parallelism=1, completions=5)
    plan = decide(current, pods, NOW)
    assert uids(plan.discard) == ["pending", "running"]
    assert plan.delete == []


def test_a_work_queue_makes_no_more_pods_after_a_success():
    current = job(started(), parallelism=2)
    del current["spec"]["completions"]
    assert decide(current, [], NOW).create == [None, None]
    current["status"] = started(active=1, uncountedTerminatedPods={"succeeded": ["a"]})
    plan = decide(current, [pod("a", "Succeeded"), pod("b")], NOW)
    assert (plan.status, plan.create) == (None, [])


def test_zero_completions_are_complete_and_zero_parallelism_waits():
    assert true_conditions(decide(job(started(), completions=0), [], NOW).status) == [
        ("SuccessCriteriaMet", "CompletionsReached"),
        ("Complete", "CompletionsReached"),
    ]
    plan = decide(job(started(), parallelism=0), [], NOW)
    assert (plan.status, plan.create) == (None, [])


def test_suspension_stops_pods_and_clock_and_resuming_starts_them():
    current = job(started(active=1), suspend=True, activeDeadlineSeconds=10)
    plan = decide(current, [pod("a")], NOW)
    assert true_conditions(plan.status) == [("Suspended", "JobSuspended")]
    assert "startTime" not in plan.status
    current["status"] = plan.status
    assert uids(decide(current, [pod("a")], NOW).discard) == ["a"]
    current["status"] = decide(current, [], NOW).status
    assert decide(current, [], NOW).create == []
    current["spec"]["suspend"] = False
    plan = decide(current, [], NOW)
    assert plan.status["startTime"] == at(0)
    assert true_conditions(plan.status) == []
    assert plan.events == [("Normal", "Resumed", "Job resumed")]


def test_a_job_that_is_being_deleted_counts_but_makes_nothing():
    current = job(started())
    current["metadata"]["deletionTimestamp"] = at(0)
    assert decide(current, [], NOW).create == []
    plan = decide(current, [pod("a", deleting=True)], NOW)
    assert plan.status["uncountedTerminatedPods"] == {"failed": ["a"]}


def test_a_finished_job_only_lets_go_of_pods():
    current = job(started(conditions=[{"type": "Complete", "status": "True"}]))
    plan = decide(current, [pod("a", "Succeeded")], NOW)
    assert (plan.status, plan.create, uids(plan.release)) == (None, [], ["a"])


# -- Indexed


def indexed(status=None, **spec):
    return job(status, completionMode="Indexed", **spec)


def test_each_index_gets_one_pod_and_is_complete_once():
    current = indexed(started(), completions=3, parallelism=2)
    assert decide(current, [], NOW).create == [0, 1]
    pods = [pod("a", "Succeeded", index=0), pod("b", index=1)]
    plan = decide(current, pods, NOW)
    assert plan.status["completedIndexes"] == "0"
    assert plan.status["succeeded"] == 1
    current["status"] = plan.status
    plan = decide(current, pods, NOW)
    assert (plan.create, uids(plan.release)) == ([2], ["a"])
    # The same index twice, as after a crash that nobody can explain: one of them goes.
    twice = [pod("b", index=1), pod("c", index=1, ready=True)]
    current["status"] |= {"active": 2, "ready": 1}
    assert uids(decide(current, twice, NOW).discard) == ["b"]


def test_an_indexed_job_completes_with_all_its_indexes():
    current = indexed(started(active=1, completedIndexes="0", succeeded=1), completions=2)
    current["status"] = decide(current, [pod("b", "Succeeded", index=1)], NOW).status
    assert current["status"]["completedIndexes"] == "0,1"
    end = decide(current, [pod("b", "Succeeded", index=1, counted=True)], NOW)
    assert true_conditions(end.status)[-1] == ("Complete", "CompletionsReached")


@pytest.mark.parametrize(
    ("found", "text"), [([], ""), ([3], "3"), ([1, 0], "0,1"), ([0, 1, 2, 5, 7, 8, 9], "0-2,5,7-9")]
)
def test_indexes_are_written_as_kubernetes_writes_them(found, text):
    assert indexes.render(found) == text


@given(st.sets(st.integers(0, 60)))
def test_indexes_survive_being_written(found):
    assert indexes.parse(indexes.render(found)) == found


# -- podFailurePolicy

POLICY = {
    "rules": [
        {"action": "FailJob", "onExitCodes": {"containerName": "c", "operator": "In", "values": [42]}},
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {"action": "Count", "onExitCodes": {"operator": "NotIn", "values": [1]}},
    ]
}


def test_an_exit_code_can_fail_the_job_at_once():
    plan = decide(job(started(), podFailurePolicy=POLICY), [pod("a", "Failed", code=42)], NOW)
    (condition,) = plan.status["conditions"]
    assert (condition["type"], condition["reason"]) == ("FailureTarget", "PodFailurePolicy")
    assert (
        condition["message"]
        == "Container c for pod ns/a failed with exit code 42 matching FailJob rule at index 0"
    )


def test_a_disruption_can_be_ignored_and_the_pod_made_again():
    lost = pod("a", "Failed", code=137)
    lost["status"]["conditions"] = [{"type": "DisruptionTarget", "status": "True"}]
    current = job(started(), podFailurePolicy=POLICY, backoffLimit=0)
    plan = decide(current, [lost], NOW)
    assert plan.status is None
    assert uids(plan.release) == ["a"]


def test_with_a_policy_a_pod_that_is_going_is_not_yet_failed_nor_replaced():
    current = job(started(terminating=1), podFailurePolicy=POLICY)
    plan = decide(current, [pod("a", deleting=True)], NOW)
    assert (plan.status, plan.create) == (None, [])
    without = job(started(terminating=1))
    assert decide(without, [pod("a", deleting=True)], NOW).status["uncountedTerminatedPods"] == {
        "failed": ["a"]
    }


# -- pods


def test_a_pod_of_a_job_has_what_was_recorded():
    made = build(job(), None)
    assert made["metadata"]["generateName"] == "j-"
    assert made["metadata"]["finalizers"] == [FINALIZER]
    assert made["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "name": "j",
            "uid": "job",
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    assert made["metadata"]["labels"] == {"job-name": "j"}
    one = build(job(), 3)
    assert one["metadata"]["generateName"] == "j-3-"
    assert one["metadata"]["labels"][INDEX] == one["metadata"]["annotations"][INDEX] == "3"
    assert one["spec"]["hostname"] == "j-3"
    field = {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.labels['{INDEX}']"}}
    assert one["spec"]["containers"][0]["env"] == [{"name": "JOB_COMPLETION_INDEX", "valueFrom": field}]


def test_a_finished_job_goes_after_its_time():
    done = [{"type": "Complete", "status": "True", "lastTransitionTime": at(-20)}]
    assert remaining(job(started(conditions=done), ttlSecondsAfterFinished=30), NOW) == 10
    assert remaining(job(started(conditions=done), ttlSecondsAfterFinished=0), NOW) == -20
    assert remaining(job(started(conditions=done)), NOW) is None
    assert remaining(job(started(), ttlSecondsAfterFinished=0), NOW) is None


# -- whole lives


class KilledError(Exception):
    """The controller is killed."""


class World:
    """An API server and a node in miniature. `budget` requests succeed, then the controller is killed."""

    def __init__(self, job):
        self.job, self.pods, self.names = job, {}, itertools.count()
        self.made, self.outcome = 0, {}
        self.budget = 10**6
        self.now = NOW

    def spend(self):
        if not self.budget:
            raise KilledError
        self.budget -= 1

    def apply(self, patch):
        status = self.job["status"]
        for key, value in patch.items():
            if value is None:
                status.pop(key, None)
            elif isinstance(value, dict) and isinstance(status.get(key), dict):
                status[key] = {k: v for k, v in (status[key] | value).items() if v is not None}
            else:
                status[key] = value

    def step(self):
        """One step of the controller, as it carries plans out; whether anything was done."""
        plan = decide(copy.deepcopy(self.job), copy.deepcopy(list(self.pods.values())), self.now)
        if plan.status is not None:
            self.spend()
            self.apply(difference(self.job["status"], plan.status))
            return True
        for index in plan.create:
            self.spend()
            uid = f"p{next(self.names)}"
            self.pods[uid] = pod(uid, "Pending", index=index)
            self.made += 1
        for chosen in plan.discard:
            self.spend()
            self.release(chosen)
            self.spend()
            self.delete(chosen)
        for chosen in plan.delete:
            self.spend()
            self.delete(chosen)
        for chosen in plan.release:
            self.spend()
            self.release(chosen)
        return bool(plan.create or plan.discard or plan.delete or plan.release)

    def release(self, chosen):
        held = self.pods.get(chosen["metadata"]["uid"])
        if held is not None:
            held["metadata"].pop("finalizers", None)
            self.vanish(held)

    def delete(self, chosen):
        held = self.pods.get(chosen["metadata"]["uid"])
        if held is not None:
            held["metadata"]["deletionTimestamp"] = at(0)
            self.vanish(held)

    def vanish(self, held):
        if held["metadata"].get("deletionTimestamp") and not tracked(held):
            del self.pods[held["metadata"]["uid"]]

    def run(self):
        for _ in range(200):
            if not self.step():
                return
        raise AssertionError("the controller does not come to rest")

    def finish_pod(self, uid, success):
        held = self.pods[uid]
        held["status"] = pod(uid, "Succeeded" if success else "Failed", ended=-1000)["status"]
        self.outcome[uid] = success


@given(st.data())
def test_every_pod_is_counted_once_whenever_the_controller_is_killed(data):
    completions = data.draw(st.integers(1, 4))
    mode = data.draw(st.sampled_from(["NonIndexed", "Indexed"]))
    world = World(
        job(
            completions=completions,
            parallelism=data.draw(st.integers(1, 3)),
            backoffLimit=3,
            completionMode=mode,
        )
    )
    for _ in range(60):
        world.budget = data.draw(st.integers(0, 6))
        try:
            world.run()
        except KilledError:
            continue
        world.budget = 0
        waiting = [
            uid
            for uid, p in world.pods.items()
            if p["status"]["phase"] == "Pending" and not p["metadata"].get("deletionTimestamp")
        ]
        if waiting:
            uid = data.draw(st.sampled_from(waiting))
            if data.draw(st.integers(0, 9)) == 0:
                world.outcome[uid] = False  # somebody deletes the pod: it counts as failed
                world.delete(world.pods[uid])
            else:
                world.finish_pod(uid, data.draw(st.booleans()))
        if finished(world.job):
            break
    world.budget = 10**6
    world.run()
    status = world.job["status"]
    noted = status.get("uncountedTerminatedPods") or {}
    assert not any(noted.values())
    successes = sum(world.outcome.values())
    stopped = (
        world.made - len(world.outcome)
        if any(c["type"] == "FailureTarget" for c in status.get("conditions", ()))
        else 0
    )
    assert status.get("succeeded", 0) == successes <= completions
    assert status.get("failed", 0) == len(world.outcome) - successes + stopped
    if status.get("succeeded", 0) == completions:
        assert true_conditions(status)[-1][0] == "Complete"
    assert not any(tracked(p) for p in world.pods.values() if p["status"]["phase"] in {"Succeeded", "Failed"})
