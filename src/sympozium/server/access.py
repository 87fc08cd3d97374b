"""Who asks, and what Kubernetes lets them do.

    credential   of a request: a bearer token, or what a session's cookie holds
    Caller       that, with a Kubernetes client that speaks as them
    Reviews      answers of SelfSubjectAccessReviews, kept for some seconds

A credential is never looked into and never believed by itself: whether it is good is what the Kubernetes API says to it.
https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
"""

import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import httpx2
from fastapi import Depends, Request

from sympozium.kube import Client
from sympozium.kube.auth import BearerAuth
from sympozium.server.guards.rates import Known
from sympozium.server.problems import Problem
from sympozium.server.signin.session import TOKEN_LIMIT, Method, Session

FIELD_MANAGER: Final = "sympozium-apiserver"
REVIEW_SECONDS: Final = 10.0
"""How long an answer of an access review is believed: what a withdrawn right still shows, at most."""
_REVIEWS_KEPT: Final = 20_000
_VISIBLE: Final = re.compile(r"[\x21-\x7e]+")
_SELF: Final = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_MAY: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@dataclass(frozen=True, slots=True)
class Credential:
    """How somebody authenticates to Kubernetes. `key` tells credentials apart and gives nothing away."""

    auth: httpx2.Auth = field(repr=False)
    key: str
    method: Method
    """How they signed in."""
    expires_at: float | None = None
    """Of the session, in seconds since the epoch."""

    @classmethod
    def bearer(cls, token: str, *, method: Method = "token", expires_at: float | None = None) -> "Credential":
        return cls(BearerAuth(token), hashlib.sha256(token.encode()).hexdigest(), method, expires_at)


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is asked of Kubernetes' authorizer, about a kind of ours unless `group` says otherwise."""

    verb: str
    resource: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    group: str = "sympozium.ai"

    def to_json(self) -> dict[str, str]:
        named = ("verb", "resource", "namespace", "name", "subresource", "group")
        return {name: getattr(self, name) for name in named if getattr(self, name)}

    def words(self) -> str:
        kind = self.resource + (f"/{self.subresource}" if self.subresource else "")
        of = f" {self.name}" if self.name else ""
        return f"{self.verb} {kind}{of} in " + (
            f"namespace {self.namespace}" if self.namespace else "all namespaces"
        )


class Reviews:
    """A bounded memory of what was allowed to whom."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._known: OrderedDict[tuple[str, Attributes], tuple[float, bool]] = OrderedDict()

    def find(self, key: str, asked: Attributes) -> bool | None:
        known = self._known.get((key, asked))
        return known[1] if known and known[0] > self._now() else None

    def keep(self, key: str, asked: Attributes, *, allowed: bool) -> None:
        self._known[key, asked] = (self._now() + REVIEW_SECONDS, allowed)
        self._known.move_to_end((key, asked))
        while len(self._known) > _REVIEWS_KEPT:
            self._known.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sends a request. `kube` speaks to Kubernetes as them and as nobody else."""

    credential: Credential
    kube: Client
    reviews: Reviews

    async def may(self, asked: Attributes) -> bool:
        """Whether Kubernetes lets them. Raises KubeError, UnauthorizedError for a credential that is no good."""
        known = self.reviews.find(self.credential.key, asked)
        if known is not None:
            return known
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asked.to_json()},
        }
        answer = await self.kube.request("POST", _MAY, body=body)
        allowed = bool((answer.get("status") or {}).get("allowed"))
        self.reviews.keep(self.credential.key, asked, allowed=allowed)
        return allowed

    async def require(self, asked: Attributes) -> None:
        """Raises Problem 403 that says which right is missing."""
        if not await self.may(asked):
            user = await self.user()
            raise Problem(403, f"{user['username']} may not {asked.words()}: ask for the right (docs/api.md)")

    async def user(self) -> dict[str, Any]:
        """`username` and `groups`, as Kubernetes knows them. Raises UnauthorizedError."""
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        answer = await self.kube.request("POST", _SELF, body=body)
        found: dict[str, Any] = answer["status"]["userInfo"]
        return found


def bearer(request: Request) -> str | None:
    """The token in `Authorization`; None without that header. Raises Problem 401 for one that cannot be read."""
    header = request.headers.get("authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    token = token.strip(" ")
    if scheme.lower() != "bearer" or len(token) > TOKEN_LIMIT or not _VISIBLE.fullmatch(token):
        raise Problem(401, "Authorization: expected `Bearer TOKEN`", headers={"WWW-Authenticate": "Bearer"})
    return token


def credential(request: Request) -> Credential | None:
    """The credential of a request: its bearer token, else that of its session; None when it has neither.

    Raises Problem 401 for a header that cannot be read.
    """
    token = bearer(request)
    if token is not None:
        return Credential.bearer(token)
    session: Session | None = getattr(request.state, "session", None)
    if session is None:
        return None
    return of_session(request, session)


def of_session(request: Request, session: Session) -> Credential:
    """What a session holds: a token, or whom the server impersonates."""
    if session.token:
        return Credential.bearer(session.token, method=session.method, expires_at=session.expires)
    own = request.app.state.parts.kube.access.auth()
    auth = _Impersonating(own, session.user, session.groups)
    return Credential(auth, session.key, session.method, session.expires)


def as_caller(request: Request, found: Credential) -> Caller:
    """Whoever has this credential."""
    parts = request.app.state.parts
    auth = _Noted(found.auth, found.key, parts.known)
    return Caller(found, parts.kube.acting_as(auth, field_manager=FIELD_MANAGER), parts.reviews)


class _Impersonating(httpx2.Auth):
    """The server's own credential, speaking for somebody whom it has signed in: `--oidc-mode impersonate` alone.

    https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation
    """

    def __init__(self, own: httpx2.Auth, user: str, groups: Sequence[str]) -> None:
        for name in (user, *groups):
            assert name, "an empty name would be nobody, and the server would speak for itself"
            assert not name.startswith("system:"), f"{name}: nobody who signs in is of the system"
        self._own = own
        self._user = user
        self._groups = groups

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        headers = [
            ("Impersonate-User", self._user),
            *(("Impersonate-Group", group) for group in self._groups),
        ]
        request.headers = httpx2.Headers([*request.headers.multi_items(), *headers])
        yield from self._own.auth_flow(request)


class _Noted(httpx2.Auth):
    """Notes whether Kubernetes accepts a credential."""

    def __init__(self, auth: httpx2.Auth, key: str, known: Known) -> None:
        self._auth = auth
        self._key = key
        self._known = known

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        flow = self._auth.auth_flow(request)
        sent = next(flow)
        while True:
            response = yield sent
            if response.status_code == 401:
                self._known.discard(self._key)
            else:
                self._known.add(self._key)
            try:
                sent = flow.send(response)
            except StopIteration:
                return


async def caller(request: Request) -> Caller:
    """Raises Problem 401 for a request of nobody."""
    found = credential(request)
    if found is None:
        raise Problem(
            401,
            "sign in first: a Kubernetes bearer token in `Authorization`, or a session (sympozium open)",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return as_caller(request, found)


CallerOf = Annotated[Caller, Depends(caller)]
"""The parameter of a route that needs to know who asks: `async def route(caller: CallerOf)`."""
