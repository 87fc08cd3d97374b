"""Bring what a run owns in line with its policy as it is now: what a later attempt reads, its network, its skills' rights.

Network and rights bind at once, whatever the run's own containers do. The pod's annotation is written last: it says that
all of it is done, so a crash on the way does it again.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from sympozium.api.base import Object
from sympozium.api.run import AgentRun
from sympozium.controllers.context import Context
from sympozium.controllers.run import own
from sympozium.controllers.run.binding import Rules
from sympozium.controllers.run.plan import Plan, manifests, names, network
from sympozium.controllers.run.start import Starter, together
from sympozium.kube import NotFoundError, Resource
from sympozium.kube.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    CONFIG_MAPS,
    NETWORK_POLICIES,
    PODS,
    ROLE_BINDINGS,
    ROLES,
)
from sympozium.policy import admit
from sympozium.policy.resolve import MissingReferenceError

_FIRST: Final[Mapping[str, Resource]] = {
    "ConfigMap": CONFIG_MAPS,
    "NetworkPolicy": NETWORK_POLICIES,
    "Role": ROLES,
    "ClusterRole": CLUSTER_ROLES,
}
_THEN: Final[Mapping[str, Resource]] = {
    "RoleBinding": ROLE_BINDINGS,
    "ClusterRoleBinding": CLUSTER_ROLE_BINDINGS,
}


def pod_annotations(job: Object) -> dict[str, str]:
    """What the pods of a Job are made with."""
    return job["spec"]["template"]["metadata"].get("annotations") or {}


class Rewriter:
    """For one installation."""

    def __init__(self, context: Context, starter: Starter) -> None:
        self._context = context
        self._starter = starter

    async def write(
        self, obj: Object, run: AgentRun, rules: Rules, pod: Object | None, *, told: bool
    ) -> list[Object]:
        """Returns conditions about what was cut. Raises PlanError for what cannot be expressed.

        `told`: the tool server was told the rules, so the pod may be marked with them.
        """
        inputs = await self._starter.inputs(obj, self._with_what_is_there(run))
        judged = admit(inputs.run, inputs.instance, inputs.policy, inputs.packs)
        made = manifests(inputs, [violation for violation in judged if violation.audit])
        agent = names.owned(run.name, "agent")
        mine = [o for o in made.objects if o["metadata"]["name"] != agent or o["kind"] != "ConfigMap"]
        await self._apply(run, [o for o in mine if o["kind"] in _FIRST], _FIRST)
        await self._apply(run, [o for o in mine if o["kind"] in _THEN], _THEN)
        await self._remove(run, mine)
        if pod is not None:
            await self._mark(pod, made, rules.fingerprint if told else None)
        return [*made.conditions, *self._starter.enforcement.notes(inputs.policy)]

    def _with_what_is_there(self, run: AgentRun) -> AgentRun:
        """Without the skills whose pack was deleted: their rights go, the rest of the run follows its policy."""
        left = []
        for skill in run.spec.skills:
            try:
                self._context.skill_packs(run.namespace, [skill])
            except MissingReferenceError:
                continue
            left.append(skill)
        return run.model_copy(update={"spec": run.spec.model_copy(update={"skills": left})})

    async def _apply(
        self, run: AgentRun, objects: Sequence[Object], resources: Mapping[str, Resource]
    ) -> None:
        client = self._context.client
        await together(*(own.apply(client, resources[o["kind"]], o, run) for o in objects))

    async def _remove(self, run: AgentRun, made: Sequence[Object]) -> None:
        """What the run had and is not planned any more."""
        kept = {(o["kind"], o["metadata"]["name"]) for o in made}
        had: list[tuple[Resource, str]] = [(NETWORK_POLICIES, run.name)]
        everywhere: list[tuple[Resource, str]] = []
        for skill in run.spec.skills:
            if pack := skill.skill_pack_ref:
                account, role = names.skill_account(run.name, pack), names.cluster_role(run, pack)
                had += [(ROLE_BINDINGS, account), (ROLES, account)]
                everywhere += [(CLUSTER_ROLE_BINDINGS, role), (CLUSTER_ROLES, role)]
        client = self._context.client
        await together(
            *(own.remove(client, r, name, run) for r, name in had if (r.kind, name) not in kept),
            *(client.delete(r, name) for r, name in everywhere if (r.kind, name) not in kept),
        )

    async def _mark(self, pod: Object, made: Plan, fingerprint: str | None) -> None:
        planned = pod_annotations(made.job)
        annotations: dict[str, str | None] = {network.ANNOTATION: planned.get(network.ANNOTATION)}
        if fingerprint is not None:
            annotations[names.ANNOTATION_POLICY] = fingerprint
        old = pod["metadata"].get("annotations") or {}
        changed = {key: value for key, value in annotations.items() if old.get(key) != value}
        if not changed:
            return
        meta = pod["metadata"]
        patch = {"metadata": {"annotations": changed}}
        try:
            written = await self._context.client.patch(PODS, meta["name"], meta["namespace"], patch)
        except NotFoundError:
            return  # the next pod is marked when it is seen
        self._context.caches.pods.mutation(written)
