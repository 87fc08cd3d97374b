"""Start a run, follow it to its end, cancel it, hold it, and start it again."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sympozium.actions import once as repeated
from sympozium.actions.errors import MissingError, StaleError
from sympozium.actions.once import Once
from sympozium.api.meta import GROUP, LABEL_INSTANCE, LABEL_RETRY_OF
from sympozium.api.run import TERMINAL
from sympozium.kube import Client
from sympozium.kube.resources import Object
from sympozium.names import label_value
from sympozium.resources import RUNS, caused

_LETTERS: Final = "bcdfghjklmnpqrstvwxz2456789"
_OF_THE_FIRST: Final = frozenset({"trigger", "parent", "cancel", "suspend"})
"""Fields of a spec that say how that one run came to be and was held; a run that is started again has its own."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A run that somebody wants. What is None or empty is filled from the instance by admission."""

    instance: str
    task: str
    model: str | None = None
    timeout: str | None = None
    system_prompt: str | None = None
    keep: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    name: str | None = None
    """Of the AgentRun; made from the instance's when absent."""

    def spec(self) -> Object:
        spec: Object = {"instanceRef": self.instance, "task": self.task}
        if self.timeout:
            spec["timeout"] = self.timeout
        if self.model:
            spec["model"] = {"model": self.model}
        if self.system_prompt is not None:
            spec["systemPrompt"] = self.system_prompt
        if self.keep:
            spec["cleanup"] = "keep"
        return spec


async def start(client: Client, namespace: str, wanted: Wanted, *, once: Once | None = None) -> Object:
    """The run as it was admitted; with `once`, that of the same request before. Raises what admission refuses, StaleError."""
    spec = wanted.spec()
    if once is None:
        name = wanted.name or new_name(wanted.instance)
        return await client.create(RUNS, _manifest(namespace, name, wanted.labels, spec), namespace)
    name = wanted.name or once.name(wanted.instance, "start", namespace)
    # The key too: a name that was chosen does not derive from it.
    asked = {"start": spec, "labels": dict(wanted.labels), "once": once.token()}
    return await repeated.create(client, _manifest(namespace, name, wanted.labels, spec), asked)


async def retry(client: Client, namespace: str, name: str, *, once: Once | None = None) -> Object:
    """A new run of the spec of one that has ended, caused by whoever asks. Raises MissingError, StaleError.

    What admission filled in for the first (model, endpoint, timeout) is part of its spec, and holds for the new one too.
    The label `sympozium.ai/retry-of` names the first run: of a retry, the run that was retried, not the first of all.
    With `once` it is the run of the same request before, also when the first one is gone.
    """
    asked = {"retry": name}
    new = once.name(name, "retry", namespace, name) if once else None
    if new and (made := await repeated.find(client, namespace, new, asked)):
        return made
    run = await find(client, namespace, name)
    if not has_ended(run):
        raise StaleError(
            f"agentrun {name} has not ended ({phase_of(run)}): cancel it first, or start another"
        )
    spec, labels = _again(run)
    labels[LABEL_RETRY_OF] = label_value(name)
    return await _create_again(client, namespace, new, labels, spec, asked)


async def fork(
    client: Client,
    namespace: str,
    name: str,
    *,
    step: int,
    task: str | None = None,
    once: Once | None = None,
) -> Object:
    """A new run that begins with the conversation of another one up to a step, caused by whoever asks.

    Without `task` it has the task of the other run. Admission says whether that step is there and may be read. With `once` it
    is the run of the same request before, also when the other one is gone. Raises MissingError, StaleError.
    """
    asked = {"fork": name, "step": step, "task": task}
    new = once.name(name, "fork", namespace, name) if once else None
    if new and (made := await repeated.find(client, namespace, new, asked)):
        return made
    spec, labels = _again(await find(client, namespace, name))
    spec.pop("history", None)  # the source's conversation has it
    spec |= {"forkFrom": {"runName": name, "step": step}} | ({"task": task} if task else {})
    return await _create_again(client, namespace, new, labels, spec, asked)


async def _create_again(
    client: Client, namespace: str, name: str | None, labels: Mapping[str, str], spec: Object, asked: Object
) -> Object:
    """Under the name of a request that has a key, else under a new one."""
    if name:
        return await repeated.create(client, _manifest(namespace, name, labels, spec), asked)
    return await client.create(
        RUNS, _manifest(namespace, new_name(spec["instanceRef"]), labels, spec), namespace
    )


def _again(run: Object) -> tuple[Object, dict[str, str]]:
    """Spec and labels for a run that does the same, without what is of the first one alone."""
    old = run["spec"]
    spec = {key: value for key, value in old.items() if key not in _OF_THE_FIRST}
    if old.get("sessionKey") == f"{old['instanceRef']}:{run['metadata']['name']}":
        del spec["sessionKey"]  # filled in for a run that named none: the new one has its own
    labels = {
        key: value
        for key, value in (run["metadata"].get("labels") or {}).items()
        # Ours tie a run to what caused it: a schedule would count the new one as its own.
        if key == LABEL_INSTANCE or not key.partition("/")[0].endswith(GROUP)
    }
    return spec, labels


async def cancel(client: Client, namespace: str, name: str) -> Object:
    """Order its end: it is Cancelled when its pod is gone. Raises MissingError, StaleError."""
    return await _order(client, namespace, name, {"cancel": True})


async def suspend(client: Client, namespace: str, name: str) -> Object:
    """Order that nothing begins in it. Raises MissingError, StaleError."""
    return await _order(client, namespace, name, {"suspend": True})


async def resume(client: Client, namespace: str, name: str) -> Object:
    """Let it go on. Raises MissingError, StaleError."""
    return await _order(client, namespace, name, {"suspend": False})


async def find(client: Client, namespace: str, name: str) -> Object:
    """Raises MissingError."""
    run = await client.find(RUNS, name, namespace)
    if run is None:
        raise MissingError(f"no agentrun {name!r} in namespace {namespace}")
    return run


async def terminal(client: Client, namespace: str, name: str) -> Object:
    """Watch a run until its phase is terminal; the run then. Raises MissingError."""
    fields = f"metadata.name={name}"
    while True:
        found, version = await client.list_at(RUNS, namespace, fields=fields)
        if not found:
            raise MissingError(f"agentrun {name!r} does not exist in namespace {namespace} (any more)")
        if has_ended(found[0]):
            return found[0]
        query = {"fieldSelector": fields, "resourceVersion": version, "timeoutSeconds": "300"}
        async with client.watch(RUNS, namespace, query=query, idle=330) as events:
            async for event in events:
                if event["type"] == "DELETED" or has_ended(event["object"]):
                    break


def has_ended(run: Object) -> bool:
    return (run.get("status") or {}).get("phase") in TERMINAL


def phase_of(run: Object) -> str:
    return str((run.get("status") or {}).get("phase") or "Pending")


def new_name(instance: str) -> str:
    """A name that no other run has: the instance's, and five letters without vowels."""
    suffix = "".join(secrets.choice(_LETTERS) for _ in range(5))
    return f"{instance[:50].rstrip('-.')}-{suffix}"


async def _order(client: Client, namespace: str, name: str, spec: dict[str, Any]) -> Object:
    run = await find(client, namespace, name)
    if has_ended(run):
        raise StaleError(f"agentrun {name} has ended already: {phase_of(run)}")
    return await client.patch(RUNS, name, namespace, {"spec": spec})


def _manifest(namespace: str, name: str, labels: Mapping[str, str], spec: Object) -> Object:
    metadata: Object = {"name": name, "namespace": namespace}
    if labels:
        metadata["labels"] = dict(labels)
    return caused({"apiVersion": RUNS.api_version, "kind": RUNS.kind, "metadata": metadata, "spec": spec})
