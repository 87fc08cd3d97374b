"""The paths of an OpenAPI document: each resource's operations, as kube-apiserver lists them.

kubectl reads from the PATCH operation of a kind whether `fieldValidation` and `dryRun` are understood, and
whether a strategic merge may be sent; generated clients and fuzzers read the rest.
"""

from typing import Any

from sympozium.localkube.resources import Resource, Subresource

Schema = dict[str, Any]
_REF = "#/components/schemas/"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_STRATEGIC = "application/strategic-merge-patch+json"
_PATCHES = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    _STRATEGIC,
)
_LIST = {
    "allowWatchBookmarks": ("boolean", "Whether a watch may send events of type BOOKMARK."),
    "continue": ("string", "The token of the page before, to get the next one."),
    "fieldSelector": ("string", "Restricts the objects by their fields. Defaults to everything."),
    "labelSelector": ("string", "Restricts the objects by their labels. Defaults to everything."),
    "limit": ("integer", "The greatest number of objects in one answer."),
    "resourceVersion": ("string", "The revision to read at or to watch from."),
    "resourceVersionMatch": ("string", "How resourceVersion is meant: Exact or NotOlderThan."),
    "sendInitialEvents": (
        "boolean",
        "Whether a watch begins with the present state and a bookmark after it.",
    ),
    "timeoutSeconds": ("integer", "How long a list or watch may take, in seconds."),
    "watch": ("boolean", "Watch for changes instead of listing."),
}
_COLLECTION = {key: value for key, value in _LIST.items() if key not in {"allowWatchBookmarks", "watch"}}
_DRY_RUN = {"dryRun": ("string", "All: go through every stage, and store nothing.")}
_DELETE = {
    **_DRY_RUN,
    "gracePeriodSeconds": ("integer", "Seconds before the object is deleted; zero deletes it at once."),
    "orphanDependents": ("boolean", "Deprecated: use propagationPolicy."),
    "propagationPolicy": ("string", "What becomes of dependents: Orphan, Background or Foreground."),
}
_WRITE = {
    **_DRY_RUN,
    "fieldManager": ("string", "Who makes the change, for managedFields. At most 128 characters."),
    "fieldValidation": ("string", "What to do about unknown and duplicate fields: Ignore, Warn or Strict."),
}
_FORCE = {"force": ("boolean", "Take over fields that other managers own. Only for apply patches.")}
_PARAMETERS = {
    "list": _LIST,
    "create": _WRITE,
    "update": _WRITE,
    "patch": {**_WRITE, **_FORCE},
    "delete": _DELETE,
    "deletecollection": dict(sorted({**_COLLECTION, **_DELETE}.items())),
}
_METHODS = {
    "create": "post",
    "get": "get",
    "list": "get",
    "update": "put",
    "patch": "patch",
    "delete": "delete",
    "deletecollection": "delete",
}
_ACTIONS = {"create": "post", "update": "put"}
_WORDS = {
    "get": ("read", "read the specified"),
    "list": ("list", "list or watch objects of kind"),
    "create": ("create", "create a"),
    "update": ("replace", "replace the specified"),
    "patch": ("patch", "partially update the specified"),
    "delete": ("delete", "delete a"),
    "deletecollection": ("deleteCollection", "delete collection of"),
}


def paths(resource: Resource, name: str, names: dict[tuple[str, str, str], str]) -> dict[str, Schema]:
    """The collection, the object and its subresources, each with its operations.

    `name` is the schema of the kind; `names` gives those of (group, version, kind) of subresources.
    """
    base = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    scope = "/namespaces/{namespace}" if resource.namespaced else ""
    collection, item = f"{base}{scope}/{resource.plural}", f"{base}{scope}/{resource.plural}/{{name}}"
    verbs = set(resource.verbs)
    found = {
        collection: _operations(resource, name, verbs & {"create", "list", "deletecollection"}),
        item: _operations(resource, name, verbs & {"get", "update", "patch", "delete"}),
    }
    if resource.namespaced and "list" in verbs:
        found[f"{base}/{resource.plural}"] = _operations(resource, name, {"list"}, everywhere=True)
    for sub in resource.subresources:
        gvk = (_group(resource, sub), sub.version or resource.version, sub.kind)
        of_sub = name if sub.kind == resource.kind and sub.name != "log" else names.get(gvk, "")
        found[f"{item}/{sub.name}"] = _operations(resource, of_sub, set(sub.verbs), sub=sub)
    return {path: _with_path(path, made) for path, made in found.items() if made}


def _group(resource: Resource, sub: Subresource) -> str:
    return resource.group if sub.group is None else sub.group


def _with_path(path: str, operations: Schema) -> Schema:
    named = [key for key in ("name", "namespace") if f"{{{key}}}" in path]
    texts = {
        "name": "name of the object",
        "namespace": "object name and auth scope, such as for teams and projects",
    }
    return {
        **operations,
        "parameters": [
            {
                "name": key,
                "in": "path",
                "description": texts[key],
                "required": True,
                "schema": {"type": "string", "uniqueItems": True},
            }
            for key in named
        ]
        + [_parameter("pretty", ("string", "If 'true', then the output is pretty printed."))],
    }


def _operations(
    resource: Resource,
    name: str,
    verbs: set[str],
    *,
    everywhere: bool = False,
    sub: Subresource | None = None,
) -> Schema:
    return {
        _METHODS[verb]: _operation(resource, name, verb, everywhere=everywhere, sub=sub)
        for verb in sorted(verbs)
        if verb in _METHODS
    }


def _operation(
    resource: Resource, name: str, verb: str, *, everywhere: bool, sub: Subresource | None
) -> Schema:
    word, does = _WORDS[verb]
    kind = {"group": resource.group, "kind": resource.kind, "version": resource.version}
    if does.endswith(" a"):
        does = f"{does.removesuffix(' a')}{_article(resource.kind)}"
    if sub is not None:
        does = f"create {sub.name} of{_article(resource.kind)}" if verb == "create" else does
        does = does.replace(" the specified", f" {sub.name} of the specified")
        kind = {"group": _group(resource, sub), "kind": sub.kind, "version": sub.version or resource.version}
    out: Schema = {
        "tags": [f"{_camel(resource.group, lower=True)}_{resource.version}"],
        "description": f"{does} {resource.kind}",
        "operationId": _operation_id(resource, word, everywhere=everywhere, sub=sub),
        "responses": _responses(resource, name, verb),
        "x-kubernetes-action": _ACTIONS.get(verb, verb),
        "x-kubernetes-group-version-kind": kind,
    }
    parameters = [_parameter(key, told) for key, told in _PARAMETERS.get(verb, {}).items()]
    if parameters:
        out["parameters"] = parameters
    if verb == "patch":
        # kubectl takes from here whether it may send a strategic merge; a custom resource answers 415 to one.
        accepted = [key for key in _PATCHES if not (resource.custom and key == _STRATEGIC)]
        out["requestBody"] = {"content": _content(_META + "Patch", accepted), "required": True}
    elif verb in {"create", "update"} and name:
        out["requestBody"] = {"content": _content(name, _bodies(resource)), "required": True}
    elif verb in {"delete", "deletecollection"}:
        out["requestBody"] = {"content": _content(_META + "DeleteOptions", _bodies(resource))}
    return out


def _article(kind: str) -> str:
    if kind.endswith("s") and not kind.endswith("ss"):
        return ""
    return " an" if kind[0] in "AEIOU" else " a"


def _bodies(resource: Resource) -> list[str]:
    return ["application/json", "application/yaml"] if resource.custom else ["*/*"]


def _content(name: str, media: list[str]) -> Schema:
    return {key: {"schema": {"$ref": _REF + name}} for key in media}


def _responses(resource: Resource, name: str, verb: str) -> Schema:
    media = ["application/json", "application/yaml"]
    if verb == "list":
        media.append("application/json;stream=watch")
        name = f"{name.removesuffix(resource.kind)}{resource.list_kind}"
    elif verb == "deletecollection" or (verb == "delete" and resource.kind != "Pod"):
        name = _META + "Status"
    content = _content(name, media) if name else {"text/plain": {"schema": {"type": "string"}}}
    codes = {"200": "OK"}
    if verb in {"create", "update", "patch"}:
        codes["201"] = "Created"
    if verb in {"create", "delete"}:
        codes["202"] = "Accepted"
    found: Schema = {code: {"description": text, "content": content} for code, text in codes.items()}
    return {**found, "401": {"description": "Unauthorized"}}


def _operation_id(resource: Resource, word: str, *, everywhere: bool, sub: Subresource | None) -> str:
    """`listCoreV1NamespacedPod`, `readAppsV1NamespacedDeploymentScale`, `deleteCoreV1CollectionNamespacedPod`."""
    collection = word == "deleteCollection"
    out = ("delete" if collection else word) + _camel(resource.group) + resource.version.capitalize()
    out += "Collection" if collection else ""
    out += "Namespaced" if resource.namespaced and not everywhere else ""
    out += resource.kind + (sub.name.capitalize() if sub else "")
    return out + ("ForAllNamespaces" if everywhere else "")


def _camel(group: str, *, lower: bool = False) -> str:
    """`apps` -> Apps, `rbac.authorization.k8s.io` -> RbacAuthorization."""
    words = (group.removesuffix(".k8s.io") or "core").split(".")
    joined = "".join(word[:1].upper() + word[1:] for word in words)
    return joined[:1].lower() + joined[1:] if lower else joined


def _parameter(name: str, told: tuple[str, str]) -> Schema:
    kind, text = told
    return {"name": name, "in": "query", "description": text, "schema": {"type": kind, "uniqueItems": True}}
