"""The way from `kubectl apply` to `kubectl apply --server-side`.

Client-side apply keeps what it wrote in an annotation and owns it as an updater. When the same kubectl
applies on the server, what it had written itself is no conflict, and the annotation is kept up to date so that
the way back is open. https://kubernetes.io/docs/reference/using-api/server-side-apply/#upgrading-from-client-side-apply-to-server-side-apply
"""

import orjson

from sympozium.localkube.patch import fields as sets, typed
from sympozium.localkube.patch.fields import Fields
from sympozium.localkube.patch.typecheck import typed_errors
from sympozium.localkube.schema.node import Node
from sympozium.localkube.types import Object

ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"


def unchanged_fields(live: Object, node: Node, api_version: str) -> Fields:
    """What the last client-side apply wrote and the object still has."""
    text = (live["metadata"].get("annotations") or {}).get(ANNOTATION)
    if not text:
        return {}
    try:
        last = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}  # what cannot be read makes no claim, and the conflict stays
    if not isinstance(last, dict) or last.get("apiVersion") != api_version or typed_errors(last, node):
        return {}
    compared = typed.Comparison(last, live, node)
    owned = typed.fields_of(last, node)
    for changed in (compared.modified, compared.added, compared.removed):
        owned = sets.difference(owned, changed)
    return owned


def renew(merged: Object, applied: Object) -> None:
    """Writes what was applied into the annotation of an object that has it."""
    annotations = merged["metadata"].get("annotations") or {}
    if not annotations.get(ANNOTATION):
        return
    meta = dict(applied.get("metadata") or {})
    if meta.get("annotations"):
        meta["annotations"] = {key: text for key, text in meta["annotations"].items() if key != ANNOTATION}
        if not meta["annotations"]:
            del meta["annotations"]
    written = orjson.dumps({**applied, "metadata": meta}, option=orjson.OPT_SORT_KEYS).decode() + "\n"
    merged["metadata"]["annotations"] = {**annotations, ANNOTATION: written}
