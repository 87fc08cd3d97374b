"""CustomResourceDefinitions: names, versions, and a schema that this server can hold objects to.

https://kubernetes.io/docs/reference/kubernetes-api/extend-resources/custom-resource-definition-v1/
Conversion webhooks are refused: versions here are the same object under another apiVersion.
"""

import re
from typing import Any

from sympozium.localkube.defaults.strategy import Strategy, fill
from sympozium.localkube.schema import gotext
from sympozium.localkube.schema.crdschema import check_schema
from sympozium.localkube.types import Cause, Object

_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LABEL_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character,"
    " and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is"
    " '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_SCOPES = ("Cluster", "Namespaced")
_COLUMNS = ("boolean", "date", "integer", "number", "string")
_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_MAX_SELECTABLE = 8
_MIXED = "may have mixed case, but should otherwise match"
_MAX_WARNING = 256
_NO_PRESERVE = (
    "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
)


def default_crd(crd: Object) -> None:
    spec = crd.setdefault("spec", {})
    names = spec.setdefault("names", {})
    if names.get("kind"):
        fill(names, singular=names["kind"].lower(), listKind=names["kind"] + "List")
    fill(spec.setdefault("conversion", {}), strategy="None")
    if spec.get("preserveUnknownFields") is False:
        del spec["preserveUnknownFields"]


def create_crd(crd: Object) -> None:
    crd.pop("status", None)


def check_crd(crd: Object, old: Object | None, subresource: str) -> list[Cause]:
    if subresource:
        return []
    spec = crd["spec"]
    causes = _names(crd, spec, check_name=old is None)
    if spec.get("scope") not in _SCOPES:
        if spec.get("scope"):
            causes.append(gotext.unsupported("spec.scope", spec["scope"], _SCOPES))
        else:
            causes.append(gotext.required("spec.scope"))
    causes += _versions(spec, None if old is None else old["spec"])
    causes += _conversion(spec["conversion"])
    if spec.get("preserveUnknownFields"):
        causes.append(gotext.invalid("spec.preserveUnknownFields", True, _NO_PRESERVE))
    if old is not None:
        causes += _immutable(crd, old)
    return causes


def _names(crd: Object, spec: Object, *, check_name: bool) -> list[Cause]:
    names, group = spec["names"], spec.get("group", "")
    causes: list[Cause] = []
    wanted = f"{names.get('plural', '')}.{group}"
    if check_name and crd["metadata"].get("name") != wanted:
        why = 'must be spec.names.plural+"."+spec.group'
        causes.append(gotext.invalid("metadata.name", crd["metadata"].get("name"), why))
    if not group:
        causes.append(gotext.required("spec.group"))
    elif not _SUBDOMAIN.fullmatch(group):
        causes.append(gotext.invalid("spec.group", group, "must be a lowercase RFC 1123 subdomain"))
    elif "." not in group:
        causes.append(gotext.invalid("spec.group", group, "should be a domain with at least one dot"))
    for key in ("plural", "singular", "kind", "listKind"):
        value = names.get(key)
        if not value:
            causes.append(gotext.required(f"spec.names.{key}"))
        elif not _LABEL.fullmatch(value.lower()) or (
            key in {"plural", "singular"} and value != value.lower()
        ):
            why = f"{_MIXED}: {_LABEL_TEXT}" if key in {"kind", "listKind"} else _LABEL_TEXT
            causes.append(gotext.invalid(f"spec.names.{key}", value, why))
    for key in ("shortNames", "categories"):
        for index, value in enumerate(names.get(key) or ()):
            if not _LABEL.fullmatch(value):
                causes.append(gotext.invalid(f"spec.names.{key}[{index}]", value, _LABEL_TEXT))
    if names.get("kind") and names.get("kind") == names.get("listKind"):
        why = "kind and listKind may not be the same"
        causes.append(gotext.invalid("spec.names.listKind", names["listKind"], why))
    return causes


def _versions(spec: Object, old: Object | None) -> list[Cause]:
    versions = spec.get("versions") or []
    names = [version.get("name", "") for version in versions]
    causes: list[Cause] = []
    if len(set(names)) != len(names):
        causes.append(gotext.invalid("spec.versions", names, "must contain unique version names"))
    if sum(bool(version.get("storage")) for version in versions) != 1:
        why = "must have exactly one version marked as storage version"
        causes.append(gotext.invalid("spec.versions", names, why))
    if not versions:
        causes.append(gotext.required("spec.versions", "must have at least one version"))
    before = {version.get("name"): version for version in (old or {}).get("versions") or ()}
    for index, version in enumerate(versions):
        # A version that is as it was stored has been checked already; its schema is the costly part.
        if before.get(version.get("name")) != version:
            causes += _version(version, f"spec.versions[{index}]")
    return _moved_up(causes, versions)


_SHARED = (
    ("schema", "validation"),
    ("subresources", "subresources"),
    ("additionalPrinterColumns", "additionalPrinterColumns"),
    ("selectableFields", "selectableFields"),
)


def _moved_up(causes: list[Cause], versions: list[Object]) -> list[Cause]:
    """What all versions have alike is told once and of `spec`: kube-apiserver keeps it there and validates it there."""
    for part, name in _SHARED:
        if any(version.get(part) != versions[0].get(part) for version in versions[1:]):
            continue
        later = tuple(f"spec.versions[{index}].{part}" for index in range(1, len(versions)))
        first, moved = f"spec.versions[0].{part}", f"spec.{name}"
        causes = [
            Cause(cause.field.replace(first, moved, 1), cause.reason, cause.message.replace(first, moved))
            for cause in causes
            if not cause.field.startswith(later or ("-",))
        ]
    return causes


def _version(version: Object, at: str) -> list[Cause]:
    causes: list[Cause] = []
    name = version.get("name", "")
    if not _LABEL.fullmatch(name):
        causes.append(gotext.invalid(f"{at}.name", name, _LABEL_TEXT))
    warning = version.get("deprecationWarning")
    if warning is not None:
        causes += _deprecation(
            warning, f"{at}.deprecationWarning", deprecated=bool(version.get("deprecated"))
        )
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    path = f"{at}.schema.openAPIV3Schema"
    if schema is None:
        return [*causes, gotext.required(path)]
    causes += check_schema(schema, path)
    causes += _subresources(version.get("subresources") or {}, f"{at}.subresources")
    causes += _columns(version.get("additionalPrinterColumns") or (), f"{at}.additionalPrinterColumns")
    causes += _selectable(version.get("selectableFields") or [], schema, f"{at}.selectableFields")
    return causes


def _deprecation(warning: str, at: str, *, deprecated: bool) -> list[Cause]:
    """The text goes into a header."""
    if not deprecated:
        return [gotext.invalid(at, warning, "can only be set for deprecated versions")]
    if len(warning.encode()) > _MAX_WARNING:
        return [gotext.invalid(at, warning, f"must be <= {_MAX_WARNING} characters long")]
    if not warning:
        return [gotext.invalid(at, warning, "must not be empty")]
    if not warning.isprintable():
        return [gotext.invalid(at, warning, "must only contain printable UTF-8 characters")]
    return []


def _subresources(subresources: Object, at: str) -> list[Cause]:
    scale = subresources.get("scale")
    if scale is None:
        return []
    causes: list[Cause] = []
    for key, root, needed in (
        ("specReplicasPath", (".spec.",), True),
        ("statusReplicasPath", (".status.",), True),
        ("labelSelectorPath", (".spec.", ".status."), False),
    ):
        value = scale.get(key)
        if not value:
            if needed:
                causes.append(gotext.required(f"{at}.scale.{key}"))
        elif not value.startswith("."):
            why = "must be a simple json path starting with ."
            causes.append(gotext.invalid(f"{at}.scale.{key}", value, why))
        elif not value.startswith(root):
            where = " or ".join(word.rstrip(".") for word in root)
            why = f"should be a json path under {'either ' if len(root) > 1 else ''}{where}"
            causes.append(gotext.invalid(f"{at}.scale.{key}", value, why))
    return causes


def _columns(columns: Any, at: str) -> list[Cause]:
    causes: list[Cause] = []
    for index, column in enumerate(columns):
        place = f"{at}[{index}]"
        if not column.get("name"):
            causes.append(gotext.required(f"{place}.name"))
        if not column.get("type"):
            causes.append(gotext.required(f"{place}.type", f"must be one of {','.join(_COLUMNS)}"))
        elif column["type"] not in _COLUMNS:
            why = f"must be one of {','.join(_COLUMNS)}"
            causes.append(gotext.invalid(f"{place}.type", column["type"], why))
        if column.get("format") and column["format"] not in _FORMATS:
            why = f"must be one of {','.join(_FORMATS)}"
            causes.append(gotext.invalid(f"{place}.format", column["format"], why))
        path = column.get("jsonPath", "")
        if not path:
            causes.append(gotext.required(f"{place}.JSONPath"))
        elif not path.startswith("."):
            causes.append(
                gotext.invalid(f"{place}.JSONPath", path, "must be a simple json path starting with .")
            )
    return causes


def _selectable(fields: list[Object], schema: Object, at: str) -> list[Cause]:
    causes: list[Cause] = []
    if len(fields) > _MAX_SELECTABLE:
        causes.append(gotext.too_many(at, len(fields), _MAX_SELECTABLE))
    seen: set[str] = set()
    for index, field in enumerate(fields):
        path = field.get("jsonPath", "")
        place = f"{at}[{index}].jsonPath"
        if not path:
            causes.append(gotext.required(place))
            continue
        if path in seen:
            causes.append(gotext.duplicate(place, path))
        seen.add(path)
        target: Any = schema
        for part in path.lstrip(".").split("."):
            target = (target.get("properties") or {}).get(part) if isinstance(target, dict) else None
        if not path.startswith((".", "[")):
            why = f"is an invalid path: expected [ or . but got: {path}"
        elif path.startswith(".metadata") and target is not None:
            why = "must not point to fields in metadata"
        elif target is None:
            why = "is an invalid path: does not refer to a valid field"
        elif target.get("type") not in {"string", "boolean", "integer"}:
            why = "must point to a field of type boolean, integer or string"
        else:
            continue
        causes.append(gotext.invalid(place, path, why))
    return causes


def _conversion(conversion: Object) -> list[Cause]:
    strategy = conversion.get("strategy")
    if strategy == "Webhook":
        why = "this API server does not call conversion webhooks: serve versions that differ in apiVersion alone"
        return [gotext.forbidden("spec.conversion.strategy", why)]
    if strategy != "None":
        return [gotext.unsupported("spec.conversion.strategy", strategy, ("None", "Webhook"))]
    if conversion.get("webhook"):
        why = "should not be set when strategy is not set to Webhook"
        return [gotext.forbidden("spec.conversion.conversionReviewVersions", why)]
    return []


def _immutable(crd: Object, old: Object) -> list[Cause]:
    spec, before = crd["spec"], old["spec"]
    causes = [
        gotext.invalid(path, new, "field is immutable")
        for path, new, was in (
            ("spec.group", spec.get("group"), before.get("group")),
            ("spec.scope", spec.get("scope"), before.get("scope")),
            ("spec.names.kind", spec["names"].get("kind"), before["names"].get("kind")),
            ("spec.names.plural", spec["names"].get("plural"), before["names"].get("plural")),
        )
        if new != was
    ]
    names = {version.get("name") for version in spec.get("versions") or ()}
    for index, stored in enumerate((old.get("status") or {}).get("storedVersions") or ()):
        if stored not in names:
            why = (
                f"missing from spec.versions; {stored} was previously a storage version, and must remain in"
                " spec.versions until a storage migration ensures no data remains persisted in"
                f" {stored} and removes {stored} from status.storedVersions"
            )
            causes.append(gotext.invalid(f"status.storedVersions[{index}]", stored, why))
    return causes


CRD = Strategy(status=True, generation=True, default=default_crd, create=create_crd, check=check_crd)
