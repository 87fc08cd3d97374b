"""Admission of SkillPacks: their container, their rights, the floor under all policies, and who uses them already."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from sympozium.api.instance import SympoziumInstance
from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.api.policy import SympoziumPolicy
from sympozium.api.shared import RBACRule
from sympozium.api.skillpack import SkillPack
from sympozium.policy import SHELL, TOOL_SERVER, Effective, Violation, hostaccess, resolve
from sympozium.policy.packs import CUT_FIELDS, judge_pack
from sympozium.policy.resolve import MissingReferenceError
from sympozium.webhook import agents, authority, shapes
from sympozium.webhook.access import Access
from sympozium.webhook.authority import OFFERED, SecretUse
from sympozium.webhook.findings import Findings
from sympozium.webhook.references import References
from sympozium.webhook.review import Answer, Request, allow, forbidden

_MAKES_PODS: Final = (RBACRule(api_groups=[""], resources=["pods"], verbs=["create"]),)
_NAMED: Final = 5
"""Instances that a warning lists before it counts the rest."""


@dataclass(frozen=True, slots=True)
class SkillPacks:
    """Checks of skill packs, with what they look up."""

    references: References
    access: Access

    async def check(self, request: Request, found: Findings) -> None:
        pack = _pack(request)
        found.refused += await self._hidden(request, pack)
        box = pack.spec.sidecar
        if box is None:
            return
        if pack.name in (SHELL, TOOL_SERVER):
            words = f"{pack.name} is what rules call a container that every run has: choose another name"
            found.wrong.append(Violation("metadata.name", words))
        found.wrong += shapes.sidecar(box)
        if box.secret_mount_path and not box.secret_ref:
            found.warnings.append("spec.sidecar.secretMountPath: has no effect without secretRef")
        if pack.metadata.annotations.get(OFFERED) and pack.namespace != SYSTEM_NAMESPACE:
            found.warnings.append(
                f"metadata.annotations[{OFFERED}]: has no effect outside namespace {SYSTEM_NAMESPACE}"
            )
        user, path = request.user, "spec.sidecar"
        if box.secret_ref:
            uses = [SecretUse(f"{path}.secretRef", box.secret_ref)]
            found.refused += await authority.secrets(self.access, user, pack.namespace, uses)
        found.refused += await self._rights(request, pack)
        await self._floor(pack, found)
        await self._users(pack, found)

    async def metadata(self, request: Request) -> Answer:
        """A change beside the spec. To offer a pack is to hand its rights to everybody's agents."""
        pack, before = _pack(request), SkillPack.model_validate(request.old)
        before.metadata.namespace = request.namespace
        if pack.spec.sidecar is None or not authority.is_offered(pack) or authority.is_offered(before):
            return allow()
        refused = await self._rights(request, pack)
        return forbidden(refused) if refused else allow()

    async def _rights(self, request: Request, pack: SkillPack) -> list[Violation]:
        """Nobody hands on rights that they do not have; who offers them to all must have them everywhere."""
        box = pack.spec.sidecar
        assert box is not None, "asked for packs with a container alone"
        where = "" if authority.is_offered(pack) else pack.namespace
        return [
            *await authority.rights(self.access, request.user, "spec.sidecar.rbac", box.rbac, where),
            *await authority.rights(self.access, request.user, "spec.sidecar.clusterRBAC", box.cluster_rbac, ""),
            # Who may make pods could have had the node's directories without us, as far as Pod Security lets them.
            *await authority.rights(
                self.access, request.user, "spec.sidecar.hostAccess", _MAKES_PODS if hostaccess.of(pack) else (), where
            ),
        ]  # fmt: skip

    async def _hidden(self, request: Request, pack: SkillPack) -> list[Violation]:
        """Who puts a pack in front of one of the installation must be one who may use that.

        It is the one that agents of the namespace get when this pack is deleted, and nobody is asked then.
        """
        if pack.namespace == SYSTEM_NAMESPACE:
            return []
        behind = await self.references.get(SkillPack, [(SYSTEM_NAMESPACE, pack.name)])
        if behind is None:
            return []
        used = [("metadata.name", behind)]
        refused = await authority.packs(self.access, request.user, pack.namespace, used)
        instead = f"another name: agents that name {pack.name} get the one of {SYSTEM_NAMESPACE} when this is deleted"
        return [replace(violation, instead=instead) for violation in refused]

    async def _floor(self, pack: SkillPack, found: Findings) -> None:
        """What no run can use because the installation's floor says no to it."""
        key = resolve.floor_key(self.references.config())
        policy = await self.references.get(SympoziumPolicy, [key]) if key else None
        if policy is None:
            return
        for violation in judge_pack(pack, Effective.of(policy)):
            if violation.field in CUT_FIELDS and not violation.audit:
                found.warnings.append(f"{violation.field}: will not be granted: {violation.message}")
            else:
                found.judged([violation])

    async def _users(self, pack: SkillPack, found: Findings) -> None:
        """Agents that name the pack already, and what its new form means for them."""
        if pack.namespace == SYSTEM_NAMESPACE and (hidden := self.references.hidden_from(pack)):
            found.warnings.append(
                f"used by {_listed(hidden)} when the pack of that name in their namespace is deleted"
            )
        users = self.references.users_of(pack)
        if not users:
            return
        found.warnings.append(f"used by {_listed(users)}: their runs get what this pack has from now on")
        config = self.references.config()
        for user in users:
            try:
                policy = await self.references.policy(user, config)
            except MissingReferenceError:
                continue  # its own condition says so
            found.warnings += [
                f"SympoziumInstance {user.namespace}/{user.name}: {violation.field}: runs will be refused: {violation.message}"
                for violation in agents.verdicts(user, config, policy, {pack.name: pack})
                if agents.is_of_a_skill(violation) and not violation.audit
            ]


def _listed(users: Sequence[SympoziumInstance]) -> str:
    names = [f"{user.namespace}/{user.name}" for user in users]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _pack(request: Request) -> SkillPack:
    pack = SkillPack.model_validate(request.object)
    pack.metadata.namespace = request.namespace
    pack.metadata.name = request.name or pack.name
    return pack
