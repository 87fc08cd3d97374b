"""What the expressions of a policy or of match conditions see, and who evaluates them.

An evaluation starts in the event loop and may cost some milliseconds there. One that needs more is done again
in a thread, with all of its budget, so that other requests are answered meanwhile.
"""

from collections.abc import Sequence
from typing import Any

from sympozium.cel.environment import Program
from sympozium.cel.errors import CostError, EvaluationError
from sympozium.cel.library.authorization import AuthorizerValue
from sympozium.cel.requests import CONDITIONS_BUDGET, Budget, OutOfBudgetError
from sympozium.localkube.admission.policies.policy import Matching
from sympozium.localkube.admission.webhooks.matching import (
    Match,
    matched_version,
    selectors_match,
)
from sympozium.localkube.types import AdmissionRequest, Attributes, Authorizer, Object, UserInfo


class ConditionError(Exception):
    """A match condition could not be evaluated."""


def matched(
    match: Matching, request: AdmissionRequest, served: Sequence[str], namespace: Object | None
) -> str | None:
    """The version in which the policy wants the request, or None."""
    version = matched_version(match, request, served) if match.rules else request.version
    if version is None or not selectors_match(match, request, namespace):
        return None
    excluded = _Excluded(match)
    if match.excluded and matched_version(excluded, request, served) is not None:
        return None
    return version


class _Excluded:
    """The other rules of a match, as one that can be asked in the same way."""

    def __init__(self, match: Match) -> None:
        self.rules = getattr(match, "excluded", ())
        self.equivalent = match.equivalent
        self.namespace_selector: Object = {}
        self.object_selector: Object = {}


def authorizer_of(request: AdmissionRequest, authorizer: Authorizer) -> AuthorizerValue:
    """`authorizer`, and `authorizer.requestResource`."""

    def ask(asked: dict[str, str]) -> tuple[bool, str]:
        user = request.user
        if asked.get("serviceAccount"):
            user = _account(asked["serviceAccount"])
        decision = authorizer.authorize(
            Attributes(
                user=user,
                verb=asked["verb"],
                group=asked.get("group", ""),
                version="" if "path" in asked else "*",
                resource=asked.get("resource", ""),
                subresource=asked.get("subresource", ""),
                namespace=asked.get("namespace", ""),
                name=asked.get("name", ""),
                path=asked.get("path", ""),
            )
        )
        return decision.allowed, decision.reason

    return AuthorizerValue(
        ask,
        request={
            "group": request.group,
            "resource": request.resource,
            "subresource": request.subresource,
            "namespace": request.namespace,
            "name": request.name,
        },
    )


def _account(asked: str) -> UserInfo:
    namespace = asked.partition(":")[0]
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    return UserInfo(username=f"system:serviceaccount:{asked}", groups=groups)


def conditions_hold(
    conditions: Sequence[tuple[str, Program]], variables: dict[str, Any], *, quick: bool
) -> bool:
    """Whether all hold. One that is false decides, whatever the others say; else an error is raised
    (ConditionError), and the failure policy decides.
    """
    budget, failed = Budget(CONDITIONS_BUDGET, quick=quick), []
    for _, program in conditions:
        try:
            if budget.evaluate(program, variables) is False:
                return False
        except (EvaluationError, CostError) as error:
            failed.append(f"expression '{program.text}' resulted in error: {error}")
        except OutOfBudgetError as error:
            raise ConditionError(str(error)) from error
    if failed:
        raise ConditionError(failed[0] if len(failed) == 1 else f"[{', '.join(failed)}]")
    return True
