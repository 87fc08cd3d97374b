"""ControllerRevisions: the pod templates that a StatefulSet or DaemonSet had.

A revision's data is a strategic merge patch that puts the template back; equal data is the same revision. Going back to
an older one raises its number, so that the highest number is the present template.
"""

import copy
from collections.abc import Iterable, Sequence

from sympozium.localkube.controllers.apps import hashes
from sympozium.localkube.controllers.apps.pods import controller_reference
from sympozium.localkube.types import Object

HASH = "controller-revision-hash"
LEGACY = "controller.kubernetes.io/hash"
NAME_LIMIT = 223


def data_of(owner: Object) -> Object:
    """The patch that makes the owner's template what it is now."""
    return {"spec": {"template": {**copy.deepcopy(owner["spec"]["template"]), "$patch": "replace"}}}


def template_of(revision: Object) -> Object:
    template: Object = revision["data"]["spec"]["template"]
    return {key: value for key, value in template.items() if key != "$patch"}


def number(revision: Object) -> int:
    return int(revision.get("revision") or 0)


def in_order(revisions: Iterable[Object]) -> list[Object]:
    """The oldest first."""
    return sorted(
        revisions, key=lambda r: (number(r), r["metadata"]["creationTimestamp"], r["metadata"]["name"])
    )


def highest(revisions: Iterable[Object]) -> int:
    return max((number(revision) for revision in revisions), default=0)


def build(owner: Object, revision: int, label: str, mark: str) -> Object:
    """The revision of the owner's template as it is now, named by `mark` and labelled with it as `label`."""
    meta = owner["metadata"]
    template = owner["spec"]["template"].get("metadata") or {}
    made: Object = {
        "name": f"{meta['name'][:NAME_LIMIT]}-{mark}",
        "namespace": meta["namespace"],
        "labels": {**(template.get("labels") or {}), label: mark},
        "ownerReferences": [controller_reference(owner)],
    }
    if meta.get("annotations"):
        made["annotations"] = dict(meta["annotations"])
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": made,
        "data": data_of(owner),
        "revision": revision,
    }


def hashed(owner: Object, collisions: int) -> str:
    return hashes.of_revision(data_of(owner), collisions)


def outdated(revisions: Sequence[Object], live: set[str], limit: int) -> list[Object]:
    """Of the revisions that nothing uses, the oldest beyond `limit`. `live` are names; `revisions` in order."""
    idle = [revision for revision in revisions if revision["metadata"]["name"] not in live]
    return idle[: max(0, len(idle) - limit)]
