"""Start a run: resolve what it refers to, plan, write the plan's objects, and at last the Job.

Nothing runs before the Job exists, and the Job is written when all that it mounts is there. A crash on the way
starts over with the same names. What can never work (a missing reference, a policy that says no, rights that
may not be granted) is a PlanError; what may work later is any other error.
"""

import asyncio
import base64
from collections.abc import Awaitable, Coroutine, Mapping
from dataclasses import replace
from typing import Any, Final

from sympozium import resources
from sympozium.api import AgentRun, SympoziumInstance, memory
from sympozium.api.base import Object
from sympozium.api.config import ConfigSpec
from sympozium.api.meta import LABEL_SCHEDULE, owner_reference
from sympozium.api.shared import RBACRule
from sympozium.controllers.context import Context, MissingError
from sympozium.controllers.enforcement.keeper import Enforcement
from sympozium.controllers.run import notes, own, podsecurity
from sympozium.controllers.run.identity import write_bus_secrets, write_egress_secret, write_skill_token
from sympozium.controllers.run.opening import Openings
from sympozium.controllers.run.plan import ApiServer, Images, Inputs, Plan, PlanError, network, plan
from sympozium.controllers.run.plan.inputs import PUBLIC_MODEL_ENDPOINT
from sympozium.controllers.run.port import Bus, Ref
from sympozium.controllers.run.reaching import Reaching
from sympozium.controllers.run.trace import origin
from sympozium.controllers.run.trace.teller import CONDITION, Teller
from sympozium.controllers.schedule.controller import OCCASION_ANNOTATION
from sympozium.kube import ForbiddenError, InvalidError, Request, Resource
from sympozium.kube.conditions import condition
from sympozium.kube.resources import BUILT_IN, CLUSTER_ROLES, CONFIG_MAPS, JOBS, SECRETS
from sympozium.policy import fill, network as policies
from sympozium.policy.resolve import MissingReferenceError

GRANTABLE: Final = "sympozium-grantable"
_ENDPOINT_KEY: Final = "OPENAI_BASE_URL"
_RESOURCES: Final[Mapping[str, Resource]] = {resource.kind: resource for resource in BUILT_IN}
_LATER: Final = frozenset({"RoleBinding", "ClusterRoleBinding"})
"""Bindings go after the roles that they bind, or the API server cannot check them."""


class Starter:
    """For one installation."""

    def __init__(
        self, context: Context, bus: Bus, api_server: ApiServer, enforcement: Enforcement, teller: Teller
    ) -> None:
        self.enforcement = enforcement
        self._teller = teller
        self._context = context
        self._bus = bus
        self._api_server = api_server
        self._reaching = Reaching(context.client)
        self._openings = Openings(context.client, bus)

    async def prepare(self, obj: Object, run: AgentRun) -> tuple[Inputs, Plan]:
        """Resolve and plan; writes nothing. Raises PlanError, NotYetError when the run must wait, and BusError."""
        try:
            inputs = await self.inputs(obj, run)
        except (MissingError, MissingReferenceError) as error:
            raise PlanError(str(error)) from error
        notes = self.enforcement.judge(Request(run.namespace, run.name), inputs.policy)
        opening = await self._openings.of(run)
        ref = Ref(run.namespace, run.name, run.metadata.uid)
        if untold := await self._teller.open(ref, run):
            notes = [*notes, condition(CONDITION, True, "NoDestination", f"no traces are sent: {untold}")]
        inputs = replace(
            inputs, history=opening.history, goes_on=opening.task is None, traced=self._teller.sends(ref)
        )
        made = plan(inputs)
        await podsecurity.check(self._context.client, inputs, made)
        made.conditions += notes
        return inputs, made

    async def write(self, inputs: Inputs, made: Plan) -> Object:
        """Write everything; returns the Job. Raises PlanError for what the API server will never take."""
        client, owner, run = self._context.client, inputs.owner, inputs.run
        now = [obj for obj in made.objects if obj["kind"] not in _LATER]
        later = [obj for obj in made.objects if obj["kind"] in _LATER]
        await together(
            write_bus_secrets(client, self._bus, run, owner),
            *(
                [write_egress_secret(client, inputs, self._context.system_namespace)]
                if network.proxied(inputs)
                else []
            ),
            *(own.apply(client, _RESOURCES[obj["kind"]], obj, run) for obj in now),
        )
        await together(
            *(own.apply(client, _RESOURCES[obj["kind"]], obj, run) for obj in later),
            *(
                write_skill_token(client, run, owner, a, self._api_server)
                for a in made.skill_accounts.values()
            ),
        )
        job: list[Object] = []
        await together(_into(job, own.apply(client, JOBS, made.job, run)))
        self._context.caches.jobs.mutation(job[0])
        return job[0]

    async def inputs(self, obj: Object, run: AgentRun) -> Inputs:
        """Resolve. Raises MissingError, MissingReferenceError."""
        context = self._context
        config = context.config()
        instance = context.instance(run.namespace, run.spec.instance_ref)
        policy = context.effective(instance, run.spec.parent)
        # The webhook has done this when the run was created; again, it changes nothing.
        run = run.model_copy(update={"spec": fill(run, instance, config, policy)})
        inputs = Inputs(
            run=run,
            instance=instance,
            policy=policy,
            config=config,
            packs=context.skill_packs(run.namespace, run.spec.skills),
            images=Images.of(config),
            api_server=self._api_server,
            bus_url=self._bus.url,
            model_endpoint=await self._model_endpoint(run, instance, config),
            grantable=await self._grantable(run),
            owner=owner_reference(
                {**obj, "apiVersion": resources.RUNS.api_version, "kind": resources.RUNS.kind}
            ),
            trace=origin.of_run(run).context,
            occasion=occasion(run),
            notes=await self._notes(run, instance),
        )
        return await self._with_backends(inputs)

    async def _with_backends(self, inputs: Inputs) -> Inputs:
        """What is behind the Services that its NetworkPolicy must name. Raises KubeError."""
        if not policies.egress(inputs.policy).restricted:
            return inputs
        try:
            services = network.services(inputs)
        except PlanError:
            return inputs  # an address that is none: planning it says so
        api = await self._reaching.api_server() if network.reaches_api(inputs) else ()
        return replace(inputs, backends=await self._reaching.backends(services), api_addresses=api)

    async def _notes(self, run: AgentRun, instance: SympoziumInstance) -> str | None:
        """What the agent is told of earlier runs; None for a run without memory. Raises MissingError."""
        settings = instance.spec.memory
        if settings is None or not settings.enabled:
            return None
        if run.metadata.annotations.get(memory.ANNOTATION_EXCLUDE) == "true":
            return None
        name = memory.config_map_name(instance.name)
        found = await self._context.client.find(CONFIG_MAPS, name, run.namespace)
        if found is not None and not memory.is_memory(found, instance.name):
            raise MissingError(notes.foreign(name))
        return memory.text_of(found, settings)

    async def _grantable(self, run: AgentRun) -> list[RBACRule]:
        """What the administrator lets skills have at most; nothing where the role is not there."""
        if not any(skill.skill_pack_ref for skill in run.spec.skills):
            return []
        role = await self._context.client.find(CLUSTER_ROLES, GRANTABLE)
        # A rule for named objects grants less than its resource: it cannot bound a grant by resource.
        rules = [
            r for r in (role or {}).get("rules") or () if not r.get("resourceNames") and r.get("resources")
        ]
        return [
            RBACRule(api_groups=r["apiGroups"], resources=r["resources"], verbs=r["verbs"]) for r in rules
        ]

    async def _model_endpoint(self, run: AgentRun, instance: SympoziumInstance, config: ConfigSpec) -> str:
        """Where the agent will go: the explicit URL, else its environment's, else that of the last Secret that has one.

        Then the installation's, then the provider's own.
        """
        model = run.spec.model
        if model and model.base_url:
            return model.base_url
        if named := instance.spec.agents.default.env.get(_ENDPOINT_KEY):
            return named
        names = [reference.secret for reference in instance.spec.auth_refs or config.auth_refs]
        if model and model.auth_secret_ref:
            names.append(model.auth_secret_ref)
        for name in reversed(names):
            secret = await self._context.client.find(SECRETS, name, run.namespace)
            if secret and (value := (secret.get("data") or {}).get(_ENDPOINT_KEY)):
                return base64.b64decode(value).decode(errors="replace").strip()
        return config.base_url or PUBLIC_MODEL_ENDPOINT


def occasion(run: AgentRun) -> str:
    """Why the run was started, for the agent; empty for runs that somebody asked for."""
    kind = run.metadata.annotations.get(OCCASION_ANNOTATION)
    schedule = run.metadata.labels.get(LABEL_SCHEDULE)
    if not kind or not schedule:
        return ""
    return f"This run is a {kind} of schedule {schedule}. Nobody is waiting for questions: work on your own and report."


async def _into(place: list[Object], request: Awaitable[Object]) -> None:
    place.append(await request)


async def together(*requests: Coroutine[Any, Any, Any]) -> None:
    """All of them at once. Raises PlanError when one was refused for good, else the first of their errors."""
    try:
        async with asyncio.TaskGroup() as group:
            for request in requests:
                group.create_task(request)
    except ExceptionGroup as errors:
        foreign, _ = errors.split(PlanError)
        if foreign is not None:
            raise PlanError("; ".join(str(error) for error in foreign.exceptions)) from errors
        refused, _ = errors.split((InvalidError, ForbiddenError))
        if refused is not None:
            words = "; ".join(str(error) for error in refused.exceptions)
            raise PlanError(f"the API server refused a part of the run: {words}") from errors
        # One is enough for the log and the back-off; the others come up again if they persist.
        raise errors.exceptions[0] from errors
