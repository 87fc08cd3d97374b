"""Where the rule stands that a verdict names: `default-policy: toolGating.rules[0] (execute_command: ask)`.

A policy in the cluster has no file, so its lines are those of the object as `sympozium get -o yaml` prints it, until
somebody says in which files it is kept.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sympozium import yamlio
from sympozium.actions.policies.sources import Sourced
from sympozium.kube.resources import without_noise

_COMMAND = "sympozium get sympoziumpolicy"
_RULE = re.compile(r"^(?P<policy>[a-z0-9][-a-z0-9.]*): (?P<path>[A-Za-z][\w.\[\]-]*)")


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a policy: of a file, or of what the command `where` prints. `text` is what stands there."""

    where: str
    line: int
    text: str
    from_file: bool


def named(rule: str) -> tuple[str, str] | None:
    """(policy, path within its spec) of a verdict's rule; None for rules that are no policy's (`input schema`)."""
    found = _RULE.match(rule)
    return (found["policy"], found["path"]) if found else None


def from_cluster(policy: dict[str, Any]) -> Sourced:
    """A policy as an object of the API, with the lines that `sympozium get -o yaml` prints."""
    shown = without_noise(policy)
    text = yamlio.dump(shown)
    meta = policy["metadata"]
    command = f"{_COMMAND} {meta['name']} -n {meta['namespace']} -o yaml"
    return Sourced(command, shown, yamlio.lines(text)[0])


def find(rule: str, policies: Mapping[str, Sourced]) -> Place | None:
    """The place of a rule in the policy that it names; None when that policy, or the field, is not there (any more)."""
    reference = named(rule)
    if reference is None:
        return None
    policy, path = reference
    document = policies.get(policy)
    if document is None:
        return None
    full = f"spec.{path}"
    value = _value(document.obj, full)
    if value is None:
        return None
    text = value if isinstance(value, str) else yamlio.dump(value).strip().replace("\n", ", ")
    field = path.rpartition(".")[2]
    shown = f"- {text}" if field.endswith("]") and isinstance(value, dict) else f"{field}: {text}"
    return Place(document.file, document.line(full), shown, not document.file.startswith(_COMMAND))


def _value(obj: Any, path: str) -> Any:
    for part in re.findall(r"[^.\[\]]+|\[[^\]]+\]", path):
        key = part.strip("[]")
        if isinstance(obj, list) and key.isdigit() and int(key) < len(obj):
            obj = obj[int(key)]
        elif isinstance(obj, dict) and key in obj:
            obj = obj[key]
        else:
            return None
    return obj
