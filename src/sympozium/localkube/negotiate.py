"""Content negotiation: which form of an answer the client takes.

Answers are JSON or YAML of the object, a Table of it (what kubectl prints), its metadata alone, or the
aggregated form of discovery. Protobuf is never written: every client that asks for it also takes JSON
(KUBE-API.md T3), and one that takes nothing else gets 406.
"""

from dataclasses import dataclass

from sympozium.localkube.errors import not_acceptable

JSON = "application/json"
YAML = "application/yaml"
AVAILABLE = (JSON, YAML)


@dataclass(frozen=True, slots=True)
class MediaType:
    type: str
    params: tuple[tuple[str, str], ...] = ()

    def param(self, name: str) -> str:
        return dict(self.params).get(name, "")


@dataclass(frozen=True, slots=True)
class Form:
    """`form` is object, table, partial or discovery; `encoding` is json or yaml."""

    form: str = "object"
    encoding: str = "json"
    version: str = "v1"
    """Of meta.k8s.io, for tables and metadata: v1 or v1beta1."""

    @property
    def content_type(self) -> str:
        if self.form == "discovery":
            return f"{JSON};g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        return JSON if self.encoding == "json" else YAML


OBJECT = Form()


def parse_accept(header: str) -> list[MediaType]:
    """The clauses, those of greater weight (`q`) first and else in the client's order."""
    found: list[MediaType] = []
    for clause in header.split(","):
        media, *raw = (part.strip() for part in clause.split(";"))
        params: list[tuple[str, str]] = []
        for part in raw:
            key, _, value = part.partition("=")
            params.append((key.strip(), value.strip()))
        if media:
            found.append(MediaType(media.lower(), tuple(params)))
    return sorted(found, key=lambda clause: -_weight(clause.param("q")))


def _weight(text: str) -> float:
    """Without a weight, or with one that is none, a clause weighs 1."""
    try:
        return float(text)
    except ValueError:
        return 1.0


def choose(header: str, *, table: bool = False, partial: bool = False, discovery: bool = False) -> Form:
    """The first acceptable form. Raises ApiError 406."""
    clauses = parse_accept(header)
    if not clauses:
        return OBJECT
    for clause in clauses:
        form = _form(clause, table=table, partial=partial, discovery=discovery)
        if form is not None:
            return form
    raise not_acceptable(AVAILABLE)


def _form(clause: MediaType, *, table: bool, partial: bool, discovery: bool) -> Form | None:
    if clause.type in {JSON, "*/*", "application/*"}:
        encoding = "json"
    elif clause.type in {YAML, "application/x-yaml", "text/yaml"}:
        encoding = "yaml"
    else:
        return None
    wanted = clause.param("as")
    if not wanted:
        return Form("object", encoding)
    group, version = clause.param("g"), clause.param("v")
    if group == "meta.k8s.io" and version in {"v1", "v1beta1"}:
        if wanted == "Table" and table:
            return Form("table", encoding, version)
        if wanted in {"PartialObjectMetadata", "PartialObjectMetadataList"} and partial:
            return Form("partial", encoding, version)
    if group == "apidiscovery.k8s.io" and version == "v2" and wanted == "APIGroupDiscoveryList" and discovery:
        return Form("discovery", "json")
    return None
