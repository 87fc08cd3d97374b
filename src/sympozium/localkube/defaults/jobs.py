"""Jobs and CronJobs: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/job-v1/"""

from typing import Any

from sympozium.localkube.defaults.podspec import default_spec
from sympozium.localkube.defaults.podvalidation import check_spec
from sympozium.localkube.defaults.strategy import Strategy, fill
from sympozium.localkube.defaults.templates import selector_causes
from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Cause, Object

UID_LABEL = "batch.kubernetes.io/controller-uid"
NAME_LABEL = "batch.kubernetes.io/job-name"
LEGACY_UID_LABEL = "controller-uid"
LEGACY_NAME_LABEL = "job-name"
IMMUTABLE = "field is immutable"
_COUNTS = ("parallelism", "completions", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished")
_FIXED = ("selector", "completionMode", "manualSelector", "podFailurePolicy", "backoffLimitPerIndex")
_SCHEDULING = ("nodeSelector", "affinity", "tolerations", "schedulingGates")


def default_job(job: Object) -> None:
    spec = job.setdefault("spec", {})
    template = spec.setdefault("template", {})
    default_spec(template.setdefault("spec", {}))
    labels = (template.get("metadata") or {}).get("labels")
    if labels and not job["metadata"].get("labels"):
        job["metadata"]["labels"] = dict(labels)
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    fill(spec, parallelism=1)
    # With a limit for each index the total is unlimited unless it is set.
    spec.setdefault("backoffLimit", 2**31 - 1 if "backoffLimitPerIndex" in spec else 6)
    fill(spec, completionMode="NonIndexed")
    fill(spec, suspend=False)
    fill(spec, manualSelector=False)
    policy = "Failed" if "podFailurePolicy" in spec else "TerminatingOrFailed"
    fill(spec, podReplacementPolicy=policy)


def create_job(job: Object) -> None:
    """The selector by uid that keeps two Jobs of one name apart, and its labels on the template."""
    job["status"] = {}
    spec = job["spec"]
    if spec.get("manualSelector"):
        return
    uid, name = job["metadata"]["uid"], job["metadata"]["name"]
    labels = spec["template"].setdefault("metadata", {}).setdefault("labels", {})
    for key, value in (
        (UID_LABEL, uid),
        (LEGACY_UID_LABEL, uid),
        (NAME_LABEL, name),
        (LEGACY_NAME_LABEL, name),
    ):
        labels[key] = value
    spec["selector"] = {"matchLabels": {UID_LABEL: uid}}
    # A Job without labels takes its template's by default, and these are there from now on.
    if not job["metadata"].get("labels"):
        job["metadata"]["labels"] = dict(labels)


def update_job(job: Object, old: Object, subresource: str) -> None:
    """The generated selector and labels may be left out by a writer who sends the whole object."""
    if subresource or old["spec"].get("manualSelector"):
        return
    spec = job["spec"]
    spec.setdefault("selector", old["spec"].get("selector"))
    before = (old["spec"]["template"].get("metadata") or {}).get("labels") or {}
    labels = spec["template"].setdefault("metadata", {}).setdefault("labels", {})
    for key in (UID_LABEL, LEGACY_UID_LABEL, NAME_LABEL, LEGACY_NAME_LABEL):
        if key in before:
            labels.setdefault(key, before[key])


def check_job(job: Object, old: Object | None, subresource: str) -> list[Cause]:
    if subresource:
        return []
    spec = job["spec"]
    causes = _counts(spec)
    causes += job_template_causes(spec["template"], "spec.template")
    if old is None:
        causes += selector_causes(spec, "spec")
        name = job["metadata"].get("name", "")
        if len(name) > 63:
            causes.append(gotext.invalid("metadata.name", name, "must be no more than 63 characters"))
    else:
        causes += _immutable(spec, old["spec"])
    return causes


def _counts(spec: Object) -> list[Cause]:
    causes = [
        gotext.invalid(f"spec.{key}", spec[key], "must be greater than or equal to 0")
        for key in _COUNTS
        if spec.get(key) is not None and spec[key] < 0
    ]
    modes = ("Indexed", "NonIndexed")
    if spec.get("completionMode") not in modes:
        causes.append(gotext.unsupported("spec.completionMode", spec.get("completionMode"), modes))
    elif spec["completionMode"] == "Indexed" and spec.get("completions") is None:
        causes.append(gotext.required("spec.completions", "when completion mode is Indexed"))
    policies = ("Failed", "TerminatingOrFailed")
    policy = spec.get("podReplacementPolicy")
    if policy not in policies:
        causes.append(gotext.unsupported("spec.podReplacementPolicy", policy, policies))
    if spec.get("podFailurePolicy") and spec["template"]["spec"].get("restartPolicy") != "Never":
        restart = spec["template"]["spec"].get("restartPolicy")
        why = 'only "Never" is supported when podFailurePolicy is specified'
        causes.append(gotext.invalid("spec.template.spec.restartPolicy", restart, why))
    return causes


def job_template_causes(template: Object, path: str) -> list[Cause]:
    causes = check_spec(template["spec"], f"{path}.spec")
    if template["spec"].get("restartPolicy") == "Always":
        why = 'valid values: "OnFailure", "Never"'
        causes.append(gotext.required(f"{path}.spec.restartPolicy", why))
    return causes


def _immutable(spec: Object, old: Object) -> list[Cause]:
    causes = [
        gotext.invalid(f"spec.{key}", spec.get(key), IMMUTABLE)
        for key in _FIXED
        if spec.get(key) != old.get(key)
    ]
    if spec.get("completions") != old.get("completions"):
        # An Indexed Job may be resized together with its parallelism.
        elastic = spec.get("completionMode") == "Indexed" and spec.get("completions") == spec.get(
            "parallelism"
        )
        if not elastic:
            causes.append(gotext.invalid("spec.completions", spec.get("completions"), IMMUTABLE))
    if _comparable(spec["template"], old) != _comparable(old["template"], old):
        causes.append(gotext.invalid("spec.template", spec["template"], IMMUTABLE))
    return causes


def _comparable(template: Object, old: Object) -> Any:
    """The template without what may change: where to run, while the Job is suspended and has not started."""
    if not old.get("suspend"):
        return template
    spec = {key: value for key, value in template["spec"].items() if key not in _SCHEDULING}
    return {**template, "spec": spec, "metadata": None}


def default_cron_job(cron: Object) -> None:
    spec = cron.setdefault("spec", {})
    fill(spec, concurrencyPolicy="Allow")
    fill(spec, suspend=False)
    fill(spec, successfulJobsHistoryLimit=3)
    fill(spec, failedJobsHistoryLimit=1)
    job = spec.setdefault("jobTemplate", {}).setdefault("spec", {})
    default_spec(job.setdefault("template", {}).setdefault("spec", {}))


def check_cron_job(cron: Object, _old: Object | None, subresource: str) -> list[Cause]:
    if subresource:
        return []
    spec = cron["spec"]
    causes: list[Cause] = []
    if not spec.get("schedule"):
        causes.append(gotext.required("spec.schedule"))
    policies = ("Allow", "Forbid", "Replace")
    if spec["concurrencyPolicy"] not in policies:
        causes.append(gotext.unsupported("spec.concurrencyPolicy", spec["concurrencyPolicy"], policies))
    template = spec["jobTemplate"]["spec"]["template"]
    causes += job_template_causes(template, "spec.jobTemplate.spec.template")
    if len(cron["metadata"].get("name", "")) > 52:
        name = cron["metadata"]["name"]
        causes.append(gotext.invalid("metadata.name", name, "must be no more than 52 characters"))
    return causes


JOB = Strategy(
    status=True,
    generation=True,
    status_metadata=True,
    default=default_job,
    create=create_job,
    update=update_job,
    check=check_job,
)
CRON_JOB = Strategy(status=True, generation=True, default=default_cron_job, check=check_cron_job)
