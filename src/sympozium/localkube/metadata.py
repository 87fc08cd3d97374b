"""ObjectMeta: what the server owns, what it checks, names it makes up.

Clients may send anything in `metadata`; on create the server writes uid, creationTimestamp and the like
over it, on update it restores them from what is stored (KUBE-API.md 2, "Server-owned metadata").
"""

import re
import secrets
import uuid
from datetime import UTC, datetime
from typing import Any

import orjson

from sympozium.localkube.errors import ApiError, bad_request, conflict, invalid
from sympozium.localkube.resources import Resource
from sympozium.localkube.types import Cause, Object

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
KNOWN = frozenset(
    [
        "name",
        "generateName",
        "namespace",
        "selfLink",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "labels",
        "annotations",
        "ownerReferences",
        "finalizers",
        "managedFields",
    ]
)
RESTORED = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")
ANNOTATIONS_LIMIT = 256 * 1024

_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end"
    " with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is"
    " '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start"
    " and end with an alphanumeric character (e.g. 'example.com', regex used for validation is"
    " '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character,"
    " and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is"
    " '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_RULES = {
    "label": (re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"), 63, _LABEL_TEXT),
    "label1035": (re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?"), 63, _LABEL1035_TEXT),
    "subdomain": (
        re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"),
        253,
        _SUBDOMAIN_TEXT,
    ),
}
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and"
    " end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is"
    " '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_KEY_TEXT = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric"
    " character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is"
    " '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)


def now() -> str:
    """This second, as timestamps in metadata are written."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def generated(prefix: str) -> str:
    """A name from `generateName`: the prefix, cut to 58, and five random characters."""
    return prefix[:58] + "".join(secrets.choice(ALPHABET) for _ in range(5))


def metadata_of(obj: Object) -> Object:
    """`obj.metadata`, made if absent. Raises ApiError 400 when it is not an object."""
    found = obj.get("metadata")
    if found is None:
        found = obj["metadata"] = {}
    if not isinstance(found, dict):
        raise bad_request("metadata: json: cannot unmarshal into Go value of type v1.ObjectMeta")
    return found


def check_shape(meta: Object, kind: str) -> None:
    """The JSON types of what every handler reads. Raises ApiError 400."""
    for key in ("name", "generateName", "namespace", "uid", "resourceVersion"):
        if key in meta and not isinstance(meta[key], str):
            if meta[key] is None:
                del meta[key]
                continue
            raise _unmarshal(kind, meta[key], key, "string")
    for key in ("labels", "annotations"):
        value = meta.get(key)
        if value is None:
            meta.pop(key, None)
        elif not isinstance(value, dict):
            raise _unmarshal(kind, value, key, "map[string]string")
        else:
            for inner in value.values():
                if not isinstance(inner, str | None):
                    raise _unmarshal(kind, inner, f"{key}", "string")
    for key in ("finalizers", "ownerReferences", "managedFields"):
        value = meta.get(key)
        if value is None:
            meta.pop(key, None)
        elif not isinstance(value, list):
            raise _unmarshal(kind, value, key, f"[]{key}")


def _unmarshal(kind: str, value: Any, key: str, wanted: str) -> ApiError:
    found = {bool: "bool", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return bad_request(
        f"json: cannot unmarshal {found.get(type(value), 'null')} into Go struct field "
        f"ObjectMeta.metadata.{key} of type {wanted} ({kind})"
    )


def prepare_create(obj: Object, resource: Resource, namespace: str | None, *, dry_run: bool = False) -> None:
    """Server-owned metadata of a new object, and its namespace and name. Raises ApiError."""
    meta = metadata_of(obj)
    check_shape(meta, resource.kind)
    if meta.get("resourceVersion") not in (None, "") and not dry_run:
        raise bad_request("resourceVersion should not be set on objects to be created")
    if resource.namespaced:
        sent = meta.get("namespace") or namespace
        if sent != namespace:
            raise bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        meta["namespace"] = namespace
    else:
        meta.pop("namespace", None)
    if not meta.get("name") and meta.get("generateName"):
        meta["name"] = generated(meta["generateName"])
    for key in (
        "resourceVersion",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
        "generation",
    ):
        meta.pop(key, None)
    meta["uid"] = str(uuid.uuid4())
    meta["creationTimestamp"] = now()
    tidy(obj)


def _other_uid(resource: Resource, meta: Object, stored: Object) -> str:
    key = "/".join(
        part
        for part in ("", "registry", resource.plural, stored.get("namespace"), stored["name"])
        if part is not None
    )
    return (
        f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: "
        f"UID in precondition: {meta['uid']}, UID in object meta: {stored['uid']}"
    )


def prepare_update(
    obj: Object, old: Object, resource: Resource, name: str, namespace: str | None, *, patched: bool = False
) -> None:
    """Restores server-owned metadata. Raises ApiError for another name, namespace or uid.

    `patched` says that a patch made `obj`: its uid is then a field like another.
    """
    meta = metadata_of(obj)
    check_shape(meta, resource.kind)
    sent = meta.setdefault("name", name) or name
    if sent != name:
        raise bad_request(f"the name of the object ({sent}) does not match the name on the URL ({name})")
    meta["name"] = name
    if resource.namespaced:
        if (meta.get("namespace") or namespace) != namespace:
            raise bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        meta["namespace"] = namespace
    else:
        meta.pop("namespace", None)
    stored = old["metadata"]
    if meta.get("uid") not in (None, "", stored["uid"]) and not patched:
        raise conflict(resource.group, resource.plural, name, _other_uid(resource, meta, stored))
    causes = [
        Cause(
            f"metadata.{key}",
            "FieldValueInvalid",
            f"Invalid value: {orjson.dumps(meta[key]).decode()}: field is immutable",
        )
        for key in ("uid", "deletionTimestamp", "deletionGracePeriodSeconds")
        if meta.get(key) not in (None, "", stored.get(key))
    ]
    if causes:
        raise invalid(resource.group, resource.kind, name, causes)
    for key in RESTORED:
        if key in stored:
            meta[key] = stored[key]
        else:
            meta.pop(key, None)
    meta.pop("selfLink", None)
    tidy(obj)


def tidy(obj: Object) -> None:
    """Drops empty and unknown metadata, and puts kind and apiVersion first, as the API server writes them."""
    meta = obj["metadata"]
    for key in [key for key, value in meta.items() if value in (None, "", {}, []) or key not in KNOWN]:
        if not (key == "managedFields" and meta[key] == []):
            del meta[key]


def validate(obj: Object, old: Object | None, resource: Resource) -> list[Cause]:
    """Causes of a 422 in the metadata."""
    meta = obj["metadata"]
    causes: list[Cause] = []
    if old is None:
        causes += _name_causes(meta, resource)
    causes += _labels(meta)
    causes += _annotations(meta)
    causes += _owners(meta)
    causes += _finalizers(meta, old)
    if not resource.custom and resource.group not in _ANY_FINALIZER:
        causes += [
            Cause(
                f"metadata.finalizers[{index}]",
                "FieldValueInvalid",
                f'Invalid value: "{name}": name is neither a standard finalizer name nor is it fully qualified',
            )
            for index, name in enumerate(meta.get("finalizers") or ())
            if not is_known_finalizer(str(name))
        ]
    return causes


_STANDARD_FINALIZERS = frozenset(["orphan", "foregroundDeletion", "kubernetes"])
_ANY_FINALIZER = frozenset(["admissionregistration.k8s.io", "apiextensions.k8s.io", "coordination.k8s.io"])
"""Groups whose kinds, like custom resources, may have finalizers of any name."""


def is_known_finalizer(name: str) -> bool:
    return "/" in name or name in _STANDARD_FINALIZERS


def unify_owners(obj: Object, *, late: bool) -> list[str]:
    """Takes owner references out that are there twice; gives the warning. `late` words it as after admission."""
    meta = obj["metadata"]
    owners = meta.get("ownerReferences") or []
    if len(owners) < 2:
        return []
    kept: list[Any] = []
    twice: dict[str, None] = {}
    seen: set[bytes] = set()
    for owner in owners:
        key = orjson.dumps(owner, option=orjson.OPT_SORT_KEYS)
        if key in seen:
            twice[str(owner.get("uid", "")) if isinstance(owner, dict) else ""] = None
        else:
            seen.add(key)
            kept.append(owner)
    if not twice:
        return []
    meta["ownerReferences"] = kept
    when = " after mutating admission happens" if late else ""
    return [
        f".metadata.ownerReferences contains duplicate entries{when}; API server dedups owner references in 1.20+, and "
        "may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: "
        + ", ".join(twice)
    ]


def _name_causes(meta: Object, resource: Resource) -> list[Cause]:
    name = meta.get("name", "")
    if not name:
        return [
            Cause("metadata.name", "FieldValueRequired", "Required value: name or generateName is required")
        ]
    causes = []
    prefix = meta.get("generateName")
    if prefix:
        # It may end in a dash, which the made name does not.
        shown = orjson.dumps(prefix).decode()
        causes = [
            Cause("metadata.generateName", "FieldValueInvalid", f"Invalid value: {shown}: {why}")
            for why in name_errors(prefix[:-1] + "a" if prefix.endswith("-") else prefix, resource.name_rule)
        ]
    return causes + [
        Cause("metadata.name", "FieldValueInvalid", f'Invalid value: "{name}": {why}')
        for why in name_errors(name, resource.name_rule)
    ]


def name_errors(name: str, rule: str) -> list[str]:
    if rule == "path":
        if name in {".", ".."}:
            return [f"may not be '{name}'"]
        return [f"may not contain '{char}'" for char in "/%" if char in name]
    pattern, limit, text = _RULES[rule]
    errors = [] if len(name) <= limit else [f"must be no more than {limit} characters"]
    if pattern.fullmatch(name):
        return errors
    if rule == "label" and _RULES["subdomain"][0].fullmatch(name):
        text = "must not contain dots"
    return [*errors, text]


def qualified_name_errors(key: str) -> list[str]:
    prefix, slash, name = key.rpartition("/")
    errors: list[str] = []
    if slash and not (prefix and len(prefix) <= 253 and _RULES["subdomain"][0].fullmatch(prefix)):
        errors.append(f"prefix part {_SUBDOMAIN_TEXT}")
    if not name:
        errors.append("name part must be non-empty")
    elif len(name) > 63:
        errors.append("name part must be no more than 63 bytes")
    if not _QUALIFIED.fullmatch(name):
        errors.append(_KEY_TEXT)
    return errors


def label_value_errors(value: str) -> list[str]:
    errors = ["must be no more than 63 bytes"] if len(value) > 63 else []
    return errors if not value or _QUALIFIED.fullmatch(value) else [*errors, _VALUE_TEXT]


def _labels(meta: Object) -> list[Cause]:
    causes: list[Cause] = []
    for key, value in (meta.get("labels") or {}).items():
        causes += [
            Cause("metadata.labels", "FieldValueInvalid", f'Invalid value: "{key}": {why}')
            for why in qualified_name_errors(key)
        ]
        causes += [
            Cause("metadata.labels", "FieldValueInvalid", f'Invalid value: "{value}": {why}')
            for why in label_value_errors(value)
        ]
    return causes


def _annotations(meta: Object) -> list[Cause]:
    found = meta.get("annotations") or {}
    causes = [
        Cause("metadata.annotations", "FieldValueInvalid", f'Invalid value: "{key}": {why}')
        for key in found
        for why in qualified_name_errors(key.lower())
    ]
    if sum(len(key) + len(value) for key, value in found.items()) > ANNOTATIONS_LIMIT:
        causes.append(
            Cause(
                "metadata.annotations",
                "FieldValueTooLong",
                f"Too long: may not be more than {ANNOTATIONS_LIMIT} bytes",
            )
        )
    return causes


_OWNER_NEEDS = {
    "apiVersion": "version must not be empty",
    "kind": "must not be empty",
    "name": "must not be empty",
    "uid": "must not be empty",
}


def _shown(value: Any) -> str:
    return orjson.dumps(value).decode()


def _owners(meta: Object) -> list[Cause]:
    causes: list[Cause] = []
    controllers = []
    for index, owner in enumerate(meta.get("ownerReferences") or ()):
        path = f"metadata.ownerReferences[{index}]"
        if not isinstance(owner, dict):
            causes.append(Cause(path, "FieldValueInvalid", "Invalid value: must be an object"))
            continue
        causes += [
            # Not the index: the API server leaves it out.
            Cause(f"metadata.ownerReferences.{key}", "FieldValueInvalid", f'Invalid value: "": {why}')
            for key, why in _OWNER_NEEDS.items()
            if not owner.get(key)
        ]
        if (owner.get("apiVersion"), owner.get("kind")) == ("v1", "Event"):
            causes.append(
                Cause(
                    "metadata.ownerReferences",
                    "FieldValueInvalid",
                    f"Invalid value: {_shown(owner)}: /v1, Kind=Event is disallowed from being an owner",
                )
            )
        if owner.get("controller"):
            controllers.append(f"{owner.get('kind')}/{owner.get('name')}")
    causes += [
        Cause(
            "metadata.ownerReferences",
            "FieldValueInvalid",
            f"Invalid value: {_shown(meta['ownerReferences'])}: Only one reference can have Controller set to true. "
            f'Found "true" in references for {controllers[0]} and {other}',
        )
        for other in controllers[1:]
    ]
    return causes


def _finalizers(meta: Object, old: Object | None) -> list[Cause]:
    found = meta.get("finalizers") or []
    causes = [
        Cause("metadata.finalizers", "FieldValueInvalid", f'Invalid value: "{name}": {why}')
        for name in found
        for why in qualified_name_errors(str(name))
    ]
    if {"orphan", "foregroundDeletion"} <= set(found):
        causes.append(
            Cause(
                "metadata.finalizers",
                "FieldValueInvalid",
                "Invalid value: finalizer orphan and foregroundDeletion cannot be both set",
            )
        )
    if old is not None and old["metadata"].get("deletionTimestamp"):
        added = sorted(set(found) - set(old["metadata"].get("finalizers") or []))
        if added:
            names = ", ".join(f'"{name}"' for name in added)
            causes.append(
                Cause(
                    "metadata.finalizers",
                    "FieldValueForbidden",
                    "Forbidden: no new finalizers can be added if the object is being deleted, "
                    f"found new finalizers []string{{{names}}}",
                )
            )
    return causes


def refuse(obj: Object, resource: Resource, causes: list[Cause]) -> None:
    """Raises ApiError 422 when there are causes."""
    if causes:
        group = resource.group if resource.storage_group is None else resource.storage_group
        raise invalid(group, resource.kind, obj["metadata"].get("name", ""), causes)


def finalizer_warnings(obj: Object) -> list[str]:
    """Names that are not domain-qualified work, and may clash with another controller's."""
    return [
        f'metadata.finalizers: "{name}": prefer a domain-qualified finalizer name including a path (/) to avoid '
        "accidental conflicts with other finalizer writers"
        for name in obj["metadata"].get("finalizers") or []
        if not is_known_finalizer(str(name))
    ]
