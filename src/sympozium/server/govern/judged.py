"""The policy that a trial or a backtest is about, with the floor that holds beside it: all of it read as the caller."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from sympozium.actions.errors import ActionError
from sympozium.actions.policies import backtest, check, sources
from sympozium.actions.policies.cases import RunSeen
from sympozium.actions.policies.sources import KIND
from sympozium.api.config import ConfigSpec
from sympozium.api.instance import SympoziumInstance
from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.api.policy import SympoziumPolicy
from sympozium.api.shared import ToolPolicy
from sympozium.kube import Client, ForbiddenError
from sympozium.policy import Call, Effective, target_of
from sympozium.policy.resolve import policy_keys
from sympozium.resources import INSTANCES, POLICIES
from sympozium.server.models.govern import BacktestOrder, ObjectKey, PolicyTrial
from sympozium.server.problems import Problem, line_of


@dataclass(slots=True)
class Judged:
    """`unread` says what is not part of the answer, since the caller may not read it."""

    policy: SympoziumPolicy
    floor: SympoziumPolicy | None = None
    instance: SympoziumInstance | None = None
    unread: list[str] = field(default_factory=list)

    @classmethod
    async def of(cls, client: Client, asked: PolicyTrial) -> "Judged":
        """Raises Problem, KubeError."""
        instance = None
        if asked.instance:
            found = await client.get(INSTANCES, asked.instance.name, asked.instance.namespace)
            instance = SympoziumInstance.model_validate(found)
        if asked.yaml is not None:
            policy = await policy_of_text(asked.yaml)
        elif asked.policy:
            policy = await _policy(client, asked.policy)
        elif instance:
            policy = await _policy_of(client, instance)
        else:
            raise Problem(422, "which policy? Give yaml, policy, or instance")
        judged = cls(policy, instance=instance)
        await judged._find_floor(client)
        return judged

    @classmethod
    async def for_backtest(cls, client: Client, order: BacktestOrder) -> "Judged":
        """Raises Problem, MissingError, KubeError."""
        if order.yaml is not None:
            policy = await policy_of_text(order.yaml)
        elif order.name:
            policy = await backtest.policy_of(client, order.namespace or SYSTEM_NAMESPACE, order.name)
        else:
            raise Problem(422, "which policy? Give yaml or name")
        judged = cls(policy)
        await judged._find_floor(client)
        return judged

    @property
    def narrowing(self) -> list[ToolPolicy]:
        own = self.instance.spec.tool_policy if self.instance else None
        return [own] if own else []

    def effective(self) -> Effective:
        return Effective.of(self.policy, floor=self.floor)

    def call(self, asked: PolicyTrial) -> Call:
        wanted = asked.call
        seen: dict[str, Any] = (asked.run or RunSeen()).model_dump(mode="json")
        if self.instance:
            seen |= {"namespace": self.instance.namespace, "instance": self.instance.name}
        return Call(wanted.tool, wanted.target or target_of(wanted.tool), wanted.args, seen)

    async def _find_floor(self, client: Client) -> None:
        try:
            self.floor = await backtest.floor_of(client)
        except ForbiddenError as error:
            self.unread.append(f"the installation's floor is not part of this answer: {error}")


async def policy_of_text(text: str) -> SympoziumPolicy:
    """The one policy of a text. Raises Problem 422 with the line of each mistake."""
    try:
        documents = await asyncio.to_thread(sources.documents, text, "yaml")
    except ActionError as error:
        line, words = line_of(str(error))
        raise _wrong([{"field": "", "message": words, "line": str(line)}]) from error
    policies = [document for document in documents if document.obj.get("kind") == KIND]
    if len(policies) != 1:
        raise Problem(422, f"the text holds {len(policies)} SympoziumPolicies where one is expected")
    found = await asyncio.to_thread(check.of, policies[0])
    wrong = [
        {"field": one.path, "message": one.message, "line": str(one.line)}
        for one in found
        if one.level == "error"
    ]
    if wrong:
        raise _wrong(wrong)
    return SympoziumPolicy.model_validate(policies[0].obj)


def _wrong(causes: list[dict[str, str]]) -> Problem:
    first = causes[0]
    path = f"{first['field']}: " if first["field"] else ""
    return Problem(422, f"line {first['line']}: {path}{first['message']}", causes=causes)


async def _policy(client: Client, key: ObjectKey) -> SympoziumPolicy:
    return SympoziumPolicy.model_validate(await client.get(POLICIES, key.name, key.namespace))


async def _policy_of(client: Client, instance: SympoziumInstance) -> SympoziumPolicy:
    """As its runs find it. Raises Problem 404, KubeError."""
    config = await backtest.config_of(client) if instance.spec.policy_ref is None else ConfigSpec()
    keys = policy_keys(instance, config)
    for namespace, name in keys:
        if found := await client.find(POLICIES, name, namespace):
            return SympoziumPolicy.model_validate(found)
    where = " or ".join(namespace for namespace, _ in keys)
    raise Problem(404, f"SympoziumPolicy {keys[0][1]} of instance {instance.name} is not in {where}")
