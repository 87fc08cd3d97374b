"""The variables of expressions that look at requests: policies and match conditions.

https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/#validation-expression
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, TypeVar

from sympozium.cel.activation import PER_CALL, SECONDS
from sympozium.cel.environment import Environment, Program
from sympozium.cel.errors import CompileError, CostError, EvaluationError
from sympozium.cel.types import (
    AUTHORIZER,
    BOOL,
    DYN,
    INT,
    NULL,
    STRING,
    TIMESTAMP,
    Type,
    list_of,
    map_of,
    object_of,
    same,
)

BUDGET: Final = 10_000_000
"""Cost of all expressions of a policy with one binding, and of all rules of a custom resource."""
CONDITIONS_BUDGET: Final = 2_500_000
QUICK: Final = 30_000
"""Cost that is spent before an evaluation moves to a thread: some milliseconds."""
QUICK_SECONDS: Final = 0.05
OUT_OF_BUDGET: Final = (
    "validation failed due to running out of cost budget, no further validation rules will be run"
)


def _named(kind: str, last: str) -> Type:
    return object_of(f"kubernetes.{kind}", {"group": STRING, "version": STRING, last: STRING})


_TEXTS = list_of(STRING)
REQUEST: Final = object_of(
    "kubernetes.AdmissionRequest",
    {
        "kind": _named("GroupVersionKind", "kind"),
        "resource": _named("GroupVersionResource", "resource"),
        "subResource": STRING,
        "requestKind": _named("GroupVersionKind", "kind"),
        "requestResource": _named("GroupVersionResource", "resource"),
        "requestSubResource": STRING,
        "name": STRING,
        "namespace": STRING,
        "operation": STRING,
        "userInfo": object_of(
            "kubernetes.UserInfo",
            {"username": STRING, "uid": STRING, "groups": _TEXTS, "extra": map_of(STRING, _TEXTS)},
        ),
        "dryRun": BOOL,
        "options": DYN,
    },
)
_CONDITION = object_of(
    "kubernetes.NamespaceCondition",
    {"status": STRING, "type": STRING, "lastTransitionTime": TIMESTAMP, "message": STRING, "reason": STRING},
)
_METADATA = object_of(
    "kubernetes.NamespaceMetadata",
    {
        **dict.fromkeys(("name", "generateName", "namespace", "UID", "resourceVersion"), STRING),
        **dict.fromkeys(("labels", "annotations"), map_of(STRING, STRING)),
        **dict.fromkeys(("creationTimestamp", "deletionTimestamp"), TIMESTAMP),
        **dict.fromkeys(("deletionGracePeriodSeconds", "generation"), INT),
        "finalizers": _TEXTS,
    },
)
NAMESPACE: Final = object_of(
    "kubernetes.Namespace",
    {
        "metadata": _METADATA,
        "spec": object_of("kubernetes.NamespaceSpec", {"finalizers": _TEXTS}),
        "status": object_of(
            "kubernetes.NamespaceStatus", {"conditions": list_of(_CONDITION), "phase": STRING}
        ),
    },
)
OBJECT: Final = object_of("Object", None)
JSON_PATCH: Final = object_of("JSONPatch", {"op": STRING, "path": STRING, "from": STRING, "value": DYN})
_STRUCTS: Final = {"Object": OBJECT, "JSONPatch": JSON_PATCH}
TEXT_OR_NULL: Final = (STRING, NULL)


@lru_cache(maxsize=16)
def environment(*, params: bool, authorizer: bool, patches: bool = False) -> Environment:
    variables: dict[str, Type] = {
        "object": DYN,
        "oldObject": DYN,
        "request": REQUEST,
        "namespaceObject": NAMESPACE,
    }
    if params:
        variables["params"] = DYN
    if authorizer:
        variables["authorizer"] = AUTHORIZER
    return Environment(variables, _STRUCTS if patches else None)


def with_variables(known: Environment, types: Mapping[str, Type]) -> Environment:
    """The environment with `variables.<name>`."""
    return Environment(
        {**known.variables, "variables": object_of("kubernetes.variables", types)}, known.structs
    )


def compile_as(known: Environment, text: str, wanted: tuple[Type, ...] = ()) -> Program:
    """Raises CompileError with the whole text after `Invalid value: "...": `."""
    try:
        program = known.compile(text)
    except CompileError as error:
        raise CompileError(f"compilation failed: {error}") from error
    if wanted and not any(same(program.type, kind) for kind in wanted):
        words = (
            str(wanted[0]) if len(wanted) == 1 else f"one of [{' '.join(_go_word(kind) for kind in wanted)}]"
        )
        raise CompileError(f"must evaluate to {words} but got {program.type}")
    return program


def _go_word(kind: Type) -> str:
    return "null_type" if kind is NULL else str(kind)


class HeavyError(Exception):
    """More than the quick part of a budget is needed: evaluate again, with all of it, in a thread."""


class OutOfBudgetError(Exception):
    """All expressions together cost too much."""

    def __init__(self) -> None:
        super().__init__(OUT_OF_BUDGET)


class Budget:
    """What the expressions of one decision may cost together. `quick` ones raise HeavyError at QUICK."""

    def __init__(self, total: int, *, quick: bool) -> None:
        self._left = min(total, QUICK) if quick else total
        self._quick = quick

    def evaluate(self, program: Program, variables: Mapping[str, Any]) -> Any:
        """Raises EvaluationError with its text, CostError, OutOfBudgetError, HeavyError."""
        limit = min(PER_CALL, self._left)
        try:
            value, cost = program.evaluate(variables, limit, QUICK_SECONDS if self._quick else SECONDS)
        except CostError:
            if self._quick:
                raise HeavyError from None
            if limit < PER_CALL:
                raise OutOfBudgetError from None
            self._left -= limit
            raise
        self._left -= cost
        return value


T = TypeVar("T")
THREADS: Final = asyncio.Semaphore(2)
"""Heavy evaluations at a time: they share the interpreter with everything else."""


async def decided(decide: Callable[[bool], T]) -> T:
    """`decide(quick)`, which may raise HeavyError when quick."""
    try:
        return decide(True)
    except HeavyError:
        async with THREADS:
            return await asyncio.to_thread(decide, False)


class Variables(dict[str, Any]):
    """`variables`: each is evaluated when it is first read."""

    def __init__(self, programs: Mapping[str, Program], bound: dict[str, Any], budget: Budget) -> None:
        super().__init__()
        self._programs = programs
        self._bound = bound
        self._budget = budget
        self._failed: dict[str, str] = {}

    def get(self, key: str, default: Any = None) -> Any:
        if key not in self._programs:
            return default
        if key not in self:
            self._make(key)
        return self[key]

    def _make(self, key: str) -> None:
        if key not in self._failed:
            try:
                self[key] = self._budget.evaluate(self._programs[key], self._bound)
            except (EvaluationError, CostError) as error:
                self._failed[key] = f'composited variable "{key}" fails to evaluate: {error}'
            else:
                return
        raise EvaluationError(self._failed[key])
