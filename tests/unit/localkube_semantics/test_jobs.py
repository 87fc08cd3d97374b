from unit.localkube_semantics.schemas import copy, created, kind, told, updated

JOB = kind("batch", "v1", "Job")
CRON = kind("batch", "v1", "CronJob")


def job(restart="Never", **spec):
    template = {"spec": {"restartPolicy": restart, "containers": [{"name": "c", "image": "i:1"}]}}
    return {"metadata": {"name": "j", "namespace": "n", "uid": "u-1"}, "spec": {"template": template, **spec}}


def wrong(obj, old=None):
    return told(JOB.validate(created(JOB, obj) if old is None else updated(JOB, obj, old), old))


def test_defaults_selector_and_labels():
    made = created(JOB, job())
    spec = made["spec"]
    assert (spec["parallelism"], spec["completions"], spec["backoffLimit"]) == (1, 1, 6)
    assert (spec["completionMode"], spec["suspend"], spec["podReplacementPolicy"]) == (
        "NonIndexed",
        False,
        "TerminatingOrFailed",
    )
    assert spec["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": "u-1"}}
    assert spec["template"]["metadata"]["labels"] == {
        "batch.kubernetes.io/controller-uid": "u-1",
        "controller-uid": "u-1",
        "batch.kubernetes.io/job-name": "j",
        "job-name": "j",
    }
    assert (made["metadata"]["generation"], made["status"]) == (1, {})
    assert JOB.validate(made, None) == []


def test_completions_stay_open_for_a_work_queue():
    assert "completions" not in created(JOB, job(parallelism=3))["spec"]
    assert created(JOB, job(completions=3))["spec"]["parallelism"] == 1


def test_creating_twice_in_the_pipeline_is_creating_once():
    made = created(JOB, job())
    assert JOB.prepare_create(JOB.default(JOB.prune(copy(made)))) == made
    assert made["metadata"]["labels"] == made["spec"]["template"]["metadata"]["labels"]


def test_a_pod_of_a_job_ends():
    assert wrong(job("Always")) == [
        'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'
    ]
    assert wrong(job(parallelism=-1)) == [
        "spec.parallelism: Invalid value: -1: must be greater than or equal to 0"
    ]
    assert wrong(job(completionMode="Indexed", parallelism=2)) == [
        "spec.completions: Required value: when completion mode is Indexed"
    ]


def test_template_and_selector_are_immutable():
    old = created(JOB, job())
    new = copy(old)
    new["spec"]["template"]["spec"]["containers"][0]["image"] = "z"
    found = wrong(new, old)
    assert len(found) == 1
    assert found[0].startswith("spec.template: Invalid value: ")
    assert found[0].endswith(": field is immutable")
    for key, value in (
        ("parallelism", 4),
        ("backoffLimit", 9),
        ("suspend", True),
        ("ttlSecondsAfterFinished", 1),
    ):
        new = copy(old)
        new["spec"][key] = value
        assert wrong(new, old) == [], key
    new = copy(old)
    new["spec"]["completions"] = 7
    assert wrong(new, old) == ["spec.completions: Invalid value: 7: field is immutable"]


def test_where_to_run_may_change_while_suspended():
    old = created(JOB, job(suspend=True))
    new = copy(old)
    new["spec"]["template"]["spec"]["nodeSelector"] = {"a": "b"}
    assert wrong(new, old) == []
    running = created(JOB, job())
    new = copy(running)
    new["spec"]["template"]["spec"]["nodeSelector"] = {"a": "b"}
    assert len(wrong(new, running)) == 1


def test_a_writer_may_leave_out_what_was_generated():
    old = created(JOB, job())
    assert wrong(job(), old) == []
    assert updated(JOB, job(), old)["spec"] == old["spec"]


def test_a_selector_by_hand_has_to_fit():
    assert wrong(job(manualSelector=True)) == ["spec.selector: Required value"]
    assert len(wrong(job(manualSelector=True, selector={"matchLabels": {"a": "b"}}))) == 1


def test_status_is_apart_and_spec_counts():
    old = created(JOB, job())
    status = updated(JOB, {**copy(old), "status": {"active": 1}, "spec": {}}, old, "status")
    assert (status["status"], status["spec"]) == ({"active": 1}, old["spec"])
    new = copy(old)
    new["spec"]["suspend"] = True
    assert updated(JOB, new, old)["metadata"]["generation"] == 2


def test_cron_jobs():
    made = created(
        CRON,
        {
            "metadata": {"name": "c"},
            "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": job()["spec"]}},
        },
    )
    spec = made["spec"]
    assert (spec["concurrencyPolicy"], spec["suspend"]) == ("Allow", False)
    assert (spec["successfulJobsHistoryLimit"], spec["failedJobsHistoryLimit"]) == (3, 1)
    assert CRON.validate(made, None) == []
    made["spec"]["schedule"] = ""
    assert told(CRON.validate(made, None)) == ["spec.schedule: Required value"]
