"""Jobs: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/job-v1/"""

from typing import Any

from sympozium.localkube.defaults.jobpolicies import failure_policy_causes, success_policy_causes
from sympozium.localkube.defaults.podspec import default_spec
from sympozium.localkube.defaults.podvalidation import check_spec
from sympozium.localkube.defaults.strategy import Strategy, fill
from sympozium.localkube.defaults.templates import selector_causes, template_warnings
from sympozium.localkube.metadata import name_errors
from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Cause, Object

UID_LABEL = "batch.kubernetes.io/controller-uid"
NAME_LABEL = "batch.kubernetes.io/job-name"
LEGACY_UID_LABEL = "controller-uid"
LEGACY_NAME_LABEL = "job-name"
IMMUTABLE = "field is immutable"
_COUNTS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)
_FIXED = (
    "selector",
    "completionMode",
    "manualSelector",
    "podFailurePolicy",
    "backoffLimitPerIndex",
    "managedBy",
    "successPolicy",
)
_NEEDS_INDEXES = "requires indexed completion mode"
MAX_INDEXED = 100_000
MAX_MANAGED_BY = 63
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
    uid, name = job["metadata"]["uid"], job["metadata"].get("name", "")
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
    causes = check_job_spec(spec, "spec")
    if old is None:
        causes += selector_causes(spec, "spec")
        name = job["metadata"].get("name", "")
        if len(name) > 63:
            causes.append(gotext.invalid("metadata.name", name, "must be no more than 63 characters"))
    else:
        causes += _immutable(spec, old["spec"])
    return causes


def check_job_spec(spec: Object, at: str) -> list[Cause]:
    """Causes for a JobSpec, of a Job or of a CronJob's template (which has no defaults of its own yet)."""
    causes = [
        gotext.invalid(f"{at}.{key}", spec[key], "must be greater than or equal to 0")
        for key in _COUNTS
        if spec.get(key) is not None and spec[key] < 0
    ]
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        causes.append(gotext.required(f"{at}.backoffLimitPerIndex", "when maxFailedIndexes is specified"))
    if spec.get("managedBy") is not None:
        causes += _managed_by(spec["managedBy"], f"{at}.managedBy")
    causes += _mode(spec, at)
    if spec.get("podFailurePolicy"):
        causes += failure_policy_causes(spec, at)
    if spec.get("successPolicy") is not None:
        causes += success_policy_causes(spec, at)
    policies = ("Failed",) if spec.get("podFailurePolicy") else ("Failed", "TerminatingOrFailed")
    policy = spec.get("podReplacementPolicy")
    if policy is not None and policy not in policies:
        causes.append(gotext.unsupported(f"{at}.podReplacementPolicy", policy, policies))
    return causes + _template(spec, f"{at}.template")


def _managed_by(name: str, path: str) -> list[Cause]:
    domain, slash, rest = name.partition("/")
    if not name:
        return [gotext.required(path)]
    if not slash or not domain or not rest:
        why = 'must be a domain-prefixed path (such as "acme.io/foo")'
        return [gotext.invalid(path, name, why)]
    causes = [gotext.invalid(path, domain, why) for why in name_errors(domain, "subdomain")]
    if len(name) > MAX_MANAGED_BY:
        causes.append(gotext.too_long(path, MAX_MANAGED_BY))
    return causes


def _mode(spec: Object, at: str) -> list[Cause]:
    modes = ("NonIndexed", "Indexed")
    mode = spec.get("completionMode", "NonIndexed")
    if mode not in modes:
        return [gotext.unsupported(f"{at}.completionMode", mode, modes)]
    per_index = [key for key in ("backoffLimitPerIndex", "maxFailedIndexes") if spec.get(key) is not None]
    if mode == "NonIndexed":
        return [gotext.invalid(f"{at}.{key}", spec[key], _NEEDS_INDEXES) for key in per_index]
    causes: list[Cause] = []
    completions, most = spec.get("completions"), spec.get("maxFailedIndexes")
    if completions is None:
        causes.append(gotext.required(f"{at}.completions", "when completion mode is Indexed"))
    if (spec.get("parallelism") or 0) > MAX_INDEXED:
        why = f"must be less than or equal to {MAX_INDEXED} when completion mode is Indexed"
        causes.append(gotext.invalid(f"{at}.parallelism", spec["parallelism"], why))
    if completions is not None and most is not None and most > completions:
        why = "must be less than or equal to completions"
        causes.append(gotext.invalid(f"{at}.maxFailedIndexes", most, why))
    if most is not None and most > MAX_INDEXED:
        why = f"must be less than or equal to {MAX_INDEXED}"
        causes.append(gotext.invalid(f"{at}.maxFailedIndexes", most, why))
    return causes


def _template(spec: Object, path: str) -> list[Cause]:
    template = spec["template"]
    causes = check_spec(template["spec"], f"{path}.spec")
    restart = template["spec"].get("restartPolicy")
    at = f"{path}.spec.restartPolicy"
    if restart == "Always":
        causes.append(gotext.required(at, 'valid values: "OnFailure", "Never"'))
    elif spec.get("podFailurePolicy") and restart == "OnFailure":
        why = 'only "Never" is supported when podFailurePolicy is specified'
        causes.append(gotext.invalid(at, restart, why))
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


JOB = Strategy(
    status=True,
    generation=True,
    status_metadata=True,
    default=default_job,
    create=create_job,
    update=update_job,
    check=check_job,
    warn=template_warnings("spec.template"),
)
