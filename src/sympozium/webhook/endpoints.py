"""What the API server may do as itself: run agents that have an endpoint, for whoever has the endpoint's key.

It holds the right to create runs in all namespaces, so whoever takes it over would hold that too. What it may ask for is
therefore no more than what the holder of a key may: a task, what was said before it, and the rest as the instance has it. The same
for requests to triggers. It may end
a run that it made, and change nothing else.
"""

from typing import Final

from sympozium.api.base import Object
from sympozium.api.config import ConfigSpec
from sympozium.api.endpoint import APISERVER, is_served
from sympozium.api.instance import SympoziumInstance
from sympozium.api.meta import LABEL_TRIGGER
from sympozium.api.run import AgentRun, RunSpec
from sympozium.api.trigger import SympoziumTrigger
from sympozium.policy import Effective, Violation, fill
from sympozium.resources import TRIGGERS
from sympozium.webhook.references import References
from sympozium.webhook.review import Request

_ASKED: Final = frozenset({"instance_ref", "task", "history", "session_key", "trigger"})
"""Fields that are a request's own."""
_KEPT: Final = frozenset({"managedFields", "resourceVersion", "generation"})
"""Of the metadata: what the Kubernetes API writes itself."""


async def created(
    run: AgentRun,
    instance: SympoziumInstance,
    config: ConfigSpec,
    policy: Effective,
    references: References,
) -> list[Violation]:
    """What speaks against a run that the API server makes, after it was filled. Raises what the API raises."""
    found = []
    if LABEL_TRIGGER in run.metadata.labels:
        found += await _triggered(run, references)
    elif not is_served(instance.spec):
        words = (
            f"SympoziumInstance {instance.name} has no endpoint: the API server runs for people as themselves"
        )
        found.append(
            Violation("spec.instanceRef", words, instead="enable webEndpoint or a2a of the instance")
        )
    spec = run.spec
    bare = RunSpec(instance_ref=spec.instance_ref, task=spec.task, session_key=spec.session_key)
    expected = fill(run.model_copy(update={"spec": bare}), instance, config, policy)
    for name, field in RunSpec.model_fields.items():
        if name not in _ASKED and getattr(spec, name) != getattr(expected, name):
            words = "is the instance's to say, for requests to its endpoint"
            found.append(Violation(f"spec.{field.alias}", words))
    found += [
        Violation(f"metadata.{name}", "is not for the API server to set")
        for name, value in (
            ("ownerReferences", run.metadata.owner_references),
            ("finalizers", run.metadata.finalizers),
        )
        if value
    ]
    return found


async def _triggered(run: AgentRun, references: References) -> list[Violation]:
    """Requests to a trigger become runs of the instance that it names, where it takes requests."""
    name = run.metadata.labels[LABEL_TRIGGER]
    found = await references.client.find(TRIGGERS, name, run.namespace)
    spec = SympoziumTrigger.model_validate(found).spec if found else None
    if spec is not None and spec.source.webhook is not None and spec.instance_ref == run.spec.instance_ref:
        return []
    words = f"no SympoziumTrigger {name} takes requests for SympoziumInstance {run.spec.instance_ref}"
    return [Violation(f"metadata.labels[{LABEL_TRIGGER}]", words)]


def updated(request: Request) -> list[Violation]:
    """What speaks against a change that the API server makes."""
    before, after = request.old, request.object
    trigger = (before.get("spec") or {}).get("trigger") or {}
    if trigger.get("user") != APISERVER:
        return [Violation("metadata.name", "was not made by the API server, which changes no other runs")]
    changed = [f"spec.{name}" for name in _changed(before.get("spec"), after.get("spec")) if name != "cancel"]
    changed += [
        f"metadata.{name}"
        for name in _changed(before.get("metadata"), after.get("metadata"))
        if name not in _KEPT
    ]
    return [Violation(name, "the API server cancels its runs, and changes nothing else") for name in changed]


def _changed(before: Object | None, after: Object | None) -> list[str]:
    before, after = before or {}, after or {}
    return sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
