"""Credentials -> user: client certificate, then bearer token, else anonymous.

A bearer token is looked up in the static token file and then taken as a ServiceAccount token. A wrong
credential is 401 and never falls back to anonymous: a client with a stale token must learn of it.
Tokens are in no message and no log line; the reason of a refusal goes to the debug log and to
TokenReview, not to the client.
"""

import logging
from collections.abc import Mapping, Sequence

from sympozium.localkube.access.pki import subject_of
from sympozium.localkube.access.tokenfile import digest
from sympozium.localkube.access.tokens import ISSUER, InvalidTokenError, ServiceAccountTokens
from sympozium.localkube.errors import unauthorized
from sympozium.localkube.types import UserInfo

log = logging.getLogger(__name__)

AUTHENTICATED = "system:authenticated"
ANONYMOUS = UserInfo(username="system:anonymous", groups=("system:unauthenticated",))
CERTIFICATES_CACHED = 256


class Authentication:
    """Implements `types.Authenticator`."""

    def __init__(
        self, *, static_tokens: Mapping[bytes, UserInfo], service_accounts: ServiceAccountTokens
    ) -> None:
        self._static = {key: _authenticated(user) for key, user in static_tokens.items()}
        self._accounts = service_accounts
        self._certificates: dict[bytes, UserInfo] = {}

    async def authenticate(self, headers: Mapping[str, str], peer_certificate: bytes | None) -> UserInfo:
        if peer_certificate is not None:
            return self._certificate(peer_certificate)
        authorization = headers.get("authorization", "")
        if not authorization:
            return ANONYMOUS
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            # Basic and the like are nobody's here, as on a kube-apiserver without them.
            return ANONYMOUS
        try:
            return self.token(token.strip())[0]
        except InvalidTokenError as error:
            log.debug("bearer token refused: %s", error)
            raise unauthorized() from error

    def token(self, token: str, audiences: Sequence[str] = ()) -> tuple[UserInfo, list[str]]:
        """The user of a bearer token, and for which of `audiences` it is good (TokenReview).

        Raises InvalidTokenError.
        """
        user = self._static.get(digest(token))
        if user is not None:
            if audiences and ISSUER not in audiences:
                raise InvalidTokenError("a static token is for this API server alone")
            return user, [ISSUER]
        return self._accounts.authenticate(token, audiences)

    def _certificate(self, der: bytes) -> UserInfo:
        user = self._certificates.get(der)
        if user is None:
            name, groups = subject_of(der)
            if not name:
                log.debug("client certificate without a common name refused")
                raise unauthorized()
            if len(self._certificates) >= CERTIFICATES_CACHED:
                self._certificates.clear()
            user = self._certificates[der] = _authenticated(UserInfo(username=name, groups=groups))
        return user


def _authenticated(user: UserInfo) -> UserInfo:
    if AUTHENTICATED in user.groups:
        return user
    return UserInfo(
        username=user.username, uid=user.uid, groups=(*user.groups, AUTHENTICATED), extra=user.extra
    )
