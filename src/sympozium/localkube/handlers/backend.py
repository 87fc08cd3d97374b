"""What every handler is given: the parts of one API server."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sympozium.localkube.present import Presenter
from sympozium.localkube.resources import Registry
from sympozium.localkube.store import Store
from sympozium.localkube.types import Admission, Authorizer, Object, Types, UserInfo

if TYPE_CHECKING:
    from sympozium.localkube.handlers.pipeline import Write


class Reviews(Protocol):
    """The review APIs and TokenRequest (`access.reviews.Reviews`)."""

    def create(self, resource: str, namespace: str, obj: Object, user: UserInfo) -> Object: ...

    def token(self, namespace: str, name: str, obj: Object, user: UserInfo) -> Object: ...


class OpenAPI(Protocol):
    """The documents of /openapi (`schema.openapi`)."""

    def index(self) -> bytes: ...

    def document(self, path: str) -> tuple[bytes, str] | None:
        """The encoded document of `api/v1` or `apis/<group>/<version>`, and its hash."""
        ...

    def swagger(self, *, protobuf: bool) -> tuple[bytes, str]:
        """The encoded document of /openapi/v2, and its hash. Slow the first time."""
        ...


class Customs(Protocol):
    """CustomResourceDefinitions (`customs`)."""

    def complete(self, crd: Object) -> Object:
        """The CRD with its accepted names, conditions and stored versions, as it will be served."""
        ...


class Ownership(Protocol):
    """managedFields (`patch`), and the patches that need no schema."""

    def record(self, write: "Write", obj: Object, old: Object | None) -> None:
        """Writes into `obj` who owns what this update-type write changed against `old`."""
        ...

    def apply(self, write: "Write", current: Object | None, sent: Object) -> Object:
        """Server-side apply: the merged object with its managedFields. Raises ApiError 409."""
        ...

    def applied_errors(self, write: "Write", sent: Object) -> str:
        """What the schema has against an applied object, as one text; empty for nothing."""
        ...

    def unrestorable(self, write: "Write", patched: Object) -> str:
        """Why the result of a strategic patch has no place in the kind's types; empty when it has."""
        ...

    def json_patch(self, obj: Object, operations: list[Object]) -> Object: ...

    def merge_patch(self, obj: Object, patch: Object) -> Object: ...


@dataclass(slots=True, kw_only=True)
class Backend:
    store: Store
    registry: Registry
    types: Types
    presenter: Presenter
    authorizer: Authorizer
    admission: Admission
    effective_user: Callable[[UserInfo, Mapping[str, str]], UserInfo]
    reviews: Reviews
    openapi: OpenAPI
    ownership: Ownership
    customs: Customs
