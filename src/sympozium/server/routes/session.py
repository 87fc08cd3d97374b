"""Signing in and out, and who am I: `/api/v1/session`.

Three ways lead to the same cookie: a bearer token that somebody pastes, a one-time link that their command line made
with its token, and OIDC.
"""

from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response

from sympozium import __version__
from sympozium.installation import SYSTEM_NAMESPACE
from sympozium.kube import UnauthorizedError
from sympozium.server.access import Caller, CallerOf, Credential, as_caller, bearer, credential
from sympozium.server.models.session import Link, Session, SignInWays, Ticket, TokenSignIn, User
from sympozium.server.parts import Parts, PartsOf
from sympozium.server.problems import Problem
from sympozium.server.signin.session import Method

router = APIRouter(prefix="/session", tags=["session"])


@router.get("")
async def session(request: Request, parts: PartsOf, response: Response) -> Session:
    """Whoever asks, also when they are nobody. 401 for a bearer token that is no good; a session that is no good is none."""
    found = credential(request)
    if found is None:
        return _session(request, parts)
    try:
        return await _signed_in(request, parts, found)
    except UnauthorizedError:
        if bearer(request):
            raise
        _set(response, parts.signin.end(request, request.state.session))
        return _session(request, parts)


@router.post("/token")
async def with_token(body: TokenSignIn, request: Request, parts: PartsOf, response: Response) -> Session:
    """Sign in with a Kubernetes bearer token. 401 when Kubernetes does not know it."""
    return await _begin(request, parts, response, "token", body.token)


@router.post("/links", status_code=201)
async def link(request: Request, parts: PartsOf, caller: CallerOf) -> Link:
    """A one-time link for whoever sends a bearer token: it signs a browser in with that token, within a minute.

    The ticket stands in the fragment, which no browser sends: it is in no log.
    """
    token = bearer(request)
    if token is None:
        raise Problem(403, "a session makes no links: send a bearer token in `Authorization`")
    await caller.user()
    ticket, expires = parts.signin.tickets.issue(token, caller.credential.key)
    url = f"{parts.signin.base_url(request)}/#/sign-in?ticket={ticket}"
    return Link(url=url, expires_at=_time(expires))


@router.post("/link")
async def with_link(body: Ticket, request: Request, parts: PartsOf, response: Response) -> Session:
    """Sign in with the ticket of a one-time link."""
    token = parts.signin.tickets.redeem(body.ticket)
    if token is None:
        raise Problem(
            401, "this link has been used, or is older than a minute: get a new one with `sympozium open`"
        )
    return await _begin(request, parts, response, "link", token)


@router.delete("", status_code=204)
async def sign_out(request: Request, parts: PartsOf, response: Response) -> None:
    """Sign out. Fine also for whoever is not signed in."""
    _set(response, parts.signin.end(request, request.state.session))


async def _begin(request: Request, parts: Parts, response: Response, method: Method, token: str) -> Session:
    """The token is tried first: Kubernetes says whose it is."""
    asks = as_caller(request, Credential.bearer(token, method=method))
    try:
        user = await asks.user()
    except UnauthorizedError as exc:
        raise Problem(401, "Kubernetes does not know this token, or it has expired") from exc
    began, cookies = parts.signin.begin(request, method, token)
    _set(response, cookies)
    return _session(request, parts, _user(user), method, began.expires)


async def _signed_in(request: Request, parts: Parts, found: Credential) -> Session:
    asks: Caller = as_caller(request, found)
    return _session(request, parts, _user(await asks.user()), found.method, found.expires_at)


def _user(info: dict[str, object]) -> User:
    return User.model_validate({"name": info["username"], "groups": info.get("groups") or []})


def _session(
    request: Request,
    parts: Parts,
    user: User | None = None,
    method: Method | None = None,
    expires: float | None = None,
) -> Session:
    can = bool(parts.signin.keys)
    return Session(
        user=user,
        method=method,
        expires_at=_time(expires) if expires else None,
        sign_in=SignInWays(token=can, link=can, oidc=can and parts.oidc is not None),
        version=__version__,
        system_namespace=SYSTEM_NAMESPACE,
        installation=parts.settings.installation or request.url.hostname or "",
    )


def _set(response: Response, cookies: list[str]) -> None:
    for cookie in cookies:
        response.headers.append("set-cookie", cookie)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
