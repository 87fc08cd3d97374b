"""CronJobs: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/cron-job-v1/"""

import re

from sympozium.localkube import schedules
from sympozium.localkube.defaults.jobs import check_job_spec
from sympozium.localkube.defaults.podspec import default_spec
from sympozium.localkube.defaults.strategy import Strategy, fill
from sympozium.localkube.defaults.templates import template_warnings
from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Cause, Object

_POLICIES = ("Allow", "Forbid", "Replace")
_ZONE_PART = re.compile(r"[A-Za-z.\-_0-9+]{1,14}")
_NOT_NEGATIVE = "must be greater than or equal to 0"
_NO_ZONE = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"


def default_cron_job(cron: Object) -> None:
    spec = cron.setdefault("spec", {})
    fill(spec, concurrencyPolicy="Allow")
    fill(spec, suspend=False)
    fill(spec, successfulJobsHistoryLimit=3)
    fill(spec, failedJobsHistoryLimit=1)
    job = spec.setdefault("jobTemplate", {}).setdefault("spec", {})
    default_spec(job.setdefault("template", {}).setdefault("spec", {}))


def _create(cron: Object) -> None:
    cron["status"] = {}


def check_cron_job(cron: Object, old: Object | None, subresource: str) -> list[Cause]:
    if subresource:
        return []
    spec = cron["spec"]
    causes: list[Cause] = []
    if not spec.get("schedule"):
        causes.append(gotext.required("spec.schedule"))
    else:
        causes += _schedule(spec["schedule"])
    if (spec.get("startingDeadlineSeconds") or 0) < 0:
        value = spec["startingDeadlineSeconds"]
        causes.append(gotext.invalid("spec.startingDeadlineSeconds", value, _NOT_NEGATIVE))
    if spec.get("timeZone") is not None and (old is None or old["spec"].get("timeZone") != spec["timeZone"]):
        causes += _time_zone(spec["timeZone"])
    if spec["concurrencyPolicy"] not in _POLICIES:
        causes.append(gotext.unsupported("spec.concurrencyPolicy", spec["concurrencyPolicy"], _POLICIES))
    causes += _job_template(spec["jobTemplate"]["spec"])
    causes += [
        gotext.invalid(f"spec.{key}", spec[key], _NOT_NEGATIVE)
        for key in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit")
        if (spec.get(key) or 0) < 0
    ]
    name = cron["metadata"].get("name", "")
    if old is None and len(name) > 52:
        causes.append(gotext.invalid("metadata.name", name, "must be no more than 52 characters"))
    return causes


def _schedule(text: str) -> list[Cause]:
    bare = re.sub(r"^(CRON_)?TZ=\S* *", "", text)
    try:
        schedules.parse(bare)
    except schedules.ScheduleError as error:
        causes = [gotext.invalid("spec.schedule", text, str(error))]
    else:
        causes = []
    if "TZ" in text:
        causes.append(gotext.invalid("spec.schedule", text, _NO_ZONE))
    return causes


def _time_zone(name: str) -> list[Cause]:
    path = "spec.timeZone"
    if not name:
        return [gotext.invalid(path, name, "timeZone must be nil or non-empty string")]
    for part in name.split("/"):
        if part in {".", ".."} or part.startswith("-") or not _ZONE_PART.fullmatch(part):
            return [gotext.invalid(path, name, f"unknown time zone {name}")]
    causes: list[Cause] = []
    if name.lower() == "local":
        why = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        causes.append(gotext.invalid(path, name, why))
    try:
        schedules.time_zone(name)
    except ValueError as error:
        causes.append(gotext.invalid(path, name, str(error)))
    return causes


def _job_template(spec: Object) -> list[Cause]:
    at = "spec.jobTemplate.spec"
    causes = check_job_spec(spec, at)
    if spec.get("selector") is not None:
        causes.append(gotext.invalid(f"{at}.selector", spec["selector"], "`selector` will be auto-generated"))
    if spec.get("manualSelector"):
        causes.append(gotext.unsupported(f"{at}.manualSelector", True, ("nil", "false")))
    return causes


CRON_JOB = Strategy(
    status=True,
    generation=True,
    default=default_cron_job,
    create=_create,
    check=check_cron_job,
    warn=template_warnings("spec.jobTemplate.spec.template"),
)
