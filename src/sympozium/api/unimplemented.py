"""Fields of the v0.1.3 contract that this version accepts and does not act on, as data.

Existing manifests must apply, so the fields are in the schemas; but nothing is accepted in silence: the webhook
answers a manifest that sets one with a warning, and the controllers put a condition on the object. The list
is in the reference, and shrinks to nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sympozium.api.base import Object
from sympozium.api.meta import Condition, condition

CONDITION: Final = "Unimplemented"
REASON: Final = "FieldsWithoutEffect"


@dataclass(frozen=True, slots=True)
class Field:
    """A field, or some values of one, without effect.

    In `path` a `[]` means every item of a list. With `values` only those count as set.
    """

    kind: str
    path: str
    effect: str
    values: tuple[str, ...] = ()


FIELDS: Final[tuple[Field, ...]] = (
    Field("SympoziumInstance", "spec.channels", "no chat channel is connected"),
    Field("SympoziumInstance", "spec.skills[].configMapRef", "the ConfigMap is not read"),
    Field("AgentRun", "spec.mode", "the run ends with a result, as a task", ("server",)),
    Field("AgentRun", "spec.skills[].configMapRef", "the ConfigMap is not read"),
    Field(
        "SympoziumPolicy",
        "spec.sandboxPolicy.seccompProfile.type",
        "runs are refused, since no profile is named: use RuntimeDefault",
        ("Localhost",),
    ),
    Field("SkillPack", "spec.skills[].requires", "what it names is not checked"),
    Field("SkillPack", "spec.runtimeRequirements", "the agent container is not changed"),
    Field("SkillPack", "spec.sidecar.requiresServer", "the container runs for every run"),
    Field("SkillPack", "spec.sidecar.ports", "no port is declared"),
    Field("PersonaPack", "spec.personas[].channels", "no chat channel is connected"),
    Field("PersonaPack", "spec.channelConfigs", "no chat channel is connected"),
)


def find(document: Object) -> list[tuple[str, str]]:
    """The fields of an object that have no effect: (path, what does not happen)."""
    return [
        (path, field.effect)
        for field in FIELDS
        if field.kind == document.get("kind")
        for path, value in _values(document, field.path.split("."), "")
        if _is_set(value) and (not field.values or value in field.values)
    ]


def warnings(document: Object) -> list[str]:
    """A line for each field without effect, for the answer of the webhook."""
    return [f"{path} has no effect in this version: {effect}" for path, effect in find(document)]


def unimplemented_condition(document: Object, *, at: str) -> Condition | None:
    """The condition for an object that sets such fields, or None; `at` is RFC 3339."""
    found = find(document)
    if not found:
        return None
    message = "without effect in this version: " + "; ".join(f"{path} ({effect})" for path, effect in found)
    generation = int(document["metadata"].get("generation", 0))
    return condition(CONDITION, True, REASON, message, generation=generation, at=at)


def _values(node: Any, path: list[str], at: str) -> Iterator[tuple[str, Any]]:
    if not path:
        yield at, node
        return
    step, rest = path[0], path[1:]
    name = step.removesuffix("[]")
    if not isinstance(node, dict) or name not in node:
        return
    where = f"{at}.{name}" if at else name
    if step.endswith("[]"):
        items = node[name] if isinstance(node[name], list) else []
        for index, item in enumerate(items):
            yield from _values(item, rest, f"{where}[{index}]")
    else:
        yield from _values(node[name], rest, where)


def _is_set(value: Any) -> bool:
    """Whether a value asks for something: what is empty or switched off is done already."""
    if isinstance(value, dict) and value.get("enabled") is False:
        return False
    return value not in (None, False, [], {}, "")
