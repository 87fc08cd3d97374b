"""Who is signed in, and signing in."""

from typing import Annotated, Literal

from pydantic import Field

from sympozium.server.models.base import ApiModel
from sympozium.server.signin.session import TOKEN_LIMIT

Token = Annotated[str, Field(min_length=1, max_length=TOKEN_LIMIT, pattern="^[!-~]+$")]
"""Visible ASCII: it becomes a header."""


class User(ApiModel):
    name: str
    groups: list[str]


class SignInWays(ApiModel):
    """The ways to sign in that this installation offers."""

    token: bool
    link: bool
    oidc: bool


class Session(ApiModel):
    """`user` is null for whoever is not signed in."""

    user: User | None
    method: Literal["token", "link", "oidc"] | None
    expires_at: str | None
    sign_in: SignInWays
    version: str
    installation: str
    """What people call it: the host of its address, unless `--installation` says otherwise."""
    system_namespace: str
    """Where the catalogue, the policies for everybody and the SympoziumConfig are."""


class TokenSignIn(ApiModel):
    token: Token


class Ticket(ApiModel):
    """What stands behind `ticket=` in a one-time link."""

    ticket: Annotated[str, Field(min_length=1, max_length=100)]


class Link(ApiModel):
    """A page that signs its browser in, once."""

    url: str
    expires_at: str
