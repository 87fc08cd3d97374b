"""The ReplicaSets of a Deployment: which is the new one, what revision each is, and making the new one.

A ReplicaSet is the new one when its pod template is the Deployment's, but for the hash that it adds. The new one has
the highest revision; going back to an old template gives that ReplicaSet a new revision and notes the old one.
"""

import copy
from collections.abc import Iterable, Sequence
from typing import Any

from sympozium.localkube.controllers.apps import hashes
from sympozium.localkube.controllers.apps.amounts import is_rolling, max_surge, scaled, wanted
from sympozium.localkube.controllers.apps.pods import controller_reference
from sympozium.localkube.types import Object

HASH = "pod-template-hash"
PREFIX = "deployment.kubernetes.io/"
REVISION = f"{PREFIX}revision"
HISTORY = f"{PREFIX}revision-history"
DESIRED = f"{PREFIX}desired-replicas"
MAXIMUM = f"{PREFIX}max-replicas"
NOT_COPIED = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        REVISION,
        HISTORY,
        DESIRED,
        MAXIMUM,
        "deprecated.deployment.rollback.to",
    }
)
HISTORY_LIMIT = 2000
NAME_LIMIT = 253


def annotations_of(obj: Object) -> dict[str, str]:
    return obj["metadata"].get("annotations") or {}


def revision_of(replica_set: Object) -> int | None:
    """None when the annotation is not a number."""
    return _number(annotations_of(replica_set).get(REVISION, "0"))


def _number(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def by_age(replica_set: Object) -> tuple[str, str]:
    meta = replica_set["metadata"]
    return meta["creationTimestamp"], meta["name"]


def comparable(template: Object) -> Any:
    """A template without the hash label and without what says nothing."""
    meta = dict(template.get("metadata") or {})
    meta["labels"] = {key: value for key, value in (meta.get("labels") or {}).items() if key != HASH}
    return {key: value for key, value in meta.items() if value}, template.get("spec")


def new_of(deployment: Object, replica_sets: Iterable[Object]) -> Object | None:
    """The oldest one of the Deployment's template."""
    template = comparable(deployment["spec"]["template"])
    fitting = (one for one in replica_sets if comparable(one["spec"]["template"]) == template)
    return min(fitting, key=by_age, default=None)


def next_revision(old: Iterable[Object]) -> int:
    return max((revision_of(one) or 0 for one in old), default=0) + 1


def sized_annotations(deployment: Object) -> dict[str, str]:
    size = wanted(deployment)
    return {DESIRED: str(size), MAXIMUM: str(size + max_surge(deployment))}


def new_annotations(deployment: Object, current: dict[str, str], revision: int) -> dict[str, str]:
    """The annotations of the new ReplicaSet: the Deployment's, and its revision if it is to rise."""
    copied = {key: value for key, value in annotations_of(deployment).items() if key not in NOT_COPIED}
    made = {**current, **copied}
    before = _number(current.get(REVISION) or "0")
    if before is None or before >= revision:
        return made
    made[REVISION] = str(revision)
    if REVISION in current:
        made[HISTORY] = _history(current.get(HISTORY, ""), current[REVISION])
    return made


def _history(known: str, revision: str) -> str:
    """The revisions that a ReplicaSet had before, the oldest dropped when there are very many."""
    entries = [entry for entry in known.split(",") if entry]
    while entries and len(",".join([*entries, revision])) > HISTORY_LIMIT:
        entries.pop(0)
    return ",".join([*entries, revision])


def new_size(deployment: Object, all_sets: Iterable[Object], current: int) -> int:
    """How many pods the new ReplicaSet, which has `current`, may have now."""
    size = wanted(deployment)
    if not is_rolling(deployment):
        return size
    rolling = deployment["spec"]["strategy"].get("rollingUpdate") or {}
    limit = size + scaled(rolling.get("maxSurge"), size, up=True)
    total = sum(wanted(one) for one in all_sets)
    return current if total >= limit else current + min(limit - total, size - current)


def build(deployment: Object, old: Sequence[Object]) -> Object:
    """The new ReplicaSet of a Deployment that has none; its name follows from the template."""
    spec, meta = deployment["spec"], deployment["metadata"]
    collisions = (deployment.get("status") or {}).get("collisionCount")
    mark = hashes.of_template(comparable(spec["template"]), collisions)
    template = copy.deepcopy(spec["template"])
    labels = {**((template.get("metadata") or {}).get("labels") or {}), HASH: mark}
    template.setdefault("metadata", {})["labels"] = labels
    selector = copy.deepcopy(spec["selector"])
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH: mark}
    made: Object = {
        "replicas": new_size(deployment, old, 0),
        "selector": selector,
        "template": template,
    }
    if spec.get("minReadySeconds"):
        made["minReadySeconds"] = spec["minReadySeconds"]
    annotations = new_annotations(deployment, {}, next_revision(old)) | sized_annotations(deployment)
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{meta['name'][: NAME_LIMIT - 1 - len(mark)]}-{mark}",
            "namespace": meta["namespace"],
            "labels": dict(labels),
            "annotations": annotations,
            "ownerReferences": [controller_reference(deployment)],
        },
        "spec": made,
    }
