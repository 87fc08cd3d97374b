"""Whether a person could do themselves what their agent would do: SubjectAccessReviews.

No run gets a Secret or a Kubernetes right that the author of its instance or skill pack does not have.
https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
"""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import product
from typing import Final

from sympozium.api.base import Object
from sympozium.api.shared import RBACRule
from sympozium.kube.client import Client
from sympozium.policy.rbac import Atom
from sympozium.webhook.review import User

_PATH: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
_AT_ONCE: Final = 8


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
        if not rules or await self.may(user, "*", "*", group="*", namespace=namespace):
            return []
        atoms = list(
            dict.fromkeys(
                Atom(*parts)
                for rule in rules
                for parts in product(rule.api_groups, rule.resources, rule.verbs)
            )
        )
        gate = asyncio.Semaphore(_AT_ONCE)

        async def ask(atom: Atom) -> bool:
            async with gate:
                return await self.may(user, atom.verb, atom.resource, group=atom.group, namespace=namespace)

        allowed = await asyncio.gather(*(ask(atom) for atom in atoms))
        return [atom for atom, yes in zip(atoms, allowed, strict=True) if not yes]
