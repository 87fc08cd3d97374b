"""The nouns that the parts of localkube share: who asks, what is asked, what was wrong.

The parts meet here and nowhere else: HTTP, storage, semantics (patches and schemas), access
(authentication, authorization, admission) and the built-in controllers are written against these
types, so each can be tested alone on values.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

Object = dict[str, Any]
"""A Kubernetes object as decoded JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserInfo:
    """Who made a request (authentication.k8s.io/v1 UserInfo)."""

    username: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What is asked, as RBAC and admission see it.

    `verb` is get, list, watch, create, update, patch, delete, deletecollection or a special verb
    (bind, escalate, impersonate). `path` is set for non-resource URLs, and `resource` is then empty.
    """

    user: UserInfo
    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    field_selector: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """The authorizer's answer; `reason` is what SelfSubjectAccessReview shows."""

    allowed: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Cause:
    """One field that was wrong: `reason` is a FieldValue* word, `message` begins after the field name
    (`Invalid value: "x": must be ...`, `Required value`).
    """

    field: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionRequest:
    """One write on its way in (admission.k8s.io/v1 AdmissionRequest, before it is JSON)."""

    user: UserInfo
    operation: str
    """CREATE, UPDATE, DELETE or CONNECT."""
    group: str
    version: str
    kind: str
    resource: str
    subresource: str
    namespace: str
    name: str
    obj: Object | None
    old: Object | None
    options: Object
    dry_run: bool


@dataclass(slots=True)
class AdmissionResult:
    """The object as the admission chain left it, and the warnings for the client."""

    obj: Object | None
    warnings: list[str] = field(default_factory=list)


class Authenticator(Protocol):
    """Turns credentials into a user."""

    async def authenticate(self, headers: Mapping[str, str], peer_certificate: bytes | None) -> UserInfo:
        """`headers` has lower-case keys; `peer_certificate` is DER, already verified against our CA.

        No credentials give `system:anonymous`. Raises ApiError 401 for wrong ones. Impersonation
        headers are applied by the HTTP layer, after it has asked the authorizer.
        """
        ...


class Authorizer(Protocol):
    """Decides whether a user may do it."""

    def authorize(self, attributes: Attributes) -> Decision: ...


class Admission(Protocol):
    """The admission chain: built-in plugins, then webhooks. Raises ApiError to refuse."""

    async def mutate(self, request: AdmissionRequest) -> AdmissionResult: ...

    async def validate(self, request: AdmissionRequest) -> list[str]:
        """Returns warnings."""
        ...


class TypeInfo(Protocol):
    """What the semantics know about one kind in one version, built-in or from a CRD.

    None of the methods does I/O. They may change and return the object that they are given, except
    where they say otherwise. `default` fills in what the API server fills in (schema defaults for custom
    resources, the strategy's defaults for built-in kinds, canonical quantities).
    """

    group: str
    version: str
    kind: str
    namespaced: bool
    status_subresource: bool
    custom: bool

    def unknown_fields(self, obj: Object) -> list[str]:
        """Dotted paths of fields that the schema does not have, in document order."""
        ...

    def type_errors(self, obj: Object) -> list[str]:
        """For built-in kinds: `json: cannot unmarshal ...` texts, which become a 400."""
        ...

    def prune(self, obj: Object) -> Object: ...

    def default(self, obj: Object) -> Object: ...

    def prepare_create(self, obj: Object) -> Object:
        """The strategy's reset of server-owned parts (status, and so on) and generation."""
        ...

    def prepare_update(self, obj: Object, old: Object, subresource: str) -> Object:
        """Status isolation and the generation rule; never touches resourceVersion."""
        ...

    def validate(self, obj: Object, old: Object | None, subresource: str = "") -> list[Cause]:
        """Everything that makes a 422: metadata is checked by the caller."""
        ...

    def strategic_merge(self, current: Object, patch: Object) -> Object:
        """Raises ApiError 415 for a custom resource."""
        ...


class Types(Protocol):
    """All kinds that are served now."""

    def get(self, group: str, version: str, kind: str) -> TypeInfo | None: ...
