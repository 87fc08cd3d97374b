"""Everything that the server needs to know about who asks: one object to wire."""

from collections.abc import Mapping
from pathlib import Path

from sympozium.localkube.access.authentication import Authentication
from sympozium.localkube.access.impersonation import impersonated
from sympozium.localkube.access.noderole import NodeAuthorizer
from sympozium.localkube.access.objects import Objects
from sympozium.localkube.access.pki import ADMIN, ADMIN_GROUPS, CertificateAuthority
from sympozium.localkube.access.rbac import RBAC
from sympozium.localkube.access.reviews import Reviews
from sympozium.localkube.access.tokenfile import digest, read_token_file
from sympozium.localkube.access.tokens import ServiceAccountTokens
from sympozium.localkube.access.union import Union
from sympozium.localkube.types import UserInfo


class Access:
    """The access part of one API server.

    `authenticator`, `authorizer` and `reviews` are what the HTTP layer calls; `authority` has the
    certificates. `rbac` is also what the admission chain asks for escalation checks.
    """

    def __init__(
        self, objects: Objects, authority: CertificateAuthority, *, token_file: Path | None = None
    ) -> None:
        """Raises ValueError when the token file is malformed, with its line."""
        self.authority = authority
        self.tokens = ServiceAccountTokens(authority.service_account_key(), objects)
        self.rbac = RBAC(objects)
        self.authorizer = Union(NodeAuthorizer(objects), self.rbac)
        static = read_token_file(token_file) if token_file else {}
        static[digest(authority.admin_token())] = UserInfo(username=ADMIN, groups=ADMIN_GROUPS)
        self.authenticator = Authentication(static_tokens=static, service_accounts=self.tokens)
        self.reviews = Reviews(
            authenticator=self.authenticator,
            authorizer=self.authorizer,
            rbac=self.rbac,
            tokens=self.tokens,
            objects=objects,
        )

    def effective_user(self, user: UserInfo, headers: Mapping[str, str]) -> UserInfo:
        """Apply the `impersonate-*` headers (lower-case keys). Raises ApiError 403 or 400."""
        return impersonated(user, headers, self.authorizer)
