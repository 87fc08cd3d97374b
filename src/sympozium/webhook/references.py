"""The objects that admission looks up: policies, instances, skill packs, the configuration.

Read from informers, so that an answer costs no request. An object that the local copy does not have is asked for
once more at the API, since people create an instance and its first run in one breath; what exists may be
a moment old, as everywhere in Kubernetes, and the controller decides again when it plans the run.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from sympozium.api.config import NAME as CONFIG_NAME, ConfigSpec, SympoziumConfig
from sympozium.api.instance import SympoziumInstance
from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.api.policy import SympoziumPolicy
from sympozium.api.run import AgentRun
from sympozium.api.shared import Parent, Resource as Model, SkillRef
from sympozium.api.skillpack import SkillPack
from sympozium.kube.client import Client
from sympozium.kube.informer import Informer, drop_managed_fields, report
from sympozium.policy import Effective, lineage, resolve
from sympozium.policy.resolve import Key
from sympozium.resources import RUNS, resource

M = TypeVar("M", bound=Model)

_KINDS: Final[tuple[type[Model], ...]] = (SympoziumInstance, SympoziumPolicy, SkillPack, SympoziumConfig)
_MODELS: Final = 1024
"""Parsed objects that are kept; the oldest goes first."""


class References:
    """Looks objects up. `follow` keeps the copies; `unready` says which are not complete yet."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._models: dict[tuple[str, str], Model] = {}
        self._informers = {
            model.__name__: Informer(
                client,
                resource(model.__name__),
                namespace=SYSTEM_NAMESPACE if model is SympoziumConfig else None,
                transform=drop_managed_fields,
            )
            for model in _KINDS
        }
        report(list(self._informers.values()))

    def unready(self) -> list[str]:
        """The collections that have not been read yet."""
        return [
            f"{kind} not read yet" for kind, informer in self._informers.items() if not informer.has_synced
        ]

    async def follow(self) -> None:
        """Keep the copies until cancelled."""
        async with asyncio.TaskGroup() as group:
            for informer in self._informers.values():
                group.create_task(informer.run())

    async def get(self, model: type[M], keys: Iterable[Key]) -> M | None:
        """The first object that exists; those in the copy come first, so that most answers cost no request.

        Raises what the API raises when it cannot be asked.
        """
        wanted = list(keys)
        for key in wanted:
            if (held := self.cached(model, key)) is not None:
                return held
        for namespace, name in wanted:
            if found := await self.client.find(resource(model.__name__), name, namespace):
                return model.model_validate(found)
        return None

    def cached(self, model: type[M], where: Key) -> M | None:
        """An object of the copy. Callers must not change it.

        It is parsed once: parsing a policy costs more than all that is done with it.
        """
        obj = self._informers[model.__name__].get(*where)
        if obj is None:
            return None
        meta = obj["metadata"]
        key = (meta["uid"], meta["resourceVersion"])
        found = self._models.get(key)
        if found is None:
            found = model.model_validate(obj)
            if len(self._models) >= _MODELS:
                self._models.pop(next(iter(self._models)))
            self._models[key] = found
        assert isinstance(found, model)
        return found

    async def instance(self, namespace: str, name: str) -> SympoziumInstance | None:
        return await self.get(SympoziumInstance, [(namespace, name)])

    def config(self) -> ConfigSpec:
        """The installation's defaults; the schema's defaults where nobody wrote any."""
        # Not asked for when it is absent: that is an ordinary state, and would cost a request for every review.
        found = self.cached(SympoziumConfig, (SYSTEM_NAMESPACE, CONFIG_NAME))
        return found.spec if found else ConfigSpec()

    async def run(self, namespace: str, name: str) -> AgentRun | None:
        """A run as it is now: not from a copy, which there is none of, and which could be too old to tell its end."""
        found = await self.client.find(RUNS, name, namespace)
        return AgentRun.model_validate(found) if found else None

    async def policy(
        self, instance: SympoziumInstance, config: ConfigSpec, parent: Parent | None = None
    ) -> Effective:
        """The policy of an instance's runs (beneath `parent`). Raises MissingReferenceError."""
        return resolve.effective(
            instance, config, await self._policies(instance, config, parent), parent=parent
        )

    async def handed_down(self, run: AgentRun, instance: SympoziumInstance) -> Parent:
        """What a run of an instance hands down to runs that it starts. Raises MissingReferenceError."""
        config = self.config()
        return lineage.handed_down(
            run, instance, config, await self._policies(instance, config, run.spec.parent)
        )

    async def _policies(
        self, instance: SympoziumInstance, config: ConfigSpec, parent: Parent | None
    ) -> Callable[[Key], SympoziumPolicy | None]:
        """A look-up that knows every policy that may hold for a run."""
        floor = resolve.floor_key(config)
        above = [(key.namespace, key.name) for key in parent.policies] if parent else []
        found = {}
        for keys in (resolve.policy_keys(instance, config), *([key] for key in (floor, *above) if key)):
            if policy := await self.get(SympoziumPolicy, keys):
                found[(policy.namespace, policy.name)] = policy
        return found.get

    def users_of(self, pack: SkillPack) -> list[SympoziumInstance]:
        """The instances whose skills lead to a pack, by name: one of their own namespace comes first."""
        return [user for user in self._naming(pack) if self._leads_to(user.namespace, pack)]

    def hidden_from(self, pack: SkillPack) -> list[SympoziumInstance]:
        """The instances that name a pack of the system namespace, and have another one while theirs is there."""
        return [user for user in self._naming(pack) if not self._leads_to(user.namespace, pack)]

    def _naming(self, pack: SkillPack) -> list[SympoziumInstance]:
        found = []
        for obj in self._informers[SympoziumInstance.__name__].list():
            if any(s.get("skillPackRef") == pack.name for s in obj["spec"].get("skills") or ()):
                meta = obj["metadata"]
                instance = self.cached(SympoziumInstance, (meta["namespace"], meta["name"]))
                assert instance is not None, "the copy has what it has just listed"
                found.append(instance)
        return sorted(found, key=lambda instance: (instance.namespace, instance.name))

    def _leads_to(self, namespace: str, pack: SkillPack) -> bool:
        if namespace == pack.namespace:
            return True
        own = self.cached(SkillPack, (namespace, pack.name))
        return pack.namespace == SYSTEM_NAMESPACE and own is None

    async def packs(self, namespace: str, skills: Iterable[SkillRef]) -> dict[str, SkillPack]:
        """The packs of skills by name. Raises MissingReferenceError."""
        references = list(skills)
        found = {}
        for reference in references:
            name = reference.skill_pack_ref
            if name and (pack := await self.get(SkillPack, resolve.lookup(namespace, name))):
                found[(pack.namespace, pack.name)] = pack
        return resolve.skill_packs(namespace, references, found.get)
