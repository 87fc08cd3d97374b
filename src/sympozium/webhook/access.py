"""Whether a person could do themselves what their agent would do: SubjectAccessReviews.

https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from sympozium.api.base import Object
from sympozium.api.shared import RBACRule
from sympozium.kube.client import Client
from sympozium.policy.rbac import Atom
from sympozium.webhook.review import User
from sympozium.webhook.shapes import atoms

_PATH: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
_AT_ONCE: Final = 8
_MOST: Final = 1000
"""Rights that are asked about; a pack with more is one that admission has never seen."""


class Access:
    """Asks the API server about other users."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def may(
        self, user: User, verb: str, resource: str, *, group: str = "", namespace: str = "", name: str = ""
    ) -> bool:
        """Whether `user` may do something. Raises what the API raises when it cannot be asked."""
        resource, _, subresource = resource.partition("/")
        attributes = {
            "verb": verb,
            "group": group,
            "resource": resource,
            "subresource": subresource,
            "namespace": namespace,
            "name": name,
        }
        body: Object = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": user.name,
                "uid": user.uid,
                "groups": list(user.groups),
                "extra": {key: list(values) for key, values in user.extra.items()},
                "resourceAttributes": {key: value for key, value in attributes.items() if value},
            },
        }
        answer = await self._client.request("POST", _PATH, body=body)
        return bool(answer["status"].get("allowed"))

    async def unreadable_secrets(self, user: User, namespace: str, names: Iterable[str]) -> list[str]:
        """The Secrets of a namespace that `user` may not read."""
        wanted = list(dict.fromkeys(names))
        allowed = await asyncio.gather(
            *(self.may(user, "get", "secrets", namespace=namespace, name=name) for name in wanted)
        )
        return [name for name, yes in zip(wanted, allowed, strict=True) if not yes]

    async def lacking(self, user: User, rules: Sequence[RBACRule], namespace: str) -> list[Atom]:
        """The rights of `rules` that `user` does not have in a namespace, or in the cluster when it is empty.

        Whoever may do everything there is asked one question; others one for each right.
        """
        wanted = atoms(rules, most=_MOST)
        if not wanted or await self.may(user, "*", "*", group="*", namespace=namespace):
            return []
        if len(wanted) > _MOST:
            return wanted
        gate = asyncio.Semaphore(_AT_ONCE)

        async def ask(atom: Atom) -> bool:
            async with gate:
                return await self.may(user, atom.verb, atom.resource, group=atom.group, namespace=namespace)

        allowed = await asyncio.gather(*(ask(atom) for atom in wanted))
        return [atom for atom, yes in zip(wanted, allowed, strict=True) if not yes]
