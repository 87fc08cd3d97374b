"""Custom resources come and go: what CRDs in the store mean for the registry and the types.

The store calls `_heard` in the commit, before the writer is answered: when a CRD's 201 is out, its
resources are served, and when it is gone, they are not.
"""

import logging

from sympozium.localkube import metadata
from sympozium.localkube.errors import invalid
from sympozium.localkube.feed import Change
from sympozium.localkube.objects import decoded
from sympozium.localkube.resources import Registry, custom_resources
from sympozium.localkube.semantics import MutableTypes
from sympozium.localkube.store import Store
from sympozium.localkube.tables.jsonpath import JSONPathError, compile_path
from sympozium.localkube.types import Cause, Object

log = logging.getLogger(__name__)

GROUP = "apiextensions.k8s.io"
BUCKET = f"{GROUP}/customresourcedefinitions"


class CustomResources:
    def __init__(self, store: Store, registry: Registry, types: MutableTypes) -> None:
        self._store = store
        self._registry = registry
        self._types = types
        for entry in store.scan(BUCKET):
            self._serve(entry.object)
        store.subscribe(BUCKET, self._heard)

    def complete(self, crd: Object) -> Object:
        """The CRD with status: accepted names, conditions, and the versions that objects are stored in.

        It is established in the same write: there is no other process that would have to agree.
        """
        _check_columns(crd)
        names = crd["spec"]["names"]
        status = crd.setdefault("status", {})
        taken = self._taken(crd)
        if taken:
            status["conditions"] = _conditions(
                status,
                accepted=("False", taken[0], taken[1]),
                established=("False", "NotAccepted", "not all names are accepted"),
            )
            status.setdefault("acceptedNames", {"plural": "", "kind": ""})
        else:
            status["conditions"] = _conditions(
                status,
                accepted=("True", "NoConflicts", "no conflicts found"),
                established=("True", "InitialNamesAccepted", "the initial names have been accepted"),
            )
            status["acceptedNames"] = names
        storage = next(version["name"] for version in crd["spec"]["versions"] if version.get("storage"))
        stored = status.get("storedVersions") or []
        status["storedVersions"] = stored if storage in stored else [*stored, storage]
        return crd

    def _taken(self, crd: Object) -> tuple[str, str] | None:
        """(reason, message) when another CRD of the group has one of the names."""
        mine = crd["spec"]
        for entry in self._store.scan(BUCKET):
            other = decoded(entry)["spec"]
            if entry.name == crd["metadata"]["name"] or other["group"] != mine["group"]:
                continue
            theirs = _words(other["names"])
            for word in ("plural", "singular", "kind", "listKind"):
                if mine["names"].get(word) in theirs:
                    reason = f"{word[0].upper()}{word[1:]}Conflict"
                    return reason, f'"{mine["names"][word]}" is already in use'
            for short in mine["names"].get("shortNames") or ():
                if short in theirs:
                    return "ShortNamesConflict", f'"{short}" is already in use'
        return None

    def _heard(self, change: Change) -> None:
        crd = decoded(change.entry)
        if change.type == "DELETED":
            self._registry.set_custom(crd["metadata"]["name"], [])
            self._types.remove_crd(crd["metadata"]["name"])
            self._store.end_watches(_bucket(crd))
        else:
            self._serve(crd)

    def _serve(self, crd: Object) -> None:
        """What is established is served. A CRD that cannot be is logged: it was valid when it was stored."""
        resources = custom_resources(crd)
        try:
            if resources:
                self._types.set_crd(crd)
        except Exception:
            log.exception("CRD %s cannot be served", crd["metadata"]["name"])
            resources = []
        self._registry.set_custom(crd["metadata"]["name"], resources)


def _check_columns(crd: Object) -> None:
    """A column whose path cannot be evaluated would be empty for ever. Raises ApiError 422."""
    causes: list[Cause] = []
    for number, version in enumerate(crd["spec"]["versions"]):
        for index, column in enumerate(version.get("additionalPrinterColumns") or ()):
            try:
                compile_path(column["jsonPath"])
            except JSONPathError as error:
                field = f"spec.versions[{number}].additionalPrinterColumns[{index}].jsonPath"
                causes.append(Cause(field, "FieldValueInvalid", f"Invalid value: {error}"))
    if causes:
        raise invalid(GROUP, "CustomResourceDefinition", crd["metadata"]["name"], causes)


def _words(names: Object) -> set[str]:
    found = {names.get(word, "") for word in ("plural", "singular", "kind", "listKind")}
    return {*found, *(names.get("shortNames") or ())} - {""}


def _conditions(
    status: Object, *, accepted: tuple[str, str, str], established: tuple[str, str, str]
) -> list[Object]:
    """The two conditions, and others that were there; a time changes when the status does."""
    before = {condition["type"]: condition for condition in status.get("conditions") or []}
    for kind, (state, reason, message) in (("NamesAccepted", accepted), ("Established", established)):
        old = before.get(kind, {})
        since = old["lastTransitionTime"] if old.get("status") == state else metadata.now()
        before[kind] = {
            "type": kind,
            "status": state,
            "lastTransitionTime": since,
            "reason": reason,
            "message": message,
        }
    return list(before.values())


def _bucket(crd: Object) -> str:
    return f"{crd['spec']['group']}/{crd['spec']['names']['plural']}"
