"""Kubernetes Events about an object, and about what was made for it."""

import asyncio
from typing import Any

from sympozium.api.meta import LABEL_RUN
from sympozium.kube import Client, ForbiddenError, Resource
from sympozium.kube.resources import EVENTS, JOBS, PODS, Object, selector, without_noise
from sympozium.names import label_value
from sympozium.resources import RUNS


async def events_of(client: Client, resource: Resource, obj: Object) -> list[Object]:
    """Oldest first. Of a run also those about its Job and its pods. Raises KubeError."""
    namespace, name = obj["metadata"]["namespace"], obj["metadata"]["name"]
    about = [(resource.kind, name, obj["metadata"]["uid"])]
    if resource == RUNS:
        about += await _of_run(client, obj)
    found = await asyncio.gather(*(_about(client, namespace, *one) for one in about))
    return sorted((without_noise(event) for events in found for event in events), key=when)


async def _about(client: Client, namespace: str, kind: str, name: str, uid: str) -> list[Object]:
    """`uid` empty: of whatever has had that name."""
    fields = {"involvedObject.kind": kind, "involvedObject.name": name}
    if uid:
        fields["involvedObject.uid"] = uid
    return await client.list(EVENTS, namespace, fields=selector(fields))


async def _of_run(client: Client, run: Object) -> list[tuple[str, str, str]]:
    """Its Job and its pods, by name: events stay for a while when these are gone."""
    status, namespace, name = run.get("status") or {}, run["metadata"]["namespace"], run["metadata"]["name"]
    pods = {status["podName"]} if status.get("podName") else set[str]()
    try:
        found = await client.list(PODS, namespace, labels=selector({LABEL_RUN: label_value(name)}))
    except ForbiddenError:
        found = []  # who may see runs need not see pods: what the run's status names is known to them anyway
    pods |= {pod["metadata"]["name"] for pod in found}
    jobs = [(JOBS.kind, status["jobName"], "")] if status.get("jobName") else []
    return [*jobs, *((PODS.kind, pod, "") for pod in sorted(pods))]


def when(event: Object) -> str:
    """The last time of an event: whoever wrote it filled one of these fields."""
    series: Any = event.get("series") or {}
    times = (
        series.get("lastObservedTime"),
        event.get("lastTimestamp"),
        event.get("eventTime"),
        event["metadata"].get("creationTimestamp"),
    )
    # MicroTime and Time compare as text up to the seconds.
    return next((str(time) for time in times if time), "")
