"""Signing in with OIDC: the browser is led to the provider and back.

Both routes are for browsers that navigate. What goes wrong leads to the sign-in page with a word for it; the
log has the words that help whoever set the provider up.
"""

import logging
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse

from sympozium.kube import ForbiddenError, UnauthorizedError
from sympozium.server.access import as_caller, of_session
from sympozium.server.parts import Parts, PartsOf
from sympozium.server.problems import Problem
from sympozium.server.signin.oidc import Oidc
from sympozium.server.signin.provider import SignInError, identity
from sympozium.server.signin.session import TOKEN_LIMIT

log = logging.getLogger(__name__)
router = APIRouter(prefix="/session/oidc", tags=["session"])
_ReturnTo = Annotated[str, Query(alias="returnTo", max_length=600)]


@router.get("/start", status_code=302, response_class=RedirectResponse)
async def oidc_start(request: Request, parts: PartsOf, return_to: _ReturnTo = "#/") -> RedirectResponse:
    """To the provider. `returnTo` is the place in our page to come back to: its fragment."""
    oidc = _oidc(parts)
    try:
        url, cookie = await oidc.start(request, return_to)
    except SignInError as exc:
        return _failed(exc)
    answer = RedirectResponse(url, 302)
    answer.headers.append("set-cookie", cookie)
    return answer


@router.get("/callback", status_code=302, response_class=RedirectResponse)
async def oidc_callback(request: Request, parts: PartsOf) -> RedirectResponse:
    """Back from the provider."""
    oidc = _oidc(parts)
    try:
        cookies, back = await _finish(request, parts, oidc)
        answer = RedirectResponse(f"/{back}", 302)
    except SignInError as exc:
        cookies, answer = [], _failed(exc)
    for cookie in [*cookies, oidc.forget(request)]:
        answer.headers.append("set-cookie", cookie)
    return answer


async def _finish(request: Request, parts: Parts, oidc: Oidc) -> tuple[list[str], str]:
    token, claims, back = await oidc.finish(request)
    settings = oidc.provider.settings
    if settings.mode == "impersonate":
        who = identity(claims, settings)
        session, cookies = parts.signin.begin(request, "oidc", "", user=who.user, groups=who.groups)
    elif len(token) > TOKEN_LIMIT:
        raise SignInError("large", f"the ID token has {len(token)} characters: {TOKEN_LIMIT} at most")
    else:
        session, cookies = parts.signin.begin(request, "oidc", token)
    try:
        await as_caller(request, of_session(request, session)).user()
    except UnauthorizedError as exc:
        raise SignInError("kubernetes", f"Kubernetes does not accept ID tokens of {settings.issuer}") from exc
    except ForbiddenError as exc:
        raise SignInError("kubernetes", f"this server may not impersonate (docs/api.md): {exc}") from exc
    return cookies, back


def _oidc(parts: Parts) -> Oidc:
    if parts.oidc is None:
        raise Problem(404, "signing in with OIDC is not set up: see docs/api.md")
    return parts.oidc


def _failed(error: SignInError) -> RedirectResponse:
    log.warning("OIDC: %s", error)
    return RedirectResponse(f"/#/sign-in?problem={error.code}", 302)
