"""Nobody gets through an agent what they could not do themselves.

Whoever writes an agent that uses Secrets and skill packs is asked for each Secret and each right of each pack, as
themselves, wherever the pack comes from; an administrator may offer a pack of the system namespace to all.
docs/decisions/0010 says why the whole of a pack's rules counts, and not the part that today's policy grants.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.api.shared import RBACRule
from sympozium.api.skillpack import SkillPack
from sympozium.policy import Violation
from sympozium.webhook.access import Access
from sympozium.webhook.review import User

OFFERED: Final = "sympozium.ai/offered"
"""Annotation of a SkillPack in the system namespace: `"true"` lends its rights to everybody's agents."""
_NAMED: Final = 5
"""Rights that a message lists before it counts the rest."""


@dataclass(frozen=True, slots=True)
class SecretUse:
    """A field that hands a Secret of the object's namespace to an agent."""

    field: str
    secret: str
    why: str = ", so no agent may be given it"


def is_offered(pack: SkillPack) -> bool:
    return pack.namespace == SYSTEM_NAMESPACE and pack.metadata.annotations.get(OFFERED) == "true"


async def secrets(access: Access, user: User, namespace: str, uses: Iterable[SecretUse]) -> list[Violation]:
    """The uses of Secrets that `user` may not read."""
    wanted = list(dict.fromkeys(uses))
    unreadable = set(await access.unreadable_secrets(user, namespace, [use.secret for use in wanted]))
    return [
        Violation(
            use.field,
            f"{user.name} may not read the Secret {use.secret}{use.why}",
            instead="name a Secret that you may read, or have somebody apply this who may read it",
        )
        for use in wanted
        if use.secret in unreadable
    ]


async def packs(
    access: Access, user: User, namespace: str, used: Iterable[tuple[str, SkillPack]]
) -> list[Violation]:
    """What the packs at some fields would be granted in a namespace, and `user` does not have there."""
    found: list[Violation] = []
    asked: dict[tuple[str, str], str] = {}
    for field, pack in used:
        box = pack.spec.sidecar
        if box is None:
            continue
        key = (pack.namespace, pack.name)
        if key not in asked:
            asked[key] = "" if is_offered(pack) else await _lacking(
                access, user, namespace, box.rbac, box.cluster_rbac
            )  # fmt: skip
        if asked[key]:
            message = f"{user.name} may not do what skill pack {pack.name} of {pack.namespace} would be granted: {asked[key]}"
            found.append(Violation(field, message, instead=_instead(pack)))
        if box.secret_ref:
            why = f", which skill pack {pack.name} would be given"
            found += await secrets(access, user, namespace, [SecretUse(field, box.secret_ref, why)])
    return found


async def rights(
    access: Access, user: User, path: str, rules: Sequence[RBACRule], namespace: str
) -> list[Violation]:
    """The rights at one field of a pack, in a namespace or (when it is empty) in the cluster, that `user` does not have."""
    lacking = _words([str(atom) for atom in await access.lacking(user, rules, namespace)])
    if not lacking:
        return []
    where = f"in {namespace}" if namespace else "in the cluster"
    message = f"{user.name} may not do {where} what the skill would be granted: {lacking}"
    return [Violation(path, message, instead="ask for the rights that you have yourself")]


async def _lacking(
    access: Access, user: User, namespace: str, local: Sequence[RBACRule], everywhere: Sequence[RBACRule]
) -> str:
    """In words; empty when nothing is lacking."""
    found = [f"{atom} in {namespace}" for atom in await access.lacking(user, local, namespace)]
    found += [f"{atom} in the cluster" for atom in await access.lacking(user, everywhere, "")]
    return _words(found)


def _words(rights: list[str]) -> str:
    more = f" and {len(rights) - _NAMED} more" if len(rights) > _NAMED else ""
    return ", ".join(rights[:_NAMED]) + more


def _instead(pack: SkillPack) -> str:
    own = "use a pack of your namespace with fewer rights"
    if pack.namespace != SYSTEM_NAMESPACE:
        return f"{own}, or have somebody apply this who has these"
    return f'{own}, or have an administrator offer this one to all (annotation {OFFERED}: "true")'
