"""matchConditions: CEL over `object`, `oldObject` and `request`.

The `authorizer` variable is not offered; an expression that uses it does not compile, and a
configuration whose expressions do not compile is refused when it is written, so nothing is
accepted that would not be followed.
https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#matching-requests-matchconditions
"""

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

from sympozium.localkube.types import Object


class ConditionError(Exception):
    """An expression could not be compiled or evaluated; the message says which and why."""


@cache
def _environment() -> Any:
    # Imported at the first condition: most clusters have none, and the library is 6 MB.
    from cel_expr_python import cel

    dyn = cel.Type.DYN
    return cel.NewEnv(variables={"object": dyn, "oldObject": dyn, "request": dyn})


@lru_cache(maxsize=512)
def compiled(expression: str) -> Any:
    """Raises ConditionError for what does not compile or is not a boolean."""
    try:
        program = _environment().compile(expression)
    except RuntimeError as error:
        raise ConditionError(f"compilation failed: {error}") from error
    kind = program.return_type().name()
    if kind not in {"BOOL", "DYN"}:
        raise ConditionError("must evaluate to bool")
    return program


def holds(conditions: Sequence[tuple[str, str]], review: Object) -> bool:
    """Whether all conditions hold for `request` of an AdmissionReview.

    One that is false decides, whatever the others say; else an error is raised (ConditionError), and
    the failure policy decides.
    """
    failed = ""
    data = {"object": review.get("object"), "oldObject": review.get("oldObject"), "request": review}
    for name, expression in conditions:
        try:
            value = compiled(expression).eval(data=data)
        except RuntimeError as error:
            failed = failed or f"matchCondition {name!r}: {error}"
            continue
        result = value.plain_value()
        if result is False:
            return False
        if result is not True:
            failed = failed or f"matchCondition {name!r}: {value}"
    if failed:
        raise ConditionError(failed)
    return True
