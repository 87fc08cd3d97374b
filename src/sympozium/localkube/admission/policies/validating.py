"""ValidatingAdmissionPolicy: what its expressions say of a request, by the actions of its bindings."""

import logging
from dataclasses import dataclass
from typing import Any

from sympozium.cel.errors import CelError, CostError, EvaluationError
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
from sympozium.localkube.admission.policies.policy import Binding, Policy, Validation
from sympozium.localkube.admission.webhooks import review
from sympozium.localkube.admission.webhooks.matching import exempt, namespace_of, served_versions
from sympozium.localkube.errors import ApiError, forbidden
from sympozium.localkube.types import AdmissionRequest, Authorizer, Cause, Object

log = logging.getLogger(__name__)
LONGEST_MESSAGE = 5 * 1024
CODES = {"Forbidden": 403, "Invalid": 422, "RequestEntityTooLarge": 413, "Unauthorized": 401}


@dataclass(frozen=True, slots=True)
class Denial:
    """What one expression found: `error` when it could not be evaluated."""

    message: str
    reason: str = ""
    error: bool = False


class ValidatingPolicies:
    def __init__(self, objects: Objects, authorizer: Authorizer) -> None:
        self._objects = objects
        self._authorizer = authorizer
        self._catalog = Catalog(objects, "validating")

    async def validate(self, request: AdmissionRequest) -> list[str]:
        """Returns warnings. Raises ApiError for the first denial in order of policies and bindings."""
        policies = self._catalog.policies()
        if not policies or exempt(request):
            return []
        warnings: list[str] = []
        denied: list[tuple[Policy, Binding | None, Denial]] = []
        served, namespace = served_versions(self._objects, request), namespace_of(self._objects, request)
        for policy in policies:
            version = matched(policy.matching, request, served, namespace)
            if version is None:
                continue
            for binding in policy.bindings:
                if matched(binding.matching, request, served, namespace) is None:
                    continue
                try:
                    found = params.collect(policy, binding, request, self._objects)
                except params.ParamError as error:
                    if policy.fail:
                        denied.append((policy, None if error.policy else binding, Denial(str(error))))
                    continue
                for param in found:
                    denials = await self._evaluate(policy, request, version, param, namespace)
                    for denial in denials:
                        self._act(policy, binding, denial, request, denied, warnings)
        if denied:
            raise _refusal(request, *denied[0])
        return warnings

    async def _evaluate(
        self,
        policy: Policy,
        request: AdmissionRequest,
        version: str,
        param: Object | None,
        namespace: Object | None,
    ) -> list[Denial]:
        shown = review.build(request, version)["request"]
        is_namespace = (request.group, request.resource) == ("", "namespaces")
        variables: dict[str, Any] = {
            "object": shown["object"],
            "oldObject": shown["oldObject"],
            "request": {
                key: value for key, value in shown.items() if key not in {"object", "oldObject", "uid"}
            },
            "namespaceObject": None if is_namespace else namespace,
            "params": param,
            "authorizer": authorizer_of(request, self._authorizer),
        }
        return await decided(lambda quick: decide(policy, dict(variables), quick=quick))

    @staticmethod
    def _act(
        policy: Policy,
        binding: Binding,
        denial: Denial,
        request: AdmissionRequest,
        denied: list[tuple[Policy, Binding | None, Denial]],
        warnings: list[str],
    ) -> None:
        if denial.error and not policy.fail:
            return
        subject = f"'{policy.name}' with binding '{binding.name}'"
        for action in binding.actions:
            if action == "Deny":
                denied.append((policy, binding, denial))
            elif action == "Warn":
                warnings.append(
                    f"Validation failed for ValidatingAdmissionPolicy {subject}: {denial.message}"
                )
            else:
                what = f"{request.operation} {request.resource} {request.namespace}/{request.name}"
                log.warning("audit: ValidatingAdmissionPolicy %s: %s: %s", subject, what, denial.message)


def _refusal(request: AdmissionRequest, policy: Policy, binding: Binding | None, denial: Denial) -> ApiError:
    subject = f"'{policy.name}'" if binding is None else f"'{policy.name}' with binding '{binding.name}'"
    message = f"ValidatingAdmissionPolicy {subject} denied request: {denial.message}"
    refused = forbidden(
        request.group, request.resource, request.name, message, causes=[Cause("", "", message)]
    )
    refused.reason = denial.reason or "Invalid"
    refused.code = CODES.get(refused.reason, 422)
    return refused


def decide(policy: Policy, variables: dict[str, Any], *, quick: bool) -> list[Denial]:
    """What the policy's expressions find. Raises HeavyError when quick."""
    compiled = policy.compiled
    if compiled.broken:
        return [Denial(compiled.broken, error=True)]
    try:
        if not conditions_hold(compiled.conditions, variables, quick=quick):
            return []
    except ConditionError as error:
        return [Denial(str(error), error=True)]
    budget = Budget(BUDGET, quick=quick)
    variables["variables"] = Variables(compiled.variables, variables, budget)
    denials: list[Denial] = []
    try:
        for validation in compiled.validations:
            denial = _validate(validation, variables, budget)
            if denial is not None:
                denials.append(denial)
        _annotate(policy, variables, budget, denials)
    except OutOfBudgetError as error:
        return [Denial(str(error), error=True)]
    return denials


def _validate(validation: Validation, variables: dict[str, Any], budget: Budget) -> Denial | None:
    try:
        if budget.evaluate(validation.program, variables) is True:
            return None
    except (EvaluationError, CostError) as error:
        return Denial(f"expression '{validation.program.text}' resulted in error: {error}", error=True)
    raw = validation.raw
    message = _message(validation, variables, budget) or (raw.get("message") or "").strip()
    return Denial(
        message or f"failed expression: {raw['expression'].strip()}", raw.get("reason") or "Invalid"
    )


def _message(validation: Validation, variables: dict[str, Any], budget: Budget) -> str:
    """What messageExpression says, "" when that is nothing that can be shown."""
    if validation.message_program is None:
        return ""
    try:
        text = budget.evaluate(validation.message_program, variables)
    except CelError:
        return ""  # the real server falls back to `message` too
    text = text.strip() if isinstance(text, str) else ""
    return "" if len(text.encode()) > LONGEST_MESSAGE or "\n" in text else text


def _annotate(policy: Policy, variables: dict[str, Any], budget: Budget, denials: list[Denial]) -> None:
    """Audit annotations go to the log: there is no audit log here."""
    for key, program in policy.compiled.annotations:
        try:
            value = budget.evaluate(program, variables)
        except (EvaluationError, CostError) as error:
            denials.append(Denial(f"expression '{program.text}' resulted in error: {error}", error=True))
            continue
        if isinstance(value, str) and value.strip():
            log.info("audit: %s/%s: %s", policy.name, key, value.strip()[:10240])
