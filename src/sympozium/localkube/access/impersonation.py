"""Acting as somebody else: the `Impersonate-*` headers.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation
Each part (user or ServiceAccount, each group, uid, each extra value) needs the `impersonate` verb on
it; who may not gets the same 403 as for any resource.
"""

from collections.abc import Mapping
from urllib.parse import unquote

from sympozium.localkube.access.refusal import refused
from sympozium.localkube.errors import bad_request
from sympozium.localkube.types import Attributes, Authorizer, UserInfo

EXTRA = "impersonate-extra-"


def impersonated(user: UserInfo, headers: Mapping[str, str], authorizer: Authorizer) -> UserInfo:
    """The user that the request is to run as; `user` itself without such headers.

    `headers` has lower-case keys; several `Impersonate-Group` headers are joined by a comma, so a group
    name with a comma cannot be impersonated. Raises ApiError 403, or 400 for groups without a user.
    """
    name = headers.get("impersonate-user", "")
    groups = tuple(part.strip() for part in headers.get("impersonate-group", "").split(",") if part.strip())
    uid = headers.get("impersonate-uid", "")
    extra = {
        unquote(key.removeprefix(EXTRA)): tuple(part.strip() for part in value.split(","))
        for key, value in headers.items()
        if key.startswith(EXTRA)
    }
    if not name:
        if groups or uid or extra:
            raise bad_request(
                "requested impersonation of groups, uid or extra without impersonating a user: set Impersonate-User"
            )
        return user
    for ask in _questions(user, name, groups, uid, extra):
        decision = authorizer.authorize(ask)
        if not decision.allowed:
            raise refused(ask, decision.reason)
    return UserInfo(username=name, uid=uid, groups=_all_groups(name, groups), extra=extra)


def _questions(
    user: UserInfo, name: str, groups: tuple[str, ...], uid: str, extra: Mapping[str, tuple[str, ...]]
) -> list[Attributes]:
    def ask(
        resource: str, value: str, *, group: str = "", namespace: str = "", subresource: str = ""
    ) -> Attributes:
        return Attributes(
            user=user,
            verb="impersonate",
            group=group,
            version="v1",
            resource=resource,
            subresource=subresource,
            namespace=namespace,
            name=value,
        )

    account = service_account(name)
    asks = [ask("serviceaccounts", account[1], namespace=account[0]) if account else ask("users", name)]
    asks += [ask("groups", group) for group in groups]
    if uid:
        asks.append(ask("uids", uid, group="authentication.k8s.io"))
    for key, values in extra.items():
        asks += [ask("userextras", value, group="authentication.k8s.io", subresource=key) for value in values]
    return asks


def _all_groups(name: str, groups: tuple[str, ...]) -> tuple[str, ...]:
    account = service_account(name)
    if account and not groups:
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{account[0]}")
    if name == "system:anonymous":
        return groups if "system:unauthenticated" in groups else (*groups, "system:unauthenticated")
    return groups if "system:authenticated" in groups else (*groups, "system:authenticated")


def service_account(username: str) -> tuple[str, str] | None:
    """Namespace and name of `system:serviceaccount:<namespace>:<name>`."""
    parts = username.split(":")
    if len(parts) == 4 and parts[:2] == ["system", "serviceaccount"] and all(parts[2:]):
        return parts[2], parts[3]
    return None
