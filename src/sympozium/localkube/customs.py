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
        status = crd.setdefault("status", {})
        accepted, conflict = self._accepted(crd)
        status["acceptedNames"] = accepted
        good = ("True", "NoConflicts", "no conflicts found")
        before = {condition["type"]: condition for condition in status.get("conditions") or []}
        established = ("True", "InitialNamesAccepted", "the initial names have been accepted")
        if before.get("Established", {}).get("status") == "True":
            # What was served once goes on being served, under the names that it has.
            was = before["Established"]
            established = ("True", was["reason"], was["message"])
        elif conflict is not None:
            established = ("False", "NotAccepted", "not all names are accepted")
        named = good if conflict is None else ("False", *conflict)
        status["conditions"] = _conditions(status, accepted=named, established=established)
        storage = next(version["name"] for version in crd["spec"]["versions"] if version.get("storage"))
        stored = status.get("storedVersions") or []
        status["storedVersions"] = stored if storage in stored else [*stored, storage]
        return crd

    def _accepted(self, crd: Object) -> tuple[Object, tuple[str, str] | None]:
        """The names that are free or already this CRD's, and (reason, message) of the last that is not."""
        wanted, held = crd["spec"]["names"], (crd.get("status") or {}).get("acceptedNames") or {}
        resources, kinds = self._held_by_others(crd)
        accepted: Object = {"plural": "", "kind": "", **held}
        conflict: tuple[str, str] | None = None
        for word, taken in (
            ("plural", resources),
            ("singular", resources),
            ("shortNames", resources),
            ("kind", kinds),
            ("listKind", kinds),
        ):
            values = wanted.get(word) or []
            mine = held.get(word) or []
            clashes = [
                f'"{value}" is already in use'
                for value in (values if isinstance(values, list) else [values])
                if value in taken and value not in (mine if isinstance(mine, list) else [mine])
            ]
            if clashes:
                text = clashes[0] if len(clashes) == 1 else f"[{', '.join(clashes)}]"
                conflict = (f"{word[0].upper()}{word[1:]}Conflict", text)
            elif word in wanted:
                accepted[word] = wanted[word]
            else:
                accepted.pop(word, None)
        accepted.pop("categories", None)
        if wanted.get("categories"):
            accepted["categories"] = wanted["categories"]
        return accepted, conflict

    def _held_by_others(self, crd: Object) -> tuple[set[str], set[str]]:
        """Names of resources and of kinds that other CRDs of the group have been given."""
        resources: set[str] = set()
        kinds: set[str] = set()
        for entry in self._store.scan(BUCKET):
            other = decoded(entry)
            if entry.name == crd["metadata"]["name"] or other["spec"]["group"] != crd["spec"]["group"]:
                continue
            names = (other.get("status") or {}).get("acceptedNames") or {}
            resources |= {
                names.get("plural", ""),
                names.get("singular", ""),
                *(names.get("shortNames") or ()),
            }
            kinds |= {names.get("kind", ""), names.get("listKind", "")}
        return resources - {""}, kinds - {""}

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
