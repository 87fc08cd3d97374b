"""What is served: groups, versions, resources and their subresources.

A `Resource` is one plural in one group and version, with everything that routing, discovery and the
handlers ask of it. The built-in ones are data (`builtin.py`); those of CustomResourceDefinitions come and
go in the `Registry` while the server runs. Objects are stored in a bucket per group and plural, so the
versions of one CRD, and core and events.k8s.io events, share their objects.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from sympozium.localkube.types import Object

READ = ("get", "list", "watch")
CUSTOM = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
"""The same verbs in the order in which the API server lists them for custom resources."""
FULL = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subresource:
    """`pods/log`: its kind (and that kind's group and version where they are not the resource's)."""

    name: str
    kind: str
    verbs: tuple[str, ...] = ("get", "patch", "update")
    group: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalePaths:
    """Dotted paths of the scale subresource; the selector is a string, or a label selector object."""

    spec: str
    status: str
    selector: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a Table. `path` is a JSONPath for custom resources, empty for built-in columns."""

    name: str
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One served resource. Compare by value: a changed CRD gives a different one."""

    group: str
    version: str
    plural: str
    singular: str
    kind: str
    list_kind: str
    namespaced: bool
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = FULL
    subresources: tuple[Subresource, ...] = ()
    storage_group: str | None = None
    """The group whose objects this is another face of (events.k8s.io on core events)."""
    storage_version: str = ""
    custom: bool = False
    create_on_update: bool = False
    unconditional_update: bool = True
    name_rule: str = "subdomain"
    """subdomain, label (63 characters, no dots), label1035 or path (RBAC names, which may hold colons)."""
    columns: tuple[Column, ...] = ()
    selectable: tuple[str, ...] = ()
    """Field selectors beside metadata.name and metadata.namespace, as dotted paths."""
    scale: ScalePaths | None = None
    deprecation: str = ""
    """Every answer warns with it."""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def bucket(self) -> str:
        group = self.group if self.storage_group is None else self.storage_group
        return f"{group}/{self.plural}"

    def subresource(self, name: str) -> Subresource | None:
        return next((sub for sub in self.subresources if sub.name == name), None)


@dataclass(slots=True)
class Version:
    """The resources of one group-version, by plural."""

    name: str
    resources: dict[str, Resource] = field(default_factory=dict)


class Registry:
    """All resources that are served now. `generation` counts changes, for caches made of it."""

    def __init__(self, builtin: Iterable[Resource]) -> None:
        self._groups: dict[str, dict[str, Version]] = {}
        self._custom: dict[str, list[Resource]] = {}
        self.generation = 0
        for resource in builtin:
            self._add(resource)

    def lookup(self, group: str, version: str, plural: str) -> Resource | None:
        found = self._groups.get(group, {}).get(version)
        return found.resources.get(plural) if found else None

    def has_version(self, group: str, version: str) -> bool:
        return version in self._groups.get(group, {})

    def groups(self) -> list[str]:
        """The core group first, then as they were added."""
        return sorted(self._groups, key=lambda name: name != "")

    def versions(self, group: str) -> list[Version]:
        """The preferred version first; empty for an unknown group."""
        found = self._groups.get(group, {})
        return sorted(found.values(), key=lambda version: version_priority(version.name), reverse=True)

    def by_kind(self, group: str, version: str, kind: str) -> Resource | None:
        found = self._groups.get(group, {}).get(version)
        if found is None:
            return None
        return next((r for r in found.resources.values() if r.kind == kind), None)

    def all(self) -> list[Resource]:
        """Every resource in every served version."""
        return [
            resource
            for group in self.groups()
            for version in self.versions(group)
            for resource in version.resources.values()
        ]

    def set_custom(self, crd_name: str, resources: list[Resource]) -> None:
        """What a CRD serves now; an empty list when it is gone or not established."""
        if self._custom.get(crd_name, []) == resources:
            return
        for old in self._custom.pop(crd_name, []):
            self._remove(old)
        for resource in resources:
            self._add(resource)
        if resources:
            self._custom[crd_name] = resources
        self.generation += 1

    def _add(self, resource: Resource) -> None:
        versions = self._groups.setdefault(resource.group, {})
        version = versions.setdefault(resource.version, Version(resource.version))
        version.resources[resource.plural] = resource

    def _remove(self, resource: Resource) -> None:
        versions = self._groups[resource.group]
        version = versions[resource.version]
        del version.resources[resource.plural]
        if not version.resources:
            del versions[resource.version]
        if not versions:
            del self._groups[resource.group]


_VERSION = re.compile(r"^v([1-9]\d*)(?:(alpha|beta)([1-9]\d*))?$")


def version_priority(name: str) -> tuple[int, int, int, str]:
    """Kubernetes' order of versions: v2 > v1 > v1beta2 > v1alpha1 > anything else; greater is preferred."""
    match = _VERSION.match(name)
    if match is None:
        # Other names are in plain alphabetical order, so the earlier letter is the greater one here.
        return (0, 0, 0, "".join(chr(0x10FFFF - ord(char)) for char in name))
    major, stage, minor = match.groups()
    rank = {None: 3, "beta": 2, "alpha": 1}[stage]
    return (rank, int(major), int(minor or 0), "")


def custom_resources(crd: Object) -> list[Resource]:
    """The resources of an established CRD, one for each served version; empty when not established."""
    status = crd.get("status", {})
    conditions = {c["type"]: c["status"] for c in status.get("conditions") or []}
    if conditions.get("Established") != "True":
        return []
    spec = crd["spec"]
    names = status.get("acceptedNames") or spec["names"]
    storage = next(version["name"] for version in spec["versions"] if version.get("storage"))
    return [
        _custom_resource(spec, names, version, storage)
        for version in spec["versions"]
        if version.get("served")
    ]


def _custom_resource(spec: Object, names: Object, version: Object, storage: str) -> Resource:
    subs = version.get("subresources") or {}
    subresources = []
    scale = None
    if "status" in subs:
        subresources.append(Subresource(name="status", kind=names["kind"]))
    if "scale" in subs:
        paths = subs["scale"]
        scale = ScalePaths(
            spec=paths["specReplicasPath"].lstrip("."),
            status=paths["statusReplicasPath"].lstrip("."),
            selector=paths.get("labelSelectorPath", "").lstrip("."),
        )
        subresources.append(Subresource(name="scale", kind="Scale", group="autoscaling", version="v1"))
    return Resource(
        group=spec["group"],
        version=version["name"],
        plural=names["plural"],
        singular=names.get("singular") or names["kind"].lower(),
        kind=names["kind"],
        list_kind=names.get("listKind") or names["kind"] + "List",
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=tuple(subresources),
        storage_version=storage,
        custom=True,
        unconditional_update=False,
        columns=_columns(version),
        selectable=tuple(f["jsonPath"].lstrip(".") for f in version.get("selectableFields") or ()),
        scale=scale,
        deprecation=_deprecation(spec, version, names["kind"]),
        verbs=CUSTOM,
    )


def _deprecation(spec: Object, version: Object, kind: str) -> str:
    """What every answer in a deprecated version warns with; it names the version to use instead, if there is one."""
    if not version.get("deprecated"):
        return ""
    if version.get("deprecationWarning"):
        return str(version["deprecationWarning"])
    text = f"{spec['group']}/{version['name']} {kind} is deprecated"
    better = [
        other["name"]
        for other in spec["versions"]
        if other.get("served")
        and not other.get("deprecated")
        and version_priority(other["name"]) > version_priority(version["name"])
    ]
    if not better:
        return text
    return f"{text}; use {spec['group']}/{max(better, key=version_priority)} {kind}"


def _columns(version: Object) -> tuple[Column, ...]:
    declared = version.get("additionalPrinterColumns")
    if not declared:
        return (Column(name="Age", type="date", path=".metadata.creationTimestamp"),)
    return tuple(
        Column(
            name=column["name"],
            type=column["type"],
            format=column.get("format", ""),
            description=column.get("description", ""),
            priority=column.get("priority", 0),
            path=column["jsonPath"],
        )
        for column in declared
    )
