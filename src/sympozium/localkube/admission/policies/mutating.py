"""MutatingAdmissionPolicy: what its expressions change of an object.

Policies are asked in the order of their names, each with what the one before it left; those with
reinvocationPolicy IfNeeded once more when a later one or a webhook changed the object.
https://kubernetes.io/docs/reference/access-authn-authz/mutating-admission-policy/
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import orjson

from sympozium.cel.environment import Program
from sympozium.cel.errors import CostError, EvaluationError
from sympozium.cel.requests import BUDGET, Budget, OutOfBudgetError, Variables, decided
from sympozium.localkube.access.objects import Objects
from sympozium.localkube.admission.policies import params
from sympozium.localkube.admission.policies.catalog import Catalog
from sympozium.localkube.admission.policies.expressions import (
    ConditionError,
    authorizer_of,
    conditions_hold,
    matched,
)
from sympozium.localkube.admission.policies.patches import (
    PatchError,
    applied,
    atomic_paths,
    misfits,
    operations,
    patched,
)
from sympozium.localkube.admission.policies.policy import Binding, Policy
from sympozium.localkube.admission.webhooks import review
from sympozium.localkube.admission.webhooks.matching import exempt, namespace_of, served_versions
from sympozium.localkube.errors import ApiError, forbidden
from sympozium.localkube.schema.node import Node
from sympozium.localkube.types import AdmissionRequest, Authorizer, Cause, Object

JsonPatch = Callable[[Object, list[Object]], Object]
NodeOf = Callable[[str, str, str], Node | None]
"""(group, version, kind) -> schema."""


class MutatingPolicies:
    def __init__(
        self, objects: Objects, authorizer: Authorizer, *, json_patch: JsonPatch, node_of: NodeOf
    ) -> None:
        self._objects = objects
        self._authorizer = authorizer
        self._json_patch = json_patch
        self._node_of = node_of
        self._catalog = Catalog(objects, "mutating")

    async def mutate(self, request: AdmissionRequest, *, again: bool = False) -> AdmissionRequest:
        """The request with the object as the policies left it; `again` asks those that want to be reinvoked.

        Raises ApiError 403 for what could not be evaluated or applied.
        """
        policies = self._catalog.policies()
        if not policies or exempt(request) or request.obj is None:
            return request
        served, namespace = served_versions(self._objects, request), namespace_of(self._objects, request)
        asked: list[Policy] = []
        for policy in policies:
            if again and not policy.reinvoke:
                continue
            before = orjson.dumps(request.obj)
            request = await self._policy(policy, request, served, namespace)
            if orjson.dumps(request.obj) != before and not again:
                for earlier in asked:
                    request = await self._policy(earlier, request, served, namespace)
            if policy.reinvoke:
                asked.append(policy)
        return request

    async def _policy(
        self, policy: Policy, request: AdmissionRequest, served: list[str], namespace: Object | None
    ) -> AdmissionRequest:
        version = matched(policy.matching, request, served, namespace)
        if version is None:
            return request
        for binding in policy.bindings:
            if matched(binding.matching, request, served, namespace) is None:
                continue
            try:
                found = params.collect(policy, binding, request, self._objects)
            except params.ParamError as error:
                if policy.fail:
                    raise _refusal(request, policy, None if error.policy else binding, str(error)) from error
                continue
            for param in found:
                try:
                    request = await self._invoke(policy, request, version, param, namespace)
                except (PatchError, ConditionError, OutOfBudgetError) as error:
                    if policy.fail:
                        raise _refusal(request, policy, binding, str(error), "Invalid") from error
        return request

    async def _invoke(
        self,
        policy: Policy,
        request: AdmissionRequest,
        version: str,
        param: Object | None,
        namespace: Object | None,
    ) -> AdmissionRequest:
        compiled = policy.compiled
        if compiled.broken:
            raise PatchError(compiled.broken)
        variables = self._variables(request, version, param, namespace)
        if not await decided(lambda quick: conditions_hold(compiled.conditions, variables, quick=quick)):
            return request
        for kind, program in compiled.mutations:
            variables = self._variables(request, version, param, namespace)
            result = await decided(partial(_evaluate, policy, program, variables))
            request = replace(request, obj=self._patched(request, version, kind, result))
        return request

    def _variables(
        self, request: AdmissionRequest, version: str, param: Object | None, namespace: Object | None
    ) -> dict[str, Any]:
        shown = review.build(request, version)["request"]
        is_namespace = (request.group, request.resource) == ("", "namespaces")
        return {
            "object": shown["object"],
            "oldObject": shown["oldObject"],
            "request": {
                key: value for key, value in shown.items() if key not in {"object", "oldObject", "uid"}
            },
            "namespaceObject": None if is_namespace else namespace,
            "params": param,
            "authorizer": authorizer_of(request, self._authorizer),
        }

    def _patched(self, request: AdmissionRequest, version: str, kind: str, result: Any) -> Object:
        assert request.obj is not None
        if kind == "JSONPatch":
            return patched(request.obj, operations(result), self._json_patch)
        node = self._node_of(request.group, version, request.kind)
        if node is None:
            raise PatchError(f"no schema for {request.group}/{version}, Kind={request.kind}")
        wanted = applied(result)
        wrong = misfits(wanted, node)
        if wrong:
            raise PatchError(
                f"error applying patch: failed to convert patch object to typed object: {wrong[0]}"
            )
        atomic = atomic_paths(wanted, node)
        if atomic:
            why = f"may not mutate atomic arrays, maps or structs: {', '.join(atomic)}"
            raise PatchError(f"error applying patch: invalid ApplyConfiguration: {why}")
        from sympozium.localkube.patch.typed import merge

        merged: Object = merge(request.obj, wanted, node)
        return merged


def _evaluate(
    policy: Policy, program: Program, shown: dict[str, Any], quick: bool
) -> Any:  # called by `decided`
    variables = dict(shown)
    budget = Budget(BUDGET, quick=quick)
    variables["variables"] = Variables(policy.compiled.variables, variables, budget)
    try:
        return budget.evaluate(program, variables)
    except (EvaluationError, CostError) as error:
        raise PatchError(f"expression '{program.text}' resulted in error: {error}") from error


def _refusal(
    request: AdmissionRequest, policy: Policy, binding: Binding | None, why: str, reason: str = ""
) -> ApiError:
    """Code 403 whatever the reason, as the real server has it."""
    if binding is None:
        message = f'policy "{policy.name}" denied request: {why}'
    else:
        message = f"policy '{policy.name}' with binding '{binding.name}' denied request: {why}"
    refused = forbidden(request.group, request.resource, request.name, "", causes=[Cause("", "", message)])
    refused.message, refused.reason = message, reason or refused.reason
    return refused
