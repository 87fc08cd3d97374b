"""Who am I: `/api/v1/session`."""

from fastapi import APIRouter, Request

from sympozium import __version__
from sympozium.server.access import caller, credential
from sympozium.server.models.session import Session, SignIn, User

router = APIRouter(tags=["session"])


@router.get("/session")
async def session(request: Request) -> Session:
    """Whoever asks, also when they are nobody. 401 for a credential that is no good."""
    offered = SignIn(token=True, link=False, oidc=False)
    if credential(request) is None:
        return Session(user=None, method=None, expires_at=None, sign_in=offered, version=__version__)
    asks = await caller(request)
    user = await asks.user()
    return Session(
        user=User(name=user["username"], groups=user.get("groups") or []),
        method="token",
        expires_at=None,
        sign_in=offered,
        version=__version__,
    )
