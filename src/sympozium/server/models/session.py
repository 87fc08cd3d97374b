"""Who is signed in."""

from typing import Literal

from sympozium.server.models.base import ApiModel


class User(ApiModel):
    name: str
    groups: list[str]


class SignIn(ApiModel):
    """The ways to sign in that this installation offers."""

    token: bool
    link: bool
    oidc: bool


class Session(ApiModel):
    """`user` is null for whoever is not signed in."""

    user: User | None
    method: Literal["token", "link", "oidc"] | None
    expires_at: str | None
    sign_in: SignIn
    version: str
