"""What may change in a pod's spec after it was made: images, a deadline that shrinks, tolerations that are added.

A pod that waits behind scheduling gates may also be narrowed: gates go, node selectors and terms are added.
"""

from typing import Any

import orjson

from sympozium.localkube.defaults.checks import MAX_INT32, between
from sympozium.localkube.defaults.podplacement import toleration_causes
from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Cause, Object

GATES = "schedulingGates"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_MUTABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def update_causes(spec: Object, old: Object) -> list[Cause]:
    for key in ("containers", "initContainers"):
        if len(spec.get(key) or ()) != len(old.get(key) or ()):
            return [gotext.forbidden(f"spec.{key}", "pod updates may not add or remove containers")]
    causes, stop = _deadline(spec.get("activeDeadlineSeconds"), old.get("activeDeadlineSeconds"))
    if stop:
        return causes
    causes += _tolerations(spec.get("tolerations") or [], old.get("tolerations") or [])
    causes += _gates(spec.get(GATES) or [], old.get(GATES) or [])
    if spec == old:
        return causes
    kept = _munged(spec, old)
    if old.get(GATES):
        causes += _narrowed(kept, old)
    if kept != old:
        causes.append(gotext.forbidden("spec", f"{_MUTABLE}\n{_difference(kept, old)}"))
    return causes


def _deadline(new: Any, old: Any) -> tuple[list[Cause], bool]:
    """The causes, and whether nothing more is looked at."""
    path = "spec.activeDeadlineSeconds"
    if new is None:
        if old is None:
            return [], False
        return [gotext.invalid(path, None, "must not update from a positive integer to nil value")], False
    causes = between(new, 0, MAX_INT32, path)
    if not causes and old is not None and old < new:
        causes = [gotext.invalid(path, new, "must be less than or equal to previous value")]
    return causes, bool(causes)


def _tolerations(new: list[Object], old: list[Object]) -> list[Cause]:
    def timeless(toleration: Object) -> Object:
        return {key: value for key, value in toleration.items() if key != "tolerationSeconds"}

    there = [timeless(toleration) for toleration in new]
    if any(timeless(toleration) not in there for toleration in old):
        why = "existing toleration can not be modified except its tolerationSeconds"
        return [gotext.forbidden("spec.tolerations", why)]
    return toleration_causes(new, "spec.tolerations")


def _gates(new: list[Object], old: list[Object]) -> list[Cause]:
    known = {gate.get("name") for gate in old}
    return [
        gotext.forbidden(
            f"spec.{GATES}[{index}].name",
            f"only deletion is allowed, but found new scheduling gate '{gate.get('name') or ''}'",
        )
        for index, gate in enumerate(new)
        if gate.get("name") not in known
    ]


def _munged(spec: Object, old: Object) -> Object:
    """The spec with what may change replaced by what `old` has."""
    kept: Object = orjson.loads(orjson.dumps(spec))
    for key in ("initContainers", "containers"):
        for container, before in zip(kept.get(key) or (), old.get(key) or (), strict=True):
            container["image"] = before.get("image")
    free = ["activeDeadlineSeconds", "tolerations", GATES]
    if spec.get("terminationGracePeriodSeconds") == 1 and (old.get("terminationGracePeriodSeconds") or 0) < 0:
        free.append("terminationGracePeriodSeconds")
    for key in free:
        _restore(kept, key, old)
    return kept


def _restore(kept: Object, key: str, old: Object) -> None:
    if key in old:
        kept[key] = old[key]
    else:
        kept.pop(key, None)


def _narrowed(kept: Object, old: Object) -> list[Cause]:
    """A gated pod's selectors may be added to; `kept` gets the old ones back."""
    causes: list[Cause] = []
    chosen = kept.get("nodeSelector") or {}
    if any(chosen.get(key) != value for key, value in (old.get("nodeSelector") or {}).items()):
        why = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        causes.append(gotext.invalid("spec.nodeSelector", kept.get("nodeSelector"), why))
    _restore(kept, "nodeSelector", old)
    affinity, before = kept.get("affinity") or {}, old.get("affinity") or {}
    nodes, nodes_before = affinity.get("nodeAffinity"), before.get("nodeAffinity")
    if nodes == nodes_before:
        return causes
    causes += _terms(nodes, nodes_before)
    if nodes_before is not None:
        kept["affinity"] = {**affinity, "nodeAffinity": nodes_before}
    elif "affinity" not in old and set(affinity) == {"nodeAffinity"}:
        del kept["affinity"]
    else:
        affinity.pop("nodeAffinity", None)
    return causes


def _terms(new: Object | None, old: Object | None) -> list[Cause]:
    before = ((old or {}).get(_REQUIRED) or {}).get("nodeSelectorTerms") or []
    after = ((new or {}).get(_REQUIRED) or {}).get("nodeSelectorTerms")
    path = f"spec.affinity.nodeAffinity.{_REQUIRED}.nodeSelectorTerms"
    if before and len(before) != len(after or ()):
        why = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        shown = None if after is None else [_shown(term) for term in after]
        return [gotext.invalid(path, shown, why)]
    return [
        gotext.invalid(
            f"{path}[{index}]", _shown(mine), "only additions are allowed (no mutations or deletions)"
        )
        for index, (mine, theirs) in enumerate(zip(after or (), before, strict=False))
        if not _only_adds(mine, theirs)
    ]


def _only_adds(new: Object, old: Object) -> bool:
    names = ("matchExpressions", "matchFields")
    if not any(old.get(name) for name in names):
        return not any(new.get(name) for name in names)
    return all((new.get(name) or [])[: len(old.get(name) or ())] == (old.get(name) or []) for name in names)


def _shown(term: Object) -> Object:
    """A term as the API server's own type prints itself."""

    def rules(name: str) -> list[Object] | None:
        found = term.get(name)
        if found is None:
            return None
        return [
            {"Key": r.get("key") or "", "Operator": r.get("operator") or "", "Values": r.get("values")}
            for r in found
        ]

    return {"MatchExpressions": rules("matchExpressions"), "MatchFields": rules("matchFields")}


def _difference(spec: Object, old: Object) -> str:
    """The fields that differ, old and new, so that the writer sees which one it was."""
    lines = []
    for key in sorted({*spec, *old}):
        if spec.get(key) != old.get(key):
            lines += [f"- {key}: {gotext.shown(old.get(key))}", f"+ {key}: {gotext.shown(spec.get(key))}"]
    return "\n".join(lines)
