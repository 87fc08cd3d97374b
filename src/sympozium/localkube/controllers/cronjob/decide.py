"""(CronJob, its Jobs, now) -> what to start, delete and write. Pure.

A start is named after its minute, so making it a second time meets the first: being killed between the Job and
the status repeats a request and not a run. Times that were missed are one run, the latest.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sympozium.localkube import schedules
from sympozium.localkube.controllers.job.decide import condition, finished
from sympozium.localkube.controllers.job.pods import parse_time
from sympozium.localkube.types import Object

SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
SLACK = 0.1
"""Seconds after the minute at which a start is looked at: clocks are not that exact."""
LONGEST = 60.0
"""A sleeping machine stops the timers of a process: the wall clock is asked at least this often."""
MANY = 100
_TOO_MANY = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
_FORBIDDEN = "Not starting job because prior execution is running and concurrency policy is Forbid"
Event = tuple[str, str, str]
"""(type, reason, message)."""


@dataclass(slots=True)
class Plan:
    """`status` is the whole status as it should be before the start; `again` is in seconds.

    `start` is the time to start a Job for, `replaced` the Jobs that it replaces, `expired` those beyond the limits
    of the history.
    """

    status: Object
    start: dt.datetime | None = None
    replaced: list[Object] = field(default_factory=list)
    expired: list[Object] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    again: float | None = None


def decide(cron: Object, jobs: Sequence[Object], now: dt.datetime) -> Plan:
    """`jobs` are all that the CronJob controls; `now` is aware."""
    plan = Plan(status=dict(cron.get("status") or {}))
    _account(jobs, plan)
    _expire(cron, jobs, plan)
    spec = cron["spec"]
    if cron["metadata"].get("deletionTimestamp") or spec.get("suspend"):
        return plan
    try:
        schedule = schedules.parse(spec["schedule"], spec.get("timeZone") or "")
    except schedules.ScheduleError as error:
        why = f'unparseable schedule: "{spec["schedule"]}" : {error}'
        plan.events.append(("Warning", "UnparseableSchedule", why))
        return plan
    except ValueError as error:
        text = f'invalid timeZone: "{spec.get("timeZone")}" : {error}'
        plan.events.append(("Warning", "UnknownTimeZone", text))
        return plan
    _start(cron, jobs, schedule, now, plan)
    plan.again = _again(cron, schedule, now)
    return plan


def _account(jobs: Sequence[Object], plan: Plan) -> None:
    """Which of the active Jobs have ended, and which is not there any more."""
    by_uid = {job["metadata"]["uid"]: job for job in jobs}
    active: list[Object] = []
    for reference in plan.status.get("active") or ():
        job = by_uid.get(reference["uid"])
        if job is None:
            plan.events.append(("Normal", "MissingJob", f"Active job went missing: {reference['name']}"))
        elif finished(job):
            kind = "Complete" if condition(job, "Complete") else "Failed"
            text = f"Saw completed job: {reference['name']}, condition: {kind}"
            plan.events.append(("Normal", "SawCompletedJob", text))
        else:
            active.append(reference)
    known = {reference["uid"] for reference in active}
    unknown = [j for j in jobs if not finished(j) and j["metadata"]["uid"] not in known]
    for job in unknown:
        if SCHEDULED in (job["metadata"].get("annotations") or {}):
            active.append(reference_to(job))  # made by us, and not written down before a crash
        else:
            text = f"Saw a job that the controller did not create or forgot: {job['metadata']['name']}"
            plan.events.append(("Warning", "UnexpectedJob", text))
    _set(plan.status, "active", active)
    ends = [(j.get("status") or {}).get("completionTime", "") for j in jobs if condition(j, "Complete")]
    latest = max([plan.status.get("lastSuccessfulTime", ""), *ends])
    _set(plan.status, "lastSuccessfulTime", latest)


def _set(status: Object, key: str, value: object) -> None:
    if value:
        status[key] = value
    else:
        status.pop(key, None)


def reference_to(job: Object) -> Object:
    """An entry of `status.active`."""
    meta = job["metadata"]
    return {
        "kind": "Job",
        "namespace": meta["namespace"],
        "name": meta["name"],
        "uid": meta["uid"],
        "apiVersion": "batch/v1",
        "resourceVersion": meta["resourceVersion"],
    }


def _expire(cron: Object, jobs: Sequence[Object], plan: Plan) -> None:
    """The oldest finished Jobs beyond the limits."""
    for kind, key in (("Complete", "successfulJobsHistoryLimit"), ("Failed", "failedJobsHistoryLimit")):
        limit = cron["spec"].get(key)
        if limit is None:
            continue
        ended = [job for job in jobs if condition(job, kind) and not job["metadata"].get("deletionTimestamp")]
        ended.sort(key=_age)
        plan.expired += ended[: max(0, len(ended) - int(limit))]


def _age(job: Object) -> tuple[str, str]:
    return (job.get("status") or {}).get("startTime") or "9", str(job["metadata"]["name"])


def _start(
    cron: Object, jobs: Sequence[Object], schedule: schedules.Schedule, now: dt.datetime, plan: Plan
) -> None:
    spec = cron["spec"]
    due, missed = latest_due(cron, schedule, now)
    if due is None:
        return
    if missed > MANY:
        plan.events.append(("Warning", "TooManyMissedTimes", _TOO_MANY))
    deadline = spec.get("startingDeadlineSeconds")
    if deadline is not None and due + dt.timedelta(seconds=deadline) < now:
        when = due.strftime("%a, %d %b %Y %H:%M:%S +0000")
        plan.events.append(("Warning", "MissSchedule", f"Missed scheduled time to start a job: {when}"))
        return
    name = job_name(cron, due)
    active = plan.status.get("active") or []
    if any(reference["name"] == name for reference in active):
        # It runs, and only the time of it was not written down.
        plan.status["lastScheduleTime"] = stamp(due)
        return
    if active and spec["concurrencyPolicy"] == "Forbid":
        plan.events.append(("Normal", "JobAlreadyActive", _FORBIDDEN))
        return
    if active and spec["concurrencyPolicy"] == "Replace":
        uids = {reference["uid"] for reference in active}
        plan.replaced = [job for job in jobs if job["metadata"]["uid"] in uids]
        plan.status.pop("active")
    plan.start = due


def earliest(cron: Object) -> dt.datetime:
    """The last time that was started, or the CronJob's birth."""
    last = (cron.get("status") or {}).get("lastScheduleTime")
    return parse_time(last or cron["metadata"]["creationTimestamp"])


def latest_due(
    cron: Object, schedule: schedules.Schedule, now: dt.datetime
) -> tuple[dt.datetime | None, int]:
    """The latest time that is due and not started, and about how many there are."""
    begin = earliest(cron)
    deadline = cron["spec"].get("startingDeadlineSeconds")
    if deadline is not None:
        begin = max(begin, now - dt.timedelta(seconds=deadline))
    first = schedule.next(begin)
    if first is None or first > now:
        return None, 0
    second = schedule.next(first)
    if second is None or second > now:
        return first, 1
    gap = max((second - first).total_seconds(), 1.0)
    count = int((now - first).total_seconds() // gap) + 1
    # One step before where an even schedule would be: from there the last one is near.
    found, due = first, first + dt.timedelta(seconds=max(0, count - 2) * gap)
    due = max(first, due)
    for candidate in _after(schedule, due, now):
        found = candidate
    return found, count


def _after(schedule: schedules.Schedule, begin: dt.datetime, now: dt.datetime) -> Iterable[dt.datetime]:
    candidate = schedule.next(begin)
    while candidate is not None and candidate <= now:
        yield candidate
        candidate = schedule.next(candidate)


def _again(cron: Object, schedule: schedules.Schedule, now: dt.datetime) -> float | None:
    # `@every` counts from the last start; a schedule of the clock has the same next time either way.
    begin = earliest(cron)
    upcoming = schedule.next(begin)
    if upcoming is not None and upcoming <= now:
        upcoming = schedule.next(now)
    if upcoming is None:
        return None
    return min((upcoming - now).total_seconds() + SLACK, LONGEST)


def job_name(cron: Object, due: dt.datetime) -> str:
    return f"{cron['metadata']['name']}-{int(due.timestamp()) // 60}"


def stamp(due: dt.datetime) -> str:
    return due.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def build(cron: Object, due: dt.datetime) -> Object:
    """The Job of a start."""
    meta, template = cron["metadata"], cron["spec"]["jobTemplate"]
    given = template.get("metadata") or {}
    zone = cron["spec"].get("timeZone")
    local = due.astimezone(schedules.time_zone(zone)).isoformat() if zone else stamp(due)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(cron, due),
            "namespace": meta["namespace"],
            "labels": dict(given.get("labels") or {}),
            "annotations": {**(given.get("annotations") or {}), SCHEDULED: local.replace("+00:00", "Z")},
            "ownerReferences": [
                {
                    "apiVersion": "batch/v1",
                    "kind": "CronJob",
                    "name": meta["name"],
                    "uid": meta["uid"],
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": template["spec"],
    }
